"""Progress on stderr: a bar for people, one line a stage for logs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from profiler.printable import printable
from profiler.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


@contextmanager
def progress_on_stderr() -> Iterator[Progress]:
    """Progress that ends with the context; Rich, which takes a while to import, draws it where somebody looks on."""
    if not sys.stderr.isatty():
        yield LineProgress(sys.stderr)
        return
    from rich.console import Console

    with progress_on(Console(stderr=True)) as progress:
        yield progress


@contextmanager
def progress_on(console: Console, clock: Callable[[], float] = time.monotonic) -> Iterator[Progress]:
    """Progress that ends with the context. `clock` gives seconds."""
    if not console.is_terminal:
        yield LineProgress(console.file, clock)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with RichProgress(*columns, console=console, transient=True) as bars:
        yield BarProgress(bars)


class BarProgress:
    """The stage that runs, with a bar where its length is known."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def stage(self, label: str, total: int | None = None, *, seconds: float | None = None) -> None:
        """Replace the bar by a new one."""
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(printable(_with_outlook(label, seconds)), total=total)

    def advance(self, steps: int = 1) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.advance(self._task, steps)

    def note(self, text: str) -> None:
        """A line above the bar."""
        self._bars.console.print(printable(text), markup=False, highlight=False)


class LineProgress:
    """One line a stage, with the seconds since the start: for logs, where nothing can be drawn over."""

    def __init__(self, file: IO[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._began = clock()

    def stage(self, label: str, total: int | None = None, *, seconds: float | None = None) -> None:
        """Say that a stage begins."""
        self.note(_with_outlook(label, seconds))

    def advance(self, steps: int = 1) -> None:
        """Steps are not worth a line."""

    def note(self, text: str) -> None:
        """Say something."""
        print(f"[{self._clock() - self._began:6.1f} s] {printable(text)}", file=self._file, flush=True)


def _with_outlook(label: str, seconds: float | None) -> str:
    """The stage, and how long it will take where that is known: `decode: measuring, about 6 s`."""
    if seconds is None:
        return label
    return f"{label}, about {seconds:.0f} s" if seconds >= 1 else f"{label}, less than a second"
