"""Makes `llama_decode.json.gz`: two decode steps of a tiny Llama on the CPU, traced with shapes.

Run from the repository root: python tests/data/cpu/record.py
"""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, record_function
from transformers import AutoModelForCausalLM, LlamaConfig

# What the reader has no use for stays out of the repository, above all names of machines and people.
_KEPT = {"schemaVersion", "traceEvents", "baseTimeNanoseconds", "displayTimeUnit"}


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = LlamaConfig(
        vocab_size=1024,
        hidden_size=256,
        intermediate_size=688,
        num_hidden_layers=2,
        num_attention_heads=8,
        num_key_value_heads=4,
        max_position_embeddings=256,
    )
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.inference_mode():
        outputs = model(torch.randint(0, 1024, (1, 64)), use_cache=True, logits_to_keep=1)
        for _ in range(3):
            outputs = _step(model, outputs)
        with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
            for step in range(2):
                with record_function(f"bottleneck.step:decode#{step}"):
                    outputs = _step(model, outputs)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        trace = json.loads(path.read_text())
    trace = {key: value for key, value in trace.items() if key in _KEPT}
    trace["traceEvents"] = [event for event in trace["traceEvents"] if event["ph"] == "X" and event["cat"] != "Trace"]
    Path(__file__).with_name("llama_decode.json.gz").write_bytes(gzip.compress(json.dumps(trace).encode(), 9, mtime=0))


def _step(model: torch.nn.Module, outputs: object) -> object:
    with record_function("bottleneck.module:model"):
        outputs = model(
            outputs.logits[:, -1].argmax(-1, keepdim=True), past_key_values=outputs.past_key_values, use_cache=True
        )
    outputs.logits[0, -1].argmax().item()
    return outputs


if __name__ == "__main__":
    main()
