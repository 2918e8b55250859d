"""`transformers serve` with the two routes by which vLLM's profiler is started and stopped; of itself it has none.

`python -m benchmarks._profiled_serve FOLDER MODEL ...`: traces go into the folder, the rest is typed as for
`transformers serve --continuous-batching`. torch.profiler sees the operations of the thread that starts it, so the
thread that generates starts and stops it, between two of its steps. Steps are marked as vLLM marks its own: a packed
batch of eight that decode looks like a prompt of eight tokens otherwise.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from pathlib import Path
from typing import Any

_ANSWER_S = 120.0


class StepProfiler:
    """torch.profiler between the steps of another thread; one trace for each time that it is switched on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._wanted = False
        self._profile: Any = None
        self._settled = threading.Event()

    def switch(self, on: bool) -> bool:
        """Ask for it to run, or not, and wait until it does; whether that came in time."""
        self._settled.clear()
        self._wanted = on
        return self._settled.wait(_ANSWER_S)

    def between_steps(self) -> None:
        """Do what was asked for: called by the thread that generates."""
        if self._wanted and self._profile is None:
            self._start()
        elif not self._wanted and self._profile is not None:
            self._stop()
        self._settled.set()

    def _start(self) -> None:
        from torch.profiler import profile

        self._profile = profile(record_shapes=True)
        self._profile.start()

    def _stop(self) -> None:
        self._profile.stop()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._profile.export_chrome_trace(str(self._folder / f"serve-{time.time_ns()}.pt.trace.json.gz"))
        self._profile = None


def add_routes(profiler: StepProfiler) -> None:
    """Have transformers' server and its generation loop know the profiler."""
    from transformers.cli.serving import server
    from transformers.generation.continuous_batching.continuous_api import ContinuousBatchingManager

    build_server, loop_body = server.build_server, ContinuousBatchingManager._generation_loop_body
    step = ContinuousBatchingManager._generation_step

    def build_with_routes(*given: Any, **named: Any) -> Any:
        app = build_server(*given, **named)
        for path, on in (("/start_profile", True), ("/stop_profile", False)):
            app.add_api_route(path, _route(profiler, on), methods=["POST"])
        return app

    def body_and_profiler(manager: ContinuousBatchingManager, *given: Any, **named: Any) -> bool:
        profiler.between_steps()
        return bool(loop_body(manager, *given, **named))

    def marked_step(manager: ContinuousBatchingManager) -> None:
        from torch.profiler import record_function

        with record_function(_mark(manager)):
            step(manager)

    server.build_server = build_with_routes
    ContinuousBatchingManager._generation_loop_body = body_and_profiler  # type: ignore[method-assign]
    ContinuousBatchingManager._generation_step = marked_step  # type: ignore[method-assign]


def _mark(manager: Any) -> str:
    """How many requests prefill and decode in the batch that is about to run, and how many tokens of each."""
    lengths: dict[bool, list[int]] = {True: [], False: []}
    for each in manager.batch_processor.inputs_and_outputs.requests_in_batch:
        lengths[each.state.generated_len() > 0].append(each.query_length)
    context, generation = lengths[False], lengths[True]
    return f"execute_context_{len(context)}({sum(context)})_generation_{len(generation)}({sum(generation)})"


def _route(profiler: StepProfiler, on: bool) -> Any:
    from fastapi.responses import Response

    async def answer() -> Response:
        came = await asyncio.to_thread(profiler.switch, on)
        return Response(status_code=200 if came else 503)

    return answer


def main() -> None:
    """Serve until stopped."""
    from transformers.cli.transformers import app

    folder, *typed = sys.argv[1:]
    add_routes(StepProfiler(Path(folder)))
    app(["serve", *typed, "--continuous-batching"])


if __name__ == "__main__":
    main()
