import ast
from pathlib import Path

import torch

from benchmarks import bare_loop
from profiler.catalogue.presets import load_preset

NEW_TOKENS = 6


def test_the_bare_loop_generates_what_transformers_generates() -> None:
    model = bare_loop.build_model(load_preset("tiny").config, "cpu")
    prompt = bare_loop.make_prompt(model, 12)

    timings = bare_loop.generate_eager(model, prompt, NEW_TOKENS)

    with torch.no_grad():
        expected = model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=NEW_TOKENS,
            min_new_tokens=NEW_TOKENS,
            do_sample=False,
        )
    assert timings.tokens == expected[0, prompt.shape[1] :].tolist()
    assert len(timings.gaps_s) == NEW_TOKENS - 1


def test_tpot_is_the_time_after_the_first_token_over_the_tokens_after_it() -> None:
    timings = bare_loop.Timings(ttft_s=5.0, gaps_s=[1.0, 2.0, 6.0], tokens=[1, 2, 3, 4])

    assert timings.tpot_s == 3.0


def test_the_bare_loop_knows_nothing_of_the_profiler() -> None:
    tree = ast.parse(Path(bare_loop.__file__).read_text())

    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }

    assert imported == {"__future__", "time", "dataclasses", "typing", "torch", "transformers"}
