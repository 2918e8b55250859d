"""Datasheets are found by the names that drivers give, and their numbers hang together."""

from __future__ import annotations

import pytest

from profiler.catalogue.datasheet import Datasheet, datasheet_names, find_datasheet, find_variant, similar_names


def datasheet(name: str) -> Datasheet:
    found = find_datasheet(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("device_name", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "NVIDIA H100 SXM5 80GB"),
        ("NVIDIA H100 PCIe", "NVIDIA H100 PCIe 80GB"),
        ("NVIDIA H100 NVL", "NVIDIA H100 NVL 94GB"),
        ("NVIDIA H200", "NVIDIA H200 SXM 141GB"),
        ("NVIDIA GH200 480GB", "NVIDIA GH200 96GB"),
        ("NVIDIA A100-SXM4-40GB", "NVIDIA A100 SXM4 40GB"),
        ("NVIDIA A100-SXM4-80GB", "NVIDIA A100 SXM4 80GB"),
        ("NVIDIA A100 80GB PCIe", "NVIDIA A100 PCIe 80GB"),
        ("Tesla T4", "NVIDIA T4 16GB"),
        ("Tesla V100-SXM2-16GB", "NVIDIA V100 SXM2 16GB"),
        ("NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 4090"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "NVIDIA RTX PRO 6000 Blackwell Workstation Edition"),
        ("AMD Instinct MI300X", "AMD Instinct MI300X"),
        ("h100-sxm", "NVIDIA H100 SXM5 80GB"),
    ],
)
def test_a_device_is_found_by_the_name_its_driver_gives_it(device_name: str, name: str) -> None:
    assert datasheet(device_name).name == name


@pytest.mark.parametrize(
    "device_name", ["NVIDIA H100 80GB HBM3 MIG 1g.10gb", "NVIDIA GeForce RTX 4090 D", "NVIDIA L40", "CPU", ""]
)
def test_a_device_that_is_not_the_same_has_no_datasheet(device_name: str) -> None:
    assert find_datasheet(device_name) is None


@pytest.mark.parametrize(
    ("name", "similar"),
    [
        ("h100", ["h100-nvl", "h100-pcie", "h100-sxm"]),
        ("A100 40GB", ["a100-pcie-40gb", "a100-sxm-40gb"]),
        ("rtx4090", ["rtx-4090"]),
        ("l400s", ["l40s"]),
        ("tpu-v5e", []),
        ("", []),
    ],
)
def test_a_name_that_is_no_device_leads_to_those_that_could_be_meant(name: str, similar: list[str]) -> None:
    found = similar_names(name)
    assert found == similar or found[:1] == similar[:1] != []


@pytest.mark.parametrize(
    ("name", "beside", "stem"),
    [
        ("h100", "NVIDIA H200", "h100-sxm"),
        ("H200", "NVIDIA H100 PCIe", None),  # there is none for PCIe
        ("h200", "NVIDIA H100 NVL", "h200-nvl"),
        ("a100", "NVIDIA H100 80GB HBM3", None),  # in two sizes
        ("a100-80gb", "NVIDIA H100 80GB HBM3", "a100-sxm-80gb"),
        ("80gb", "NVIDIA H100 80GB HBM3", None),
        ("h1000", "NVIDIA H100 80GB HBM3", None),
        ("h100", "NVIDIA L4", None),
        ("h100", "Some CPU", None),
        ("", "NVIDIA H100 80GB HBM3", None),
    ],
)
def test_of_several_forms_of_a_card_the_one_built_like_the_other_device_is_taken(
    name: str, beside: str, stem: str | None
) -> None:
    assert find_variant(name, beside) is (find_datasheet(stem) if stem is not None else None)


def test_the_architecture_is_that_of_the_chip() -> None:
    kinds = {stem: datasheet(stem).architecture for stem in datasheet_names()}
    assert {kinds[stem] for stem in kinds if stem.startswith(("h100", "h200", "gh200"))} == {"sm_90"}
    assert (kinds["a100-sxm-80gb"], kinds["rtx-3090"], kinds["l4"]) == ("sm_80", "sm_86", "sm_89")
    assert (kinds["b200"], kinds["rtx-5090"], kinds["mi300x"]) == ("sm_100", "sm_120", "gfx942")


def test_no_two_datasheets_claim_the_same_name() -> None:
    names = [name for stem in datasheet_names() for name in datasheet(stem).device_names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("stem", datasheet_names())
def test_a_file_is_found_by_its_own_name_and_names_its_source(stem: str) -> None:
    found = datasheet(stem)
    assert all(find_datasheet(name) is found for name in found.device_names)
    assert len(found.source) > 10


@pytest.mark.parametrize("stem", datasheet_names())
def test_peaks_are_dense_and_in_order(stem: str) -> None:
    flops = datasheet(stem).flops_per_s
    ordered = [flops[dtype] for dtype in ("float32", "tfloat32", "bfloat16", "float8")]
    known = [peak for peak in ordered if peak is not None]
    assert known == sorted(known)
    if flops["bfloat16"] is not None and flops["float8"] is not None:
        assert flops["float8"] == pytest.approx(2 * flops["bfloat16"], rel=0.02)


@pytest.mark.parametrize("stem", ["h100-sxm", "h200-sxm", "a100-sxm-80gb", "a10", "rtx-3090", "rtx-4090", "rtx-5090"])
def test_the_float32_peak_is_what_the_units_and_the_clock_allow(stem: str) -> None:
    found = datasheet(stem)
    lanes = 64 if stem.startswith("a100") else 128  # float32 lanes of an SM, each one multiply-add a clock
    assert found.boost_clock_hz is not None
    assert found.flops_per_s["float32"] == pytest.approx(found.sm_count * lanes * 2 * found.boost_clock_hz, rel=0.01)


def test_the_h200_differs_from_the_h100_in_its_memory_only() -> None:
    h100, h200 = datasheet("h100-sxm"), datasheet("h200-sxm")
    assert h200.memory_bandwidth_bytes_per_s / h100.memory_bandwidth_bytes_per_s == pytest.approx(1.43, abs=0.005)
    assert h200.sm_count == h100.sm_count
    assert h200.flops_per_s["bfloat16"] == pytest.approx(h100.flops_per_s["bfloat16"], rel=0.001)
