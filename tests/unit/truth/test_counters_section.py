from __future__ import annotations

import msgspec
import pytest

from benchmarks.truth.counters import paired, section_of
from benchmarks.truth.ncu import NcuFailedError, NcuKernel, function_name, read_ncu, run_ncu, steps_of, usual_step
from tests.unit.attribute.counted_recordings import counted_recording

NAMES = ("decode_4_layers_graph", "decode_4_layers_eager")


@pytest.mark.parametrize("name", NAMES)
def test_what_an_h100_counted_agrees_with_nsight_compute(name: str) -> None:
    recorded = counted_recording(name)
    section = section_of({}, {name: recorded.count()}, [recorded.ncu], None)
    assert [claim.holds for claim in section.claims] == [True, True, True], section.claims
    assert msgspec.json.decode(msgspec.json.encode(section))["name"] == "counters"


def test_products_of_two_sizes_that_share_name_and_grid_are_two_classes() -> None:
    recorded = counted_recording("decode_4_layers_graph")
    shared = [pair for pair in paired(recorded.count(), recorded.ncu) if "64x8_64x16_2x1_v_bz_splitK" in pair.name]
    assert [pair.theirs / pair.calls / 1e6 for pair in shared] == pytest.approx([117.5, 33.6], rel=0.02)
    assert [pair.calls for pair in shared] == [4, 8]


def test_bytes_that_are_a_tenth_too_many_do_not_hold() -> None:
    recorded = counted_recording("decode_4_layers_graph")
    fewer = [NcuKernel(one.name, one.grid, one.read_bytes / 1.11, one.write_bytes, one.ns) for one in recorded.ncu]
    section = section_of({}, {"decode": recorded.count()}, [fewer], None)
    assert [claim.holds for claim in section.claims] == [False, False, False]


def test_without_counters_nothing_is_claimed_and_the_reason_stands() -> None:
    section = section_of({}, {"decode": "the driver said no"}, [], None)
    assert [claim.holds for claim in section.claims] == [None, None, None]
    assert section.claims[0].measured == "the driver said no"


def test_steps_share_one_run_of_nsight_compute_in_their_order() -> None:
    graph, eager = (counted_recording(name) for name in NAMES)
    section = section_of(
        {}, {"graph": graph.count(), "failed": "no", "eager": eager.count()}, [graph.ncu, graph.ncu, eager.ncu], None
    )
    assert [claim.holds for claim in section.claims] == [True] * 3 + [None] * 3 + [True] * 3


def test_a_kernel_has_one_name_whoever_writes_it() -> None:
    ncu = "void at::<unnamed>::indexSelectSmallIndex<c10::BFloat16, long, 2, (int)-2>(cuda::TensorInfo<T1, T3>)"
    cupti = "void at::native::(anonymous namespace)::indexSelectSmallIndex<c10::BFloat16, long, 2, -2>(TensorInfo)"
    assert function_name(ncu) == function_name(cupti) == "indexSelectSmallIndex"
    assert function_name("nvjet_sm90_tst_64x8_64x16_2x1_v_bz_TNT") == "nvjet_sm90_tst_64x8_64x16_2x1_v_bz_TNT"


def test_what_nsight_compute_writes_is_read() -> None:
    text = (
        "==PROF== Connected\n"
        '"ID","Kernel Name","Grid Size","Metric Name","Metric Unit","Metric Value"\n'
        '"0","gemm","(2, 64, 1)","dram__bytes_read.sum","byte","33,580,544"\n'
        '"0","gemm","(2, 64, 1)","dram__bytes_write.sum","byte","20,480"\n'
        '"0","gemm","(2, 64, 1)","gpu__time_duration.sum","ns","16,032"\n'
    )
    assert read_ncu(text) == [NcuKernel("gemm", (2, 64, 1), 33580544.0, 20480.0, 16032.0)]


def test_a_machine_without_nsight_compute_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NcuFailedError, match="not on the PATH"):
        run_ncu(["true"])


def test_of_several_looks_at_a_step_the_usual_one_counts() -> None:
    def looked_at(read_bytes: float) -> list[NcuKernel]:
        return [NcuKernel("gemm", (2, 64, 1), read_bytes, 0.0, 16e3), NcuKernel("norm", (1, 1, 1), 1e3, 5.0, 2e3)]

    end = NcuKernel("at::cuda::<unnamed>::spin_kernel(long)", (1, 1, 1), 0.0, 0.0, 1e3)
    steps = steps_of([*looked_at(33.6e6), end, *looked_at(51.0e6), end, *looked_at(33.4e6), end])
    assert [len(step) for step in steps] == [2, 2, 2]
    assert usual_step(steps) == looked_at(33.6e6)
    assert usual_step([]) == []
