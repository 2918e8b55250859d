"""The counters' process: samples on request, and answers with one line of JSON.

Started as `python -m profiler.measure.counters.collector` by process.py. Its first line of input is a `CounterConfig`,
which it answers with `ready`. Then `sample` and a `CounterGroup` make it sample that, which it answers with `sampling`
once it does or with a `CounterRecording` that says why not, and `stop` makes it answer with what it has. It ends when
its input does.

It is a process of its own because cupti-python brings a newer libcupti than torch's, of which a process can have one;
and it imports no torch. PM sampling is the device's: it sees what every process does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Protocol

import msgspec

from profiler.measure.counters.cupti import POLL_S, CountersRefused, CuptiSamplers
from profiler.measure.counters.source import CounterConfig, CounterGroup, CounterRecording
from profiler.measure.worker import READY, Lines

SAMPLE = "sample"
SAMPLING = "sampling"
STOP = "stop"


class CounterSampler(Protocol):
    """What samples: CUPTI, or a stand-in. Each of its methods may raise `CountersRefused`."""

    def start(self) -> None:
        """Sample from now on."""

    def poll(self) -> None:
        """Take out what there is, before it is too much."""

    def stop(self) -> CounterRecording:
        """No more: everything since `start`."""


def serve(
    open_sampler: Callable[[CounterGroup, int], CounterSampler],
    commands: Lines,
    answer: Callable[[bytes], None],
    give_up: Callable[[str], None] = lambda reason: None,
) -> None:
    """Serve until the commands end. A refusal is an answer, and the next `sample` tries anew.

    `give_up` is told why a recording lost samples, before the next.
    """
    line = commands.wait()
    if line is None:
        return
    config = msgspec.json.decode(line, type=CounterConfig)
    answer(READY.encode())
    while (command := commands.wait()) is not None:
        verb, _, group = command.decode().partition(" ")
        if verb != SAMPLE:
            continue
        try:
            sampler = open_sampler(CounterGroup(group), config.interval_ns)
            sampler.start()
        except CountersRefused as refusal:
            answer(msgspec.json.encode(CounterRecording(failure=str(refusal))))
            continue
        answer(SAMPLING.encode())
        recording = _recorded(sampler, commands)
        if recording.failure is not None:
            give_up(recording.failure)
        answer(msgspec.json.encode(recording))


def _recorded(sampler: CounterSampler, commands: Lines) -> CounterRecording:
    """What is sampled until the next command; what there is until a refusal, with the refusal."""
    refused = None
    while commands.wait(POLL_S) is None and not commands.ended:
        try:
            if refused is None:
                sampler.poll()
        except CountersRefused as refusal:
            refused = str(refusal)
    try:
        recording = sampler.stop()
    except CountersRefused as refusal:
        return CounterRecording(failure=refused or str(refusal))
    return recording if refused is None else msgspec.structs.replace(recording, failure=refused)


def main() -> None:
    """Serve the parent on stdin and stdout until stdin ends."""

    def answer(line: bytes) -> None:
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()

    samplers = CuptiSamplers()
    serve(samplers, Lines(sys.stdin.fileno()), answer, samplers.give_up)


if __name__ == "__main__":
    main()
