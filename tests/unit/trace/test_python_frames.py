"""Python's functions are named so that a reader finds them, and not where on whose machine they lie."""

from __future__ import annotations

import pytest

from profiler.trace.host_places import HostPlaces
from profiler.trace.host_work import host_work
from profiler.trace.python_frames import frame_name, stack_names
from tests.unit.trace.trace_events import annotation, frame, operation, timeline_of


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("torch/nn/modules/linear.py(124): forward", "torch/nn/modules/linear.py(124): forward"),
        ("/home/ann/env/lib/python3.12/site-packages/scipy/ndimage/zoom.py(7): zoom", "scipy/ndimage/zoom.py(7): zoom"),
        ("/usr/lib/python3.11/threading.py(655): wait", "threading.py(655): wait"),
        ("/home/ann/project/train.py(3): step", "train.py(3): step"),
        ("/Users/ann/train.py(3): step", "train.py(3): step"),
        ("C:\\Users\\ann\\train.py(3): step", "train.py(3): step"),
        ("/nfs/home/ann/project/train.py(3): step", "train.py(3): step"),
        ("/workspace/sglang/python/sglang/srt/scheduler.py(29): run", "scheduler.py(29): run"),
        ("/data/users/ann/project/train.py(3): step", "train.py(3): step"),
        ("/fsx/ann/train.py(3): step", "train.py(3): step"),
        ("/root/secret-model/layers/mlp.py(3): step", "mlp.py(3): step"),
        ("/home/ann/python3.11/secret/mlp.py(3): step", "mlp.py(3): step"),
        ("//server/ann/train.py(3): step", "train.py(3): step"),
        ("../ann/train.py(3): step", "train.py(3): step"),
        ("home/ann/train.py(3): step", "train.py(3): step"),
        ("/home/ann/train.py: step", "train.py: step"),
        ("C:\\Users\\ann\\train.py: step", "train.py: step"),
        ("/home/ann smith/train.py", "train.py"),
        ("<eval_with_key>.5 from /tmp/torchinductor_ann/x/f.py:5 in call(3): forward", "f.py:5 in call(3): forward"),
        ("train.py(3): /home/ann/secret", "train.py(3): secret"),
        ("/usr/lib64/python3.12/concurrent/futures/thread.py(58): run", "concurrent/futures/thread.py(58): run"),
        ("/train.py(3): <module>", "train.py(3): <module>"),
        ("<string>(1): <module>", "<string>(1): <module>"),
        ("nn.Module: Linear_12", "nn.Module: Linear"),
        ("<built-in function zoom_shift>", "built-in zoom_shift"),
        ("<built-in method cat of type object at 0x7fb62bf3e180>", "built-in cat"),
        ("something at 0x7fb62bf3e180", "something"),
    ],
)
def test_a_frame_is_named_without_machine_and_address(text: str, name: str) -> None:
    assert frame_name(text) == name


def test_a_call_stack_is_its_frames_the_innermost_first() -> None:
    assert stack_names("/home/ann/a.py(1): f;b.py(2): g;") == ["a.py(1): f", "b.py(2): g"]


def test_what_is_open_around_a_piece_of_work_is_told_the_innermost_first() -> None:
    timeline = timeline_of(
        annotation("step", 0, 100),
        frame("train.py(3): step", 1, 90),
        operation("aten::linear", 10, 50),
        frame("<built-in function linear>", 5, 60),
        operation("aten::mm", 20, 20),
        operation("aten::mm", 70, 10),
        frame("other.py(1): f", 0, 100, tid=2),
    )
    work = host_work(timeline)
    owner = int(work.start_ns.tolist().index(20_000))
    within, frames = HostPlaces(timeline, work).around(25_000, 0, owner)
    assert within == ["aten::linear", "step"]
    assert frames == ["built-in linear", "train.py(3): step"]


def test_a_call_stack_of_an_operation_stands_in_for_functions_that_were_not_recorded() -> None:
    stacked = operation("aten::mm", 10, 50, **{"Call stack": "/home/ann/model.py(7): forward;train.py(3): step"})
    timeline = timeline_of(operation("aten::linear", 5, 60), stacked, operation("aten::empty", 20, 5))
    _, frames = HostPlaces(timeline, host_work(timeline)).around(22_000, 0)
    assert frames == ["model.py(7): forward", "train.py(3): step"]


def test_functions_that_took_no_microsecond_count_as_their_callers() -> None:
    timeline = timeline_of(frame("a.py(1): f", 0, 50), frame("a.py(9): g", 10, 0.9))
    assert [timeline.names[name] for name in timeline.frames.name] == ["a.py(1): f"]


@pytest.mark.parametrize("stack", [5, None, ["a"], {"a": 1}])
def test_a_call_stack_that_is_no_text_is_none(stack: object) -> None:
    timeline = timeline_of(operation("aten::mm", 10, 50, **{"Call stack": stack}))
    assert HostPlaces(timeline, host_work(timeline)).around(20_000, 0) == (["aten::mm"], [])
