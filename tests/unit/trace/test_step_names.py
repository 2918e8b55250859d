"""What the names of ranges say of steps: those that engines and torch write, and those that people do."""

from __future__ import annotations

import pytest

from profiler.report.trace_phases import PhaseKind
from profiler.trace.step_names import Rank, step_name


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("execute_context_1(512)_generation_0(0)", PhaseKind.PREFILL),
        ("execute_context_0(0)_generation_33(33)", PhaseKind.DECODE),
        ("execute_context_1(64)_generation_32(32)", PhaseKind.MIXED),
        (
            "execute_32_context_0(sq0sk0sqsq0sqsk0)_generation_32(sq32sk55086sqsq32sqsk55086)",
            PhaseKind.DECODE,
        ),
        (
            "execute_1024_context_1(sq1024sk2048sqsq1048576sqsk2097152)_generation_0(sq0sk0sqsq0sqsk0)",
            PhaseKind.PREFILL,
        ),
        ("step[DECODE bs=32]", PhaseKind.DECODE),
        ("step[EXTEND bs=2 toks=107]", PhaseKind.PREFILL),
        ("step[MIXED bs=2]", PhaseKind.MIXED),
        ("step[TARGET_VERIFY bs=4]", PhaseKind.DECODE),
        ("step[PREBUILT bs=4]", PhaseKind.UNKNOWN),
    ],
)
def test_an_engines_steps_say_what_they_do(name: str, kind: PhaseKind) -> None:
    found = step_name(name)
    assert found is not None
    assert (found.rank, found.kind) == (Rank.ENGINE, kind)


@pytest.mark.parametrize("name", ["execute_context_0(0)_generation_0(0)", "step[IDLE bs=0]"])
def test_an_engines_step_in_which_nothing_runs_is_none(name: str) -> None:
    assert step_name(name) is None


@pytest.mark.parametrize(
    ("name", "phase", "kind"),
    [
        ("prefill", "prefill", PhaseKind.PREFILL),
        ("Prefill", "Prefill", PhaseKind.PREFILL),
        ("chunked_prefill_3", "chunked_prefill", PhaseKind.PREFILL),
        ("decode_step_17", "decode_step", PhaseKind.DECODE),
        ("decoding [4]", "decoding", PhaseKind.DECODE),
        ("bottleneck.step:decode#3", "decode", PhaseKind.DECODE),
        ("prefill+decode", "prefill+decode", PhaseKind.MIXED),
        ("bottleneck.step:retrieval#3", "retrieval", PhaseKind.UNKNOWN),
    ],
)
def test_a_name_that_says_prefill_or_decode_is_taken_at_its_word(name: str, phase: str, kind: PhaseKind) -> None:
    found = step_name(name)
    assert found is not None
    assert (found.rank, found.name, found.kind) == (Rank.KIND, phase, kind)


@pytest.mark.parametrize("name", ["ProfilerStep#552", "step 3", "iteration_7", "Step#12"])
def test_counted_steps_are_steps_of_unknown_kind(name: str) -> None:
    found = step_name(name)
    assert found is not None
    assert (found.rank, found.name, found.kind) == (Rank.NUMBERED, "step", PhaseKind.UNKNOWN)


@pytest.mark.parametrize("name", ["decoder_layer_3", "## forward ##", "model_inference", "vae.decoder"])
def test_other_names_say_nothing_of_prefill_or_decode(name: str) -> None:
    found = step_name(name)
    assert found is not None
    assert (found.rank, found.kind) == (Rank.OTHER, PhaseKind.UNKNOWN)


@pytest.mark.parametrize(
    "name",
    [
        "nccl:all_reduce",
        "Optimizer.step#SGD.step",
        "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__",
        "DistributedDataParallel.forward",
        "bottleneck.module:model.layers.3",
        "Torch-Compiled Region: 0/0",
    ],
)
def test_what_torch_marks_within_a_step_is_no_step(name: str) -> None:
    assert step_name(name) is None


@pytest.mark.parametrize("name", ["vae_decode", "decode_jpeg", "video decode", "tokenizer.decode", "no_prefill"])
def test_what_decodes_something_else_than_tokens_is_no_decode(name: str) -> None:
    found = step_name(name)
    assert found is not None
    assert found.kind is PhaseKind.UNKNOWN
