from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
import torch

from profiler.measure import counted_pass
from profiler.measure.counted_pass import (
    FEWEST_ITERATIONS,
    MARKER_COPIES,
    MARKER_PAUSES_MS,
    MOST_SECONDS,
    record_counted,
)
from profiler.measure.counters.source import CounterGroup, CounterRecording
from tests.unit.measure.stand_ins import FakeClock, FakeDevice, FakePhase


@dataclass
class FakeCounters:
    log: list[str]
    refusal: str | None = None
    recording: CounterRecording = field(default_factory=lambda: CounterRecording(start_ns=[0], end_ns=[1]))

    def begin(self, group: CounterGroup) -> str | None:
        self.log.append("begin")
        return self.refusal

    def end(self) -> CounterRecording:
        self.log.append("end")
        return self.recording


@dataclass
class Scene:
    """A phase of 10 ms iterations, and everything that happens in one log; a marker shows as its pauses."""

    refusal: str | None = None
    iterations_per_reset: int = 1000
    pause_ms: float = 0.0
    log: list[str] = field(default_factory=list)

    def run(self, seconds: float) -> counted_pass.CountedPass:
        clock = FakeClock()

        def pause(_: float) -> None:
            self.log.append("pause")
            clock.advance_ms(self.pause_ms)

        self.phase = FakePhase(clock, self.log, iterations_per_reset=self.iterations_per_reset)
        return record_counted(
            self.phase,
            FakeDevice(clock),
            FakeCounters(self.log, self.refusal),
            clock,
            seconds=seconds,
            pause=pause,
        )

    @property
    def story(self) -> list[str]:
        """The log with markers and stretches of iterations as one word each."""
        text = " ".join(self.log).replace(" ".join(["pause"] * MARKER_COPIES), "marker")
        words: list[str] = []
        for word in text.split():
            if word != "iterate" or words[-1:] != ["iterate"]:
                words.append(word)
        return words


@pytest.fixture(autouse=True)
def _small_marker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counted_pass, "MARKER_BYTES", 64)


def test_iterations_lie_between_two_markers_and_are_counted_throughout() -> None:
    scene = Scene()
    passed = scene.run(0.1)
    assert scene.story == ["marker", "begin", "reset", "marker", "iterate", "marker", "end"]
    assert passed.iterations == [scene.phase.iterations] == [10]
    assert passed.trace is not None
    assert len(passed.recording) == 1


def test_resets_lie_outside_the_markers() -> None:
    scene = Scene(iterations_per_reset=4)
    passed = scene.run(0.1)
    section = ["reset", "marker", "iterate", "marker"]
    assert scene.story == ["marker", "begin", *section, *section, *section, "end"]
    assert passed.iterations == [4, 4, 2]


def test_an_iteration_longer_than_the_time_is_still_run_often_enough_for_an_error() -> None:
    assert Scene().run(0.001).iterations == [FEWEST_ITERATIONS]


def test_a_phase_with_a_reset_before_each_iteration_is_counted_in_sections_of_one() -> None:
    assert Scene(iterations_per_reset=1).run(0.05).iterations == [1] * 5


def test_markers_do_not_stretch_a_recording_beyond_what_a_sampler_can_hold() -> None:
    scene = Scene(iterations_per_reset=1, pause_ms=10.0)
    sections = len(scene.run(5.0).iterations)
    each_s = (10.0 + 2 * MARKER_COPIES * scene.pause_ms) / 1e3
    assert FEWEST_ITERATIONS <= sections <= MOST_SECONDS / each_s + 1


def test_refused_counters_cost_no_iteration_and_leave_the_reason() -> None:
    scene = Scene(refusal="only administrators may")
    passed = scene.run(0.1)
    assert (passed.trace, passed.failure) == (None, "only administrators may")
    assert "iterate" not in scene.log


def test_counting_ends_although_an_iteration_fails() -> None:
    scene = Scene(iterations_per_reset=0)  # the phase refuses to iterate
    with pytest.raises(AssertionError):
        scene.run(0.1)
    assert scene.log[-1] == "end"


def test_a_device_without_room_for_the_marker_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> torch.Tensor:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(torch, "zeros", full)
    passed = Scene().run(0.1)
    assert passed.failure is not None
    assert "no device memory is left" in passed.failure


def test_no_two_neighbouring_pauses_of_a_marker_are_alike() -> None:
    ratios = [max(a, b) / min(a, b) for a, b in pairwise(MARKER_PAUSES_MS)]
    assert min(ratios) >= 1.2
