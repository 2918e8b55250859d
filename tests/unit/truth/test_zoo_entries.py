"""The zoo's entries: what they cover, and that each can be built and run."""

from __future__ import annotations

import pytest
import torch

from benchmarks.truth.zoo.entries import ENTRIES, entry_of
from benchmarks.truth.zoo.entry import Entry, Lab
from profiler.report.vocabulary import BottleneckClass, Cause, Resource

HERE = [entry for entry in ENTRIES if entry.needs_gpu is None]


def test_there_are_enough_entries_for_some_to_turn_out_bad() -> None:
    assert len(ENTRIES) >= 28


def test_no_two_entries_have_one_name() -> None:
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)
    assert all(entry_of(entry.name) is entry for entry in ENTRIES)


def test_every_class_has_at_least_five_entries_of_its_own() -> None:
    for klass in BottleneckClass:
        assert sum(entry.truth == {klass} for entry in ENTRIES) >= 5, klass


def test_every_cause_that_a_single_gpu_can_show_has_an_entry() -> None:
    elsewhere = {
        Cause.MEMORY_CAPACITY,  # of a server's queue
        Cause.SCHEDULING_QUEUE,
        Cause.SCHEDULING_BATCH_HOLES,
        Cause.SCHEDULING_HEAD_OF_LINE,
        Cause.IO_COLLECTIVE,  # several devices
        Cause.IO_DISK,  # loading
    }
    shown = {cause for entry in ENTRIES for cause in entry.causes}
    assert shown == set(Cause) - elsewhere


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_causes_of_an_entry_are_of_its_classes(entry: Entry) -> None:
    assert {cause.bottleneck_class for cause in entry.causes} == entry.truth


@pytest.mark.parametrize(
    "entry", [entry for entry in ENTRIES if entry.relief.change is None], ids=lambda entry: entry.name
)
def test_a_relief_speeds_up_resources_of_the_named_class_only(entry: Entry) -> None:
    speeds = entry.relief.speeds
    assert speeds
    assert {resource.bottleneck_class for resource in speeds} <= entry.truth
    assert all(speed > 1 for speed in speeds.values())


@pytest.mark.parametrize("entry", HERE, ids=lambda entry: entry.name)
@torch.inference_mode()
def test_an_entry_and_its_relieved_twin_run_on_a_processor(entry: Entry) -> None:
    case = entry.build(Lab(torch.device("cpu")))
    case.launch()
    case.relieved()


def test_an_entry_is_built_with_the_same_numbers_each_time() -> None:
    first, second = (Lab(torch.device("cpu")).random(8, dtype=torch.float32) for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_a_proportion_is_tuned_once_and_then_kept() -> None:
    lab = Lab(torch.device("cpu"))
    assert lab.tuned("units", lambda: 12.4) == 12
    assert lab.tuned("units", lambda: 99.0) == 12


def test_a_tuned_size_is_never_nothing() -> None:
    assert Lab(torch.device("cpu")).tuned("units", lambda: 0.1) == 1


def test_what_a_graph_would_need_is_not_asked_of_a_processor() -> None:
    assert all(entry.needs_gpu for entry in ENTRIES if entry.mode == "graph")


def test_every_resource_that_a_single_gpu_has_is_relieved_somewhere() -> None:
    relieved = {resource for entry in ENTRIES for resource in entry.relief.speeds}
    assert relieved == set(Resource) - {Resource.LINK}
