"""How the numbers of a result stand to those of a baseline: as `bottleneck compare` finds it, one against one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from profiler.compare.change import Sample, change
from profiler.compare.kept_times import times_of
from profiler.compare.likeness import differences, refuse_unlike
from profiler.compare.measured import Measured, Scope
from profiler.compare.profiled_times import REQUEST, at_full_speed
from profiler.compare.result_times import OneTime
from profiler.compare.served_times import E2E, TPOT, TTFT
from profiler.compare.traced_times import SPAN
from profiler.report.kinds import Result
from profiler.report.records import Report

# Which time a ratio is of, by the word that budgets have for it: the first that both results have. How far latencies of
# a live server differ from run to run is known of their means alone, so these stand for the medians.
_TIMES = {
    "ttft": ("prefill", TTFT),
    "tpot": ("decode", TPOT),
    "e2e": (REQUEST, E2E),
    "load": ("load",),
    "ttft_mean": (TTFT,),
    "tpot_mean": (TPOT,),
    "e2e_mean": (E2E,),
}
_STEP, _THROUGHPUT = "step", "tokens_per_s"
_NO_INTERVAL = "nothing tells how far it differs from run to run"


@dataclass(frozen=True, slots=True)
class Against:
    """The times of both, by their names, and the numbers of both that are no times."""

    before: dict[str, OneTime]
    after: dict[str, OneTime]
    old: Scope
    new: Scope

    def ratio(self, word: str, number: str, confidence: float) -> Measured:
        """The new over the old of what a budget calls `word`; `number` is the same in a table of the whole."""
        for name in self._steps() if word == _STEP else _TIMES.get(word, ()):
            if name in self.before and name in self.after:
                return _of_times(self.before[name], self.after[name], confidence)
        if word == _THROUGHPUT and REQUEST in self.before and REQUEST in self.after:
            return _of_times(self.after[REQUEST], self.before[REQUEST], confidence)
        return _of_numbers(self.old.number(number), self.new.number(number))

    def _steps(self) -> list[str]:
        """The phases of a trace, that of most time first."""
        if SPAN not in self.before:
            return []
        taken = {name: time.ms * time.repeats for name, time in self.before.items() if name != SPAN}
        return sorted(taken, key=lambda name: -taken[name])


def against(result: Result, baseline: Result, new: Scope, old: Scope) -> Against:
    """Both, with what a budget may limit of each. Raises `UsageError` for a baseline of something else."""
    reports = [each for each in (baseline, result) if isinstance(each, Report)]
    full_speed = at_full_speed(reports)
    before, after = (times_of("", each, full_speed) for each in (baseline, result))
    if before.times and after.times:  # what has none is compared with nothing, and each rule says so
        # A gate is for one command: what was chosen is no more to change unnoticed than what is fixed.
        held, against_it = (replace(each, fixed=each.alike, chosen={}) for each in (before, after))
        refuse_unlike(differences([held], [against_it]), "--baseline with a report of the same")
    return Against({time.name: time for time in before.times}, {time.name: time for time in after.times}, old, new)


def _of_times(before: OneTime, after: OneTime, confidence: float) -> Measured:
    if min(before.ms, after.ms) <= 0:
        return Measured(None, of=after.name, missing="one of the two is 0")
    samples = [Sample(time.ms, time.reach, time.repeats) for time in (before, after)]
    found = change(samples[:1], samples[1:], confidence, in_turn=False)
    ratio = math.exp(found.log_ratio)
    for time, which in ((after, "this report"), (before, "the baseline")):
        if time.disturbed:
            return Measured(ratio, of=after.name, note=f"{which}: {time.disturbed}")
    if found.reach is None:
        return Measured(ratio, of=after.name, note=_NO_INTERVAL)
    return Measured(ratio, ratio * math.exp(-found.reach), ratio * math.exp(found.reach), of=after.name)


def _of_numbers(before: Measured, after: Measured) -> Measured:
    for side, which in ((after, "this report"), (before, "the baseline")):
        if side.value is None:
            return Measured(None, of=side.of, missing=f"{which}: {side.missing}")
    if not before.value or not after.value:
        return Measured(None, of=after.of, missing="one of the two is 0")
    ratio = after.value / before.value
    if before.low == before.high and after.low == after.high and None not in (before.low, after.low):
        return Measured(ratio, ratio, ratio, of=after.of)
    return Measured(ratio, of=after.of, note=_NO_INTERVAL)
