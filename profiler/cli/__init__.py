"""The command line. Each verb is a file: parse, call, render, exit code."""

from __future__ import annotations

import os
import sys

_INTERRUPTED = 130


def main() -> None:
    """Run what was typed; the entry point of `bottleneck`."""
    try:
        from profiler.cli.interrupts import kept_interrupts

        with kept_interrupts():
            _run()
    except KeyboardInterrupt:  # before there is anything that could tell it better
        sys.stderr.write("interrupted: nothing was measured yet\n")
        raise SystemExit(_INTERRUPTED) from None
    finally:
        import signal  # not before Ctrl-C is caught

        # All is said. A further Ctrl-C could only meet the end of the interpreter, which would show a traceback.
        signal.signal(signal.SIGINT, _leave)


def _run() -> None:
    from profiler.cli.garbage import search_seldom

    search_seldom()
    from profiler.cli.streams import make_usable
    from profiler.errors import FailedError

    try:
        make_usable()
    except FailedError as closed:
        from profiler.cli.failures import tell

        raise SystemExit(tell(closed)) from closed
    from profiler.cli.plain import run_plainly

    run_plainly(sys.argv[1:])
    from profiler.cli.application import application

    application(prog_name="bottleneck")


def _leave(*_: object) -> None:
    os._exit(_INTERRUPTED)
