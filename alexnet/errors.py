"""The ways in which a run ends early with one sentence and no stack trace.

`status` is what result.json then says, `exit_status` what the shell gets.
"""


class Mistake(Exception):
    """Something a person can put right: says what was given, what was expected and what to type."""

    status, exit_status = "failed", 2


class Damaged(Mistake):
    """A file in a run's folder is not what a run writes."""


class Failure(Exception):
    """Something the world did: no network, a full disk. Says what happened and the ways out."""

    status, exit_status = "failed", 1


class Diverged(Exception):
    """The loss is no longer a number."""

    status, exit_status = "diverged", 1
