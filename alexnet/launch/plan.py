"""Where a sweep stands: how many jobs it has, in what they differ, how long the rest will take."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from alexnet.config.keys import without_launch
from alexnet.errors import make_printable, shorten
from alexnet.messages.console import translate


@dataclass
class Plan:
    """The jobs of the sweep that this program runs.

    total: None if the sweeper doesn't say. keys: in which they differ; None: not known. ended: jobs, also those that
    had ended before; seconds: of each that ran just now.
    """

    total: int | None = None
    keys: frozenset[str] | None = None
    at_once: int = 1
    ended: int = 0
    seconds: list[float] = field(default_factory=list)

    def name(self, number: int) -> str:
        """'job 3 of 6', which Hydra counts as number 2."""
        if self.total is None:
            return translate("job {}").format(number + 1)
        return translate("job {} of {}").format(number + 1, self.total)

    def describe(self, overrides: Sequence[str]) -> str:
        """'optimizer.lr=0.1 seed=2': what tells the job from the others."""
        own = without_launch(overrides)
        if self.keys is not None:
            own = [_round(given) for given in own if _get_key(given) in self.keys]
        return make_printable(shorten(" ".join(own)))

    def name_fully(self, number: int, overrides: Sequence[str]) -> str:
        """'job 3 of 6 (optimizer.lr=0.1 seed=2)'."""
        described = self.describe(overrides)
        return f"{self.name(number)} ({described})" if described else self.name(number)

    def end(self, seconds: float | None) -> None:
        """Counts a job that ended, after so many seconds; None: before this program."""
        self.ended += 1
        if seconds is not None:
            self.seconds.append(seconds)

    def time_left(self) -> str:
        """', about 02:10 left'; nothing before a job has ended, or when all have."""
        if self.total is None or not self.seconds or self.ended >= self.total:
            return ""
        from tqdm import tqdm  # imported here, so that --help and mistakes are answered sooner

        rounds = -(-(self.total - self.ended) // min(self.at_once, self.total))
        mean = sum(self.seconds) / len(self.seconds)
        return translate(", about {} left").format(tqdm.format_interval(mean * rounds))

    def begin(self, jobs: Sequence[Sequence[str]], total: int | None) -> None:
        """Makes it the plan of these jobs, given by their overrides. total: another number, if they are examples."""
        common = set.intersection(*map(set, jobs)) if jobs else set()
        self.keys = frozenset(_get_key(given) for job in jobs for given in job if given not in common) if jobs else None
        self.total, self.ended, self.seconds = total or len(jobs) or None, 0, []


def _round(override: str) -> str:
    """A search's long numbers with four digits."""
    key, equals, value = override.partition("=")
    if len(value) > 8 and re.fullmatch(r"[\d.]+(e-?\d+)?", value):
        with suppress(ValueError):
            value = f"{float(value):.4g}"
    return f"{key}{equals}{value}"


def _get_key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


PLAN = Plan()  # of this program; it knows nothing in the process of a parallel job
