"""The command line. Each verb is a file: parse, call, render, exit code."""

from __future__ import annotations


def main() -> None:
    """Run what was typed; the entry point of `bottleneck`."""
    from profiler.cli.application import application

    application(prog_name="bottleneck")
