"""Everything that can go wrong, each with its exit code and what to type next."""

from __future__ import annotations

from typing import ClassVar

from profiler.printable import printable


class BottleneckError(Exception):
    """A failure that the user is told about in one line.

    `message` says what happened and why; `hint` says what to type next. `partial` is what was measured before, a
    `profiler.report.records.Report`, or None.
    """

    exit_code: ClassVar[int] = 1
    partial: object | None = None

    def __init__(self, message: str, hint: str = "") -> None:
        self.message, self.hint = printable(message), printable(hint)
        super().__init__("; ".join(filter(None, (self.message, hint and f"try: {self.hint}"))))


class FailedError(BottleneckError):
    """The work was started and could not be finished."""


class OutOfMemoryError(FailedError):
    """The device ran out of memory although the estimate said that the model fits."""


class UnreadableError(FailedError):
    """A file that should hold a report, a trace or a model does not."""


class UsageError(BottleneckError):
    """What was typed cannot be meant."""

    exit_code = 2


class UnknownModelError(UsageError):
    """MODEL is no hub id, folder, preset or factory."""


class OutputExistsError(UsageError):
    """The output file is there already and `--force` was not given."""


class GateError(BottleneckError):
    """A budget does not hold. `message` is empty where the answer on stdout has said so."""

    exit_code = 3


class UnsupportedError(BottleneckError):
    """This machine cannot do what was asked."""

    exit_code = 4


class NoDeviceError(UnsupportedError):
    """A GPU was asked for where there is none."""


class WillNotFitError(UnsupportedError):
    """The model needs more memory than the device has free."""


class InterruptedByUser(BottleneckError):  # noqa: N818 - it is no error
    """Ctrl-C: what was measured is kept in `partial`. `message` says what became of it where that is not all."""

    exit_code = 130

    def __init__(self, message: str = "", hint: str = "", *, partial: object | None = None) -> None:
        super().__init__(message, hint)
        self.partial = partial


def bug(error: Exception, *, partial: object | None = None) -> FailedError:
    """An exception that nobody expected, in one line."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    failure = FailedError(f"{name}: {text}" if text else name, "re-run with --debug, and please report this")
    failure.partial = partial
    return failure
