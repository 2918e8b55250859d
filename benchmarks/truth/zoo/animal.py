"""An entry as a phase that the profiler's passes can run."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.truth.zoo.entry import Case, Entry, Lab, Work
from profiler.session.bench import PhasePlan
from profiler.workload.phase import NO_RESET, PhaseShape

_NEEDED_NOTE = "summed over the traced operations: an entry of the zoo is no model"


class Animal:
    """An entry, built when it is needed and gone when it is not: all of them together fit into no memory."""

    def __init__(self, entry: Entry, lab: Lab) -> None:
        self.entry = entry
        self._lab = lab
        self._case: Case | None = None

    def build(self) -> None:
        """Make its tensors, with the same numbers each time."""
        self._lab.seed = 0
        self._case = self.entry.build(self._lab)
        self._lab.synchronize()

    def free(self) -> None:
        """Let go of its tensors."""
        self._case = None

    @property
    def case(self) -> Case:
        assert self._case is not None, "build it first"
        return self._case

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def shape(self) -> PhaseShape | None:
        return None

    @property
    def iterations_per_reset(self) -> int:
        return NO_RESET

    def reset(self) -> None:
        pass

    def iterate(self) -> None:
        self.case.launch()
        self._lab.synchronize()

    @property
    def launch(self) -> Callable[[], None] | None:
        if self.case.host_waits or not self._lab.on_gpu:
            return None
        return _without_result(self.case.launch)

    @property
    def body(self) -> Callable[[], None] | None:
        return None if self.case.body is None else _without_result(self.case.body)

    @property
    def plan(self) -> PhasePlan:
        """What a session would know of it."""
        return PhasePlan(
            phase=self,
            dtype=self.entry.dtype,
            mode=self.entry.mode,
            offload="none",
            needed=None,
            needed_note=_NEEDED_NOTE,
            hint=self.entry.hint,
        )


class Relieved(Animal):
    """The same entry with the change that relieves it; it shares the tensors of `animal`."""

    def __init__(self, animal: Animal) -> None:
        super().__init__(animal.entry, animal._lab)
        self._animal = animal

    @property
    def case(self) -> Case:
        return self._animal.case

    def iterate(self) -> None:
        self.case.relieved()
        self._lab.synchronize()


def _without_result(work: Work) -> Callable[[], None]:
    def run() -> None:
        work()

    return run
