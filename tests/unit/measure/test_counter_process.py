from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from profiler.device.cupti_home import VARIABLE
from profiler.measure.counters.process import CounterProcess
from profiler.measure.counters.source import Counter, CounterGroup

TRAFFIC = CounterGroup.TRAFFIC

# A collector's process with a sampler that is made up: `{what}` is its behaviour.
_STAND_IN = """
import sys
from profiler.measure.counters.collector import serve
from profiler.measure.counters.cupti import CountersRefused
from profiler.measure.counters.source import Counter, CounterRecording
from profiler.measure.worker import Lines

class Sampler:
    def __init__(self, group, interval_ns):
        self.group, self.interval_ns, self.polls = group, interval_ns, 0
        {opening}
    def start(self): pass
    def poll(self):
        self.polls += 1
        {polling}
    def stop(self):
        {stopping}
        ends = [self.interval_ns, 2 * self.interval_ns]
        return CounterRecording(start_ns=[0, ends[0]], end_ns=ends, values={{Counter.DRAM_READ: [1.0, 2.0]}},
                                given_up=[self.group])

def answer(line):
    sys.stdout.buffer.write(line + b"\\n")
    sys.stdout.buffer.flush()

serve(Sampler, Lines(0), answer)
"""


def process(opening: str = "pass", polling: str = "pass", stopping: str = "pass") -> CounterProcess:
    script = _STAND_IN.format(opening=opening, polling=polling, stopping=stopping)
    return CounterProcess("a-gpu", interval_ns=7, command=[sys.executable, "-P", "-c", script])


def refusal(monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    """What the real process says where cupti-python is looked for in this folder."""
    monkeypatch.setenv(VARIABLE, str(folder))
    with CounterProcess("a-gpu") as counters:
        return counters.begin(TRAFFIC) or "it counts"


def test_what_is_counted_between_begin_and_end_comes_back() -> None:
    with process() as counters:
        for _ in range(2):  # each time anew
            assert counters.begin(TRAFFIC) is None
            recording = counters.end()
            assert recording.failure is None
            assert (recording.start_ns, recording.end_ns) == ([0, 7], [7, 14])
            assert recording.values == {Counter.DRAM_READ: [1.0, 2.0]}


def test_the_process_samples_what_it_is_asked_for() -> None:
    with process() as counters:
        for group in CounterGroup:
            assert counters.begin(group) is None
            assert counters.end().given_up == [group]  # where this stand-in says what it was asked for


def test_a_refusal_is_the_reason_why_nothing_begins_and_the_process_lives_on() -> None:
    with process(opening='raise CountersRefused("only administrators may")') as counters:
        assert counters.begin(TRAFFIC) == "only administrators may"
        assert counters.end().failure == "nothing was being counted"
        assert counters.begin(TRAFFIC) == "only administrators may"


def test_samples_from_before_the_buffer_ran_over_are_kept_with_the_reason() -> None:
    with process(polling='raise CountersRefused("the buffer ran over")') as counters:
        assert counters.begin(TRAFFIC) is None
        recording = counters.end()
        assert len(recording) in (0, 2)
        assert recording.failure in (None, "the buffer ran over")  # None if it was stopped before it was polled


def test_a_sampler_that_fails_as_it_stops_says_why() -> None:
    with process(stopping='raise CountersRefused("the device is gone")') as counters:
        assert counters.begin(TRAFFIC) is None
        assert counters.end().failure == "the device is gone"


def test_a_killed_process_costs_what_it_counted_and_the_next_one_counts_again() -> None:
    with process() as counters:
        assert counters.begin(TRAFFIC) is None
        assert counters.pid is not None
        os.kill(counters.pid, signal.SIGKILL)
        assert counters.end().failure == "the counters' process was killed (signal 9)"
        assert counters.begin(TRAFFIC) is None
        assert len(counters.end()) == 2


def test_without_cupti_python_the_reason_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reason = refusal(monkeypatch, tmp_path)
    assert reason.startswith("cupti-python is not in BOTTLENECK_CUPTI: pip install --target DIR cupti-python")


def test_a_cupti_python_without_pm_sampling_is_told_from_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cupti").mkdir()
    (tmp_path / "cupti" / "__init__.py").touch()
    assert refusal(monkeypatch, tmp_path).startswith("this cupti-python has no PM sampling, which came with 13.3")


def test_the_counters_process_imports_no_torch() -> None:
    code = "import profiler.measure.counters.collector, sys; print([m for m in ('torch', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
