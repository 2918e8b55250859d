"""Recorded `cudnn_plan.json.gz` on an H100 (torch 2.11, CUDA 13.0), all but the events of host and device left out.

Two decode steps of four layers of Llama-3.1-8B's widths, with Python's functions. The keys grow by one each step, and
cuDNN's attention plans anew for a length that it has not seen: the first layer of each step took 55 and 61 ms of the
host's time, the other three, of the same length, 0.09 to 0.16 ms. Run as `python record_cudnn_plan.py OUTPUT.json.gz`.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile, record_function

LAYERS, WIDTH, HEADS, KV_HEADS, INNER = 4, 4096, 32, 8, 14336
HEAD = WIDTH // HEADS


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q = nn.Linear(WIDTH, WIDTH, bias=False)
        self.k = nn.Linear(WIDTH, KV_HEADS * HEAD, bias=False)
        self.v = nn.Linear(WIDTH, KV_HEADS * HEAD, bias=False)
        self.o = nn.Linear(WIDTH, WIDTH, bias=False)
        self.cache: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        q = self.q(x).view(1, -1, HEADS, HEAD).transpose(1, 2)
        new = [part(x).view(1, -1, KV_HEADS, HEAD).transpose(1, 2) for part in (self.k, self.v)]
        self.cache = [torch.cat(pair, dim=2) for pair in zip(self.cache, new, strict=True)] if self.cache else new
        found = functional.scaled_dot_product_attention(q, *self.cache, enable_gqa=True)
        mixed: Tensor = self.o(found.transpose(1, 2).reshape(1, -1, WIDTH))
        return mixed


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)
        self.attention = Attention()
        self.gate, self.up = nn.Linear(WIDTH, INNER, bias=False), nn.Linear(WIDTH, INNER, bias=False)
        self.down = nn.Linear(INNER, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.before(x))
        y = self.after(x)
        return x + self.down(functional.silu(self.gate(y)) * self.up(y))


def step(model: nn.ModuleList, x: Tensor) -> None:
    for block in model:
        x = block(x)
    x.sum().item()


def main() -> None:
    with torch.inference_mode(), sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
        model = nn.ModuleList(Block() for _ in range(LAYERS)).to("cuda", torch.bfloat16)
        x = torch.randn(1, 512, WIDTH, device="cuda", dtype=torch.bfloat16) / 10
        step(model, x)
        for _ in range(22):
            step(model, x[:, -1:])
        activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA]
        with profile(activities=activities, record_shapes=True, with_stack=True) as profiler:
            for number in range(2):
                with record_function(f"decode step {number}"):
                    step(model, x[:, -1:])
    profiler.export_chrome_trace(sys.argv[1])


if __name__ == "__main__":
    main()
