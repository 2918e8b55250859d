"""What a name in a trace means."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiler.trace.classification import copy_activity, kernel_activity
from profiler.trace.kineto import read_kineto
from profiler.trace.timeline import Activity

CAPTURED = Path(__file__).parents[2] / "data" / "own" / "smollm135m-graph-trace.json.gz"


@pytest.mark.parametrize(
    ("name", "activity"),
    [
        ("nvjet_sm90_tst_64x8_64x16_2x1_v_bz_TNT", Activity.KERNEL),
        ("ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)", Activity.COLLECTIVE),
        ("memcpy32_post", Activity.D2D),
        ("memcpy128", Activity.D2D),
        ("void memcpy_rows<float>(float*, float const*)", Activity.KERNEL),
        ("my_memcpy128", Activity.KERNEL),
    ],
)
def test_a_kernel_computes_communicates_or_is_a_copy_that_a_graph_replays(name: str, activity: Activity) -> None:
    assert kernel_activity(name) is activity


@pytest.mark.parametrize(
    ("name", "activity"),
    [
        ("Memcpy HtoD (Pageable -> Device)", Activity.H2D),
        ("Memcpy DtoH (Device -> Pinned)", Activity.D2H),
        ("Memcpy DtoD (Device -> Device)", Activity.D2D),
        ("Memcpy PtoP (Device -> Device)", Activity.P2P),
        ("CopyHostToDevice", Activity.H2D),
    ],
)
def test_a_copy_says_from_where_to_where(name: str, activity: Activity) -> None:
    assert copy_activity(name) is activity


def test_the_copies_that_a_recorded_graph_replays_are_copies() -> None:
    timeline = read_kineto(CAPTURED)
    names = [timeline.names[name] for name in timeline.device.name[timeline.device.kind == Activity.D2D].tolist()]
    assert names.count("memcpy32_post") == 2
