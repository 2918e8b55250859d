"""What the name of a range says of the step that it marks: what kind of step it is, and how far to be trusted.

The names are those that the engines and torch write: vLLM's `execute_context_1(512)_generation_0(0)` (on AMD with more
numbers in it), SGLang's `step[DECODE bs=32]`, torch's `ProfilerStep#3`. Others are the user's own.
"""

from __future__ import annotations

import re
from enum import IntEnum

from msgspec import Struct

from profiler.report.trace_phases import PhaseKind
from profiler.trace.timeline import MODULE_PREFIX, STEP_PREFIX


class Rank(IntEnum):
    """Whose ranges are the steps where a trace has several sorts: the first there is."""

    ENGINE = 0  # an inference engine's own steps
    KIND = 1  # names that say prefill or decode
    NUMBERED = 2  # steps that somebody counts, whatever they do
    OTHER = 3  # any other range that is repeated


class StepName(Struct, frozen=True):
    """`name` is that of the phase: the range's without its numbers."""

    rank: Rank
    name: str
    kind: PhaseKind


_VLLM = re.compile(r"execute_(?:\d+_)?context_(?P<context>\d+)\([^)]*\)_generation_(?P<generation>\d+)\([^)]*\)")
_SGLANG = re.compile(r"step\[(?P<mode>[A-Z_]+)\b[^\]]*\]")
# SGLang's forward modes that are either. IDLE runs nothing for a request.
_MODES = {
    "EXTEND": PhaseKind.PREFILL,
    "SPLIT_PREFILL": PhaseKind.PREFILL,
    "DECODE": PhaseKind.DECODE,
    "TARGET_VERIFY": PhaseKind.DECODE,
    "DRAFT_EXTEND": PhaseKind.DECODE,
    "DRAFT_EXTEND_V2": PhaseKind.DECODE,
    "MIXED": PhaseKind.MIXED,
}
_PREFILL = re.compile(r"prefill", re.IGNORECASE)
_DECODE = re.compile(r"(?<![a-z])decod(e|ing)(?![a-z])", re.IGNORECASE)
# What else is decoded than tokens, and what is said not to be a prefill.
_OF_SOMETHING_ELSE = re.compile(
    r"(vae|jpe?g|png|image|video|audio|frame|bytes|base64|utf|json|token(izer)?s?)[\W_]*decod"
    r"|decod(e|ing)[\W_]*(vae|jpe?g|png|image|video|audio|frame|bytes|base64|utf|json|token|text)|detok|(no|non|not)[\W_]?prefill",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"ProfilerStep#\d+|(step|iteration|iter|batch)[ _#:]?\d+", re.IGNORECASE)
# What torch and its libraries mark within a step: communication, the optimizer, the data loader, compiled regions.
_WITHIN_A_STEP = re.compile(
    rf"(nccl|gloo|mpi|ucc|c10d|c10d_functional):|Optimizer\.|enumerate\(DataLoader\)|DistributedDataParallel\.|FSDP::"
    rf"|Torch-Compiled Region|TorchDynamo|CompiledFunction|## Call Compiled|autograd::|{re.escape(MODULE_PREFIX)}"
)
_NUMBERS = re.compile(r"[\s_#:.\[(-]*\d+[\])]?")
_UNNAMED = "step"


def step_name(name: str) -> StepName | None:
    """What a range of this name marks; None for what is no step, or one in which nothing runs."""
    if match := _VLLM.fullmatch(name):
        context, generation = int(match["context"]), int(match["generation"])
        kind = _BY_WORK[context > 0, generation > 0]
        return StepName(Rank.ENGINE, kind.value, kind) if kind is not PhaseKind.UNKNOWN else None
    if match := _SGLANG.fullmatch(name):
        mode = match["mode"]
        kind = _MODES.get(mode, PhaseKind.UNKNOWN)
        named = mode.lower() if kind is PhaseKind.UNKNOWN else kind.value
        return StepName(Rank.ENGINE, named, kind) if mode != "IDLE" else None
    if _WITHIN_A_STEP.match(name):
        return None
    plain = _NUMBERS.sub("", name.removeprefix(STEP_PREFIX)).strip(" #_:") or _UNNAMED
    kind = _BY_WORK[_PREFILL.search(name) is not None, _DECODE.search(name) is not None]
    if _OF_SOMETHING_ELSE.search(name):
        kind = PhaseKind.UNKNOWN
    if kind is not PhaseKind.UNKNOWN:
        return StepName(Rank.KIND, plain, kind)
    if name.startswith(STEP_PREFIX):
        return StepName(Rank.KIND, plain, kind)
    return StepName(Rank.NUMBERED, _UNNAMED, kind) if _NUMBERED.fullmatch(name) else StepName(Rank.OTHER, plain, kind)


_BY_WORK = {
    (True, False): PhaseKind.PREFILL,
    (False, True): PhaseKind.DECODE,
    (True, True): PhaseKind.MIXED,
    (False, False): PhaseKind.UNKNOWN,
}
