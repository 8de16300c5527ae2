"""Turns Ctrl-C and SIGTERM into an exception that never arrives in the middle of a step."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(BaseException):
    """The run was asked to stop. exit_status is the shell's custom: 128 + the signal's number."""

    status = "interrupted"

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_status = 128 + number


class Signals:
    """Within `with Signals() as signals`, the first SIGINT or SIGTERM raises Interrupted.

    Later ones do nothing, so that they don't interrupt what the run still writes.
    """

    def __init__(self) -> None:
        self._deferring, self._raised = False, False
        self._pending: int | None = None

    def __enter__(self) -> "Signals":
        self._previous = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextmanager
    def uninterrupted(self) -> Iterator[None]:
        """Delays Interrupted until the end of this context."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        if self._pending is not None:
            number, self._pending = self._pending, None
            self._raise(number)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._deferring:
            self._pending = number
        else:
            self._raise(number)

    def _raise(self, number: int) -> None:
        if not self._raised:
            self._raised = True
            raise Interrupted(number)
