"""The client against a real `transformers serve`, which has no metrics: queues are inferred."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration import tiny_checkpoint
from tests.integration.driven import driven
from tests.integration.served import serving

pytest.importorskip("fastapi", reason="the server is not installed: pip install 'transformers[serving]'")

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

LENGTHS = ("--prompt-tokens", "lognormal:80:0.3", "--output-tokens", "12", "--baseline", "3")
ONE_BY_ONE: tuple[str, ...] = ()
# Blocks for three or four requests at once: more wait.
BATCHED = ("--continuous-batching", "--cb-block-size", "16", "--cb-num-blocks", "32", "--cb-max-batch-tokens", "256")
# Threads that wait for one another stand still where others use the same cores.
SETTINGS = {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module", params=[ONE_BY_ONE, BATCHED], ids=["one by one", "continuous batching"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """What to type to drive it. Asked for its models, it lists those of the hub's cache, of which there are none."""
    folder = tmp_path_factory.mktemp("transformers")
    tiny_checkpoint.save(folder / "model")
    command = [Path(sys.executable).with_name("transformers"), "serve", folder / "model", "--device", "cpu"]
    command += ["--dtype", "float32", "--attn-implementation", "sdpa", "--log-level", "error", *request.param]
    with serving(command, folder / "log.txt", SETTINGS) as url:
        yield url, "--model", str(folder / "model")


def of_all(answer: dict[str, Any], part: str) -> float:
    """The share of a part."""
    found: float = next(each["fraction"] for each in answer["parts"] if each["part"] == part)
    return found


def test_a_light_load_is_not_judged_a_queue_and_a_saturating_one_is(server: tuple[str, ...], tmp_path: Path) -> None:
    light = driven(tmp_path, *server, "--concurrency", "1", "--count", "5", *LENGTHS)
    saturated = driven(tmp_path, *server, "--rate", "200", "--count", "30", *LENGTHS)
    for answer in (light, saturated):
        assert [each["ending"] for each in answer["endings"]] == ["ok"]
        assert (answer["server"], answer["split"]) == (None, "inferred")
        for each in answer["requests"]:
            parts = sum(each[f"{part}_ns"] for part in ("network", "queue", "prefill", "decode"))
            assert parts == pytest.approx(each["e2e_ms"] * 1e6, rel=0.02)
    assert light["verdict"]["cause"] != "scheduling.queue"
    assert light["leader"] == "decode"
    assert saturated["verdict"]["cause"] == "scheduling.queue"
    assert of_all(saturated, "queue") > 0.5
