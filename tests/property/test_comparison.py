"""Whatever two traces hold, what changed sums to the whole change, and the way back is its opposite."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from profiler.compare.kernel_times import KernelTime, summed
from profiler.compare.matching import matched

NAMES = st.sampled_from(["sgemm", "copy", "softmax", "other"])
OPERATIONS = st.none() | st.sampled_from(["aten::mm", "aten::copy_", "aten::softmax"])
KERNELS = st.lists(
    st.builds(KernelTime, NAMES, OPERATIONS, st.integers(1, 1000), st.integers(0, 10**12)), max_size=12
).map(lambda kernels: summed([kernels]))


@given(KERNELS, KERNELS)
def test_all_work_is_matched_once(before: list[KernelTime], after: list[KernelTime]) -> None:
    changes = matched(before, after)
    assert sum(change.before_ns for change in changes) == sum(kernel.ns for kernel in before)
    assert sum(change.after_ns for change in changes) == sum(kernel.ns for kernel in after)
    assert sum(change.before_calls for change in changes) == sum(kernel.calls for kernel in before)
    assert sum(change.change_ns for change in changes) == sum(k.ns for k in after) - sum(k.ns for k in before)
    assert len({(change.matched_by, change.name) for change in changes}) == len(changes)


@given(KERNELS, KERNELS)
def test_the_way_back_is_the_opposite(before: list[KernelTime], after: list[KernelTime]) -> None:
    there, back = (
        {(change.matched_by, change.name): change.change_ns for change in matched(*pair)}
        for pair in ((before, after), (after, before))
    )
    assert there == {key: -change for key, change in back.items()}


@given(KERNELS)
def test_nothing_changes_between_a_trace_and_itself(kernels: list[KernelTime]) -> None:
    assert all(
        change.change_ns == 0 and change.before_calls == change.after_calls for change in matched(kernels, kernels)
    )
