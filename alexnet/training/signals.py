"""Turns signals into an exception that never arrives in the middle of a step.

They are Ctrl-C's, SIGTERM, and SIGUSR2, which Slurm sends before a job's time limit.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)


class Interrupted(BaseException):
    """The run was asked to stop. exit_status is the shell's custom: 128 + the signal's number."""

    status = "interrupted"

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number, self.exit_status = number, 128 + number


class Signals:
    """Within `with Signals() as signals`, the first SIGINT, SIGTERM or SIGUSR2 raises Interrupted.

    Later ones do nothing, so that they don't interrupt what the run still writes.
    """

    def __init__(self) -> None:
        self.shared = False  # whether other processes must stop at the same step; then `asked` is all that changes
        self.asked = 0  # the signal that arrived
        self.reacted = False  # an exception was raised; there won't be another
        self._deferring = False
        self._pending: BaseException | None = None
        self._raised: BaseException | None = None
        self._news: BaseException | None = None  # of another thread

    def __enter__(self) -> "Signals":
        self._previous = {number: signal.signal(number, self._handle) for number in STOPPING}
        self._previous_hook, sys.unraisablehook = sys.unraisablehook, self._keep
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        sys.unraisablehook = self._previous_hook

    @contextmanager
    def uninterrupted(self) -> Iterator[None]:
        """Delays Interrupted until the end of this context."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        if self._pending is not None:
            error, self._pending = self._pending, None
            self._raise(error)

    def stop(self, number: int) -> None:
        """Raises Interrupted as if that signal had arrived; 0 is none."""
        if number > 0:
            self._deliver(Interrupted(number))

    def raise_soon(self, error: BaseException) -> None:
        """Raises an error in the main thread as a signal would. Any other thread may call this."""
        self._news = error
        main = threading.main_thread().ident
        if main is not None:
            signal.pthread_kill(main, signal.SIGTERM)  # it interrupts what the main thread waits for

    def ignore_others(self) -> None:
        """Raises nothing from now on."""
        self.reacted = True

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._news is not None:
            error, self._news = self._news, None
            self._deliver(error)
        elif self.shared:
            self.asked = self.asked or number
        else:
            self._deliver(Interrupted(number))

    def _deliver(self, error: BaseException) -> None:
        if self._deferring:
            self._pending = error if self._pending is None else self._pending
        else:
            self._raise(error)

    def _raise(self, error: BaseException) -> None:
        if not self.reacted:
            self.reacted, self._raised = True, error
            raise error

    def _keep(self, lost: "sys.UnraisableHookArgs") -> None:
        """Python drops an exception in a destructor, such as that of torch's workers: it is raised after the step."""
        if lost.exc_value is not None and lost.exc_value is self._raised:
            self.reacted, self._pending = False, self._raised
        else:
            self._previous_hook(lost)
