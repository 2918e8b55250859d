"""A zoo of workloads whose bottleneck is known by construction, each with a change that relieves only that."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.truth.section import Section


def run(options: Namespace) -> Section:
    """The section. `options` has `device` and `out`, a folder; `only` may name the entries to run."""
    from benchmarks.truth.zoo.runner import run_zoo

    return run_zoo(options)
