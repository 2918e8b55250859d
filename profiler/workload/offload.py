"""Weights that live in host memory and are copied to the GPU in every forward."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class RandomNumbersFrom(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Draw the random numbers of host tensors on another device and copy them over.

    A CPU draws some hundred million normal numbers a second, a GPU a thousand times more: with billions of weights that
    is the difference between minutes and seconds.
    """

    _DRAWS = (
        torch.ops.aten.normal_.default,
        torch.ops.aten.uniform_.default,
    )

    def __init__(self, device: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._device = device

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in self._DRAWS and args[0].device.type == "cpu" and kwargs.get("generator") is None:
            drawn = func(torch.empty_like(args[0], device=self._device), *args[1:], **kwargs)
            return args[0].copy_(drawn)
        return func(*args, **kwargs)


def stream_from_host(model: Any, device: str) -> Any:
    """Make a model in host memory run on `device`, each weight copied there for the module that needs it.

    This is `accelerate.cpu_offload` as users get it: pageable memory, no prefetch.
    """
    from accelerate import cpu_offload

    return cpu_offload(model, execution_device=torch.device(device))
