"""A decode step captured into a CUDA graph: one launch a step, so that the host costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from profiler.device.base import Device
from profiler.errors import UnsupportedError
from profiler.workload.engines.prompt import decode_shape
from profiler.workload.engines.static import FilledRequest, StaticPrefill, StaticRequest
from profiler.workload.loaded import LoadedModel
from profiler.workload.phase import PhaseShape
from profiler.workload.spec import WorkloadSpec

_WARMUP_STEPS = 3  # libraries allocate and choose kernels in the first ones


class GraphEngine:
    """Phases of a transformers model with a static cache and a captured decode step."""

    def __init__(self, loaded: LoadedModel, spec: WorkloadSpec, device: Device) -> None:
        self._loaded = loaded
        self._spec = spec
        self._device = device
        self._request = StaticRequest(loaded, spec, device, spec.prompt_tokens)

    def prefill(self) -> StaticPrefill:
        """The prefill of the prompt, launched op by op."""
        return StaticPrefill(self._request)

    def decode(self, prompt_tokens: int | None = None) -> GraphDecode:
        """The decode steps after a prompt, by default that of the spec; another has a cache and a graph of its own."""
        if prompt_tokens is None or prompt_tokens == self._spec.prompt_tokens:
            return GraphDecode(self._request)
        return GraphDecode(StaticRequest(self._loaded, self._spec, self._device, prompt_tokens))

    def decode_filled(self) -> GraphDecode:
        """The decode steps of the spec over a cache that no prefill filled."""
        return GraphDecode(FilledRequest(self._loaded, self._spec, self._device, self._spec.prompt_tokens))


class StaticStep:
    """One decode step that a CUDA graph can hold: it reads and writes the same memory each time, and never syncs.

    The tokens lie in a buffer of shape (batch_size, 1); the positions are the cache's own, on the device, and the
    step advances them.
    """

    def __init__(self, request: StaticRequest) -> None:
        self._request = request
        self.token: torch.Tensor | None = None

    def rewind(self) -> None:
        """Back to after the prompt. Without gradients."""
        first_token = self._request.rewind()
        if self.token is None:
            self.token = first_token.clone()
        else:
            self.token.copy_(first_token)

    def run(self) -> None:
        """Launch the step op by op. Without gradients."""
        assert self.token is not None
        with _ScalarsMadeOnDevice():
            output = self._request.forward(
                input_ids=self.token, past_key_values=self._request.cache, use_cache=True, logits_to_keep=1
            )
            self.token.copy_(output.logits[:, -1:].argmax(-1))


class GraphDecode:
    """One replay of the captured step, the next token back to the host. Captured at the first reset."""

    def __init__(self, request: StaticRequest) -> None:
        self._request = request
        self._step = StaticStep(request)
        self._graph: torch.cuda.CUDAGraph | None = None

    @property
    def name(self) -> str:
        """`decode`."""
        return "decode"

    @property
    def shape(self) -> PhaseShape:
        """Its size; attention reads all slots of the cache."""
        return decode_shape(self._request.spec, self._request.prompt_tokens, self._request.slots)

    @property
    def iterations_per_reset(self) -> int:
        """The prefill yields the first of the new tokens, each step one more."""
        return self._request.spec.new_tokens - 1

    def reset(self) -> None:
        """Position and tokens back to after the prompt. Raises `UnsupportedError` if the step cannot be captured."""
        with torch.no_grad():
            if self._graph is None:
                self._graph = self._capture()
            self._step.rewind()

    def iterate(self) -> None:
        """One step."""
        self._launch()
        self._step.token.tolist()  # type: ignore[union-attr]

    def _launch(self) -> None:
        self._graph.replay()  # type: ignore[union-attr] # captured at the first reset

    @property
    def launch(self) -> Callable[[], None]:
        """The replay without the read-back."""
        return self._launch

    @property
    def body(self) -> Callable[[], None]:
        """The captured step, launched op by op."""
        return self._run_body

    def _run_body(self) -> None:
        with torch.no_grad():
            self._step.run()
        self._step.token.tolist()  # type: ignore[union-attr]

    def _capture(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.device(self._request.torch_device):
                stream = _capture_stream(self._request.torch_device)
                self._warm_up(stream)
                with torch.cuda.graph(graph, stream=stream):
                    self._step.run()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = str(error).strip().partition("\n")[0]
            raise UnsupportedError(
                f"a decode step of this model cannot be captured into a CUDA graph: {reason}", "use --mode compile"
            ) from error
        return graph

    def _warm_up(self, stream: torch.cuda.Stream) -> None:
        # On a side stream, as torch's notes on CUDA graphs say: nothing may be captured that belongs to first calls.
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARMUP_STEPS):
                self._step.rewind()  # each time: there may be fewer slots than warm-up steps
                self._step.run()
        torch.cuda.current_stream().wait_stream(stream)


@cache
def _capture_stream(device: torch.device) -> torch.cuda.Stream:
    """One for all graphs: cuBLAS keeps a workspace for each stream that it ever ran on, 32 MiB on an H100."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


class _ScalarsMadeOnDevice(TorchFunctionMode):
    """Make `torch.tensor(number, device=...)` a fill: a capture forbids the copy from the host that it is otherwise.

    transformers makes the zero of its eager attention mask that way.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.tensor and isinstance(args[0], (bool, int, float)) and kwargs.get("device") is not None:
            return torch.full((), args[0], **kwargs)
        return func(*args, **kwargs)
