"""`bottleneck endpoint` as it is typed, against a server on loopback."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from profiler.cli.application import application
from tests.fake_endpoint import FakeServer, cut, raw, status, vllm_metrics

QUICK = ("--baseline", "2", "--prompt-tokens", "40", "--output-tokens", "4")


def run(*arguments: str) -> Any:
    return CliRunner().invoke(application, ["endpoint", *arguments])


def as_json(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--format", "json")
    assert result.exit_code == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_the_answer_has_the_split_and_every_number_that_is_missing_has_a_reason() -> None:
    with FakeServer(metrics=vllm_metrics).running() as server:
        answer = as_json(server.url, "--concurrency", "2", "--count", "6", *QUICK)
    assert (answer["kind"], answer["complete"], answer["split"]) == ("endpoint", True, "server")
    assert [part["part"] for part in answer["parts"]] == ["client_queue", "network", "queue", "prefill", "decode"]
    assert sum(part["fraction"] for part in answer["parts"]) == pytest.approx(1.0)
    assert answer["endings"] == [{"ending": "ok", "count": 6, "first": ""}]
    assert (answer["target"]["engine"], answer["server"]["requests"]) == ("vllm", 6)
    for request in answer["requests"]:
        parts = [request[f"{name}_ns"] for name in ("network", "queue", "prefill", "decode")]
        assert sum(parts) == request["e2e_ns"]
    for record in (answer, answer["target"], answer["load"], answer["baseline"], answer["server"], answer["client"]):
        missing = {name for name, value in record.items() if value is None}
        assert {name for name in missing if record["sources"][name].get("missing")} == missing


def test_prompts_have_the_length_that_was_asked_for_as_the_server_counts() -> None:
    with FakeServer().running() as server:
        answer = as_json(server.url, "--concurrency", "1", "--requests", "45:3,205:7", "--baseline", "1")
    found = [(each["prompt_tokens"], each["output_tokens"]) for each in answer["requests"]]
    assert found == [(45, 3), (205, 7)]


def test_no_two_prompts_are_alike() -> None:
    with FakeServer().running() as server:
        as_json(server.url, "--concurrency", "4", "--count", "20", *QUICK)
        prompts = [body["prompt"] for body in server.bodies if len(body["prompt"]) > 20]
    assert len(set(prompts)) == len(prompts)


def test_no_two_prompts_of_a_knee_are_alike_though_its_rates_take_more_requests_than_the_log_has() -> None:
    search = ("--knee", "--rate", "800", "--step-s", "0.05", "--slo-e2e-ms", "0.001")
    with FakeServer().running() as server:
        steps = as_json(server.url, *search, "--count", "5", *QUICK)["knee"]["steps"]
        prompts = [body["prompt"] for body in server.bodies if len(body["prompt"]) > 20]
    assert len(prompts) > sum(step["requests"] for step in steps) >= 80
    assert len(set(prompts)) == len(prompts)


def test_a_server_that_knows_chat_alone_and_no_extensions_is_served_so() -> None:
    fields = ("ignore_eos", "stream_options")
    with FakeServer(apis=("chat",), refused_fields=fields, usage=False).running() as server:
        answer = as_json(server.url, "--concurrency", "1", "--count", "3", *QUICK)
    assert (answer["target"]["api"], answer["target"]["extensions"]) == ("chat", [])
    codes = {warning["code"] for warning in answer["warnings"]}
    assert codes == {"eos", "tokens"}
    assert answer["split"] == "inferred"


def test_failures_are_counted_by_cause_and_the_run_goes_on() -> None:
    replies = {8: status(500, "boom"), 9: status(429), 10: cut(after=1)}
    with FakeServer(reply=lambda number: replies.get(number)).running() as server:
        answer = as_json(server.url, "--concurrency", "1", "--count", "9", *QUICK)
    counts = {each["ending"]: each["count"] for each in answer["endings"]}
    assert counts == {"ok": 6, "server_error": 1, "throttled": 1, "stream_cut": 1}
    assert any(warning["code"] == "failures" for warning in answer["warnings"])


@pytest.mark.parametrize("load", [("--rate", "100"), ("--concurrency", "2")])
def test_requests_whose_answers_nobody_can_decode_are_counted_too(load: tuple[str, str]) -> None:
    async def odd(server: FakeServer, request: web.Request, body: dict[str, Any]) -> web.Response:
        return web.Response(status=500, body=b"busy", headers={"Content-Type": "text/plain; charset=hex"})

    with FakeServer(reply=lambda number: odd if number in (8, 10) else None).running() as server:
        answer = as_json(server.url, *load, "--count", "6", *QUICK)
    assert {each["ending"]: each["count"] for each in answer["endings"]} == {"ok": 4, "server_error": 2}


def test_a_model_that_ends_at_once_now_and_then_is_served_all_the_same() -> None:
    nothing = raw(b"data: [DONE]\n\n")
    with FakeServer(reply=lambda number: nothing if number % 2 == 0 else None).running() as server:
        answer = as_json(server.url, "--concurrency", "1", "--count", "4", *QUICK)
    assert {each["ending"]: each["count"] for each in answer["endings"]} == {"ok": 2, "no_token": 2}
    assert answer["baseline"]["requests"] == 1


def test_a_load_of_which_nothing_ends_well_is_told_and_not_judged() -> None:
    with FakeServer(reply=lambda number: status(500) if number >= 5 else None).running() as server:
        result = run(server.url, "--concurrency", "4", "--count", "300", *QUICK)
    assert result.exit_code == 0
    assert "no request ended well" in " ".join(result.stdout.split()).lower()
    assert "in a row failed" in " ".join(result.stdout.split())
    assert "server error" in result.stdout


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_people_read_the_split_and_the_latencies(form: str) -> None:
    with FakeServer(metrics=vllm_metrics).running() as server:
        result = run(server.url, "--rate", "200", "--count", "5", *QUICK, "--format", form)
    assert result.exit_code == 0
    for words in (
        "waits in the server",
        "there and back",
        "prefill",
        "TTFT",
        "ITL",
        server.url.removeprefix("http://"),
    ):
        assert words in result.stdout


def test_a_decode_that_the_engine_and_the_client_saw_differently_is_told_unless_others_were_served_too() -> None:
    """Each request decodes for 40 ms in this engine, and its tokens come at once."""

    def slower(server: FakeServer, others: int = 0) -> str:
        served = len(server.decoded_s) + (others if len(server.decoded_s) > 8 else 0)
        name = "vllm:request_decode_time_seconds"
        kept = [line for line in vllm_metrics(server).splitlines() if not line.startswith(name)]
        rest = [line for line in kept if not line.startswith("vllm:e2e_request_latency_seconds_count")]
        told = [f"{name}_sum {0.04 * served}", f"{name}_count {served}"]
        return "\n".join([*rest, *told, f"vllm:e2e_request_latency_seconds_count {served}"]) + "\n"

    for others, warned in ((0, "decode"), (3, "others")):
        with FakeServer(metrics=lambda server, others=others: slower(server, others)).running() as server:
            answer = as_json(server.url, "--concurrency", "1", "--count", "6", *QUICK)
        assert {"decode", "others"} & {warning["code"] for warning in answer["warnings"]} == {warned}


def test_the_knee_names_what_saturates(tmp_path: Path) -> None:
    kept = tmp_path / "knee.json"
    # From the 60th request on, nothing is served any more.
    with FakeServer(reply=lambda number: status(503) if number >= 60 else None).running() as server:
        result = run(server.url, "--knee", "--rate", "100", "--step-s", "0.2", *QUICK, "-o", str(kept))
    assert result.exit_code == 0
    knee = json.loads(kept.read_text())["knee"]
    assert knee["saturates"] in ("errors", "client")
    assert not knee["steps"][-1]["holds"]
    assert "Up to which load" in result.stdout


def test_the_key_is_in_no_output(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    kept = tmp_path / "endpoint.json"
    with FakeServer(key="sk-very-secret").running() as server:
        arguments = (server.url, "--concurrency", "1", "--count", "2", "--key-env", "MY_KEY", *QUICK)
        result = run(*arguments, "-o", str(kept))
    assert result.exit_code == 0
    assert "very-secret" not in result.stdout + result.stderr + kept.read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("localhost:8000", "--rate", "1"), 2, "http://"),
        (("http://me:pw@localhost", "--rate", "1"), 2, "password"),
        (("http://localhost",), 2, "--rate 4"),
        (("http://localhost", "--rate", "1", "--concurrency", "2"), 2, "--concurrency"),
        (("http://localhost", "--rate", "0"), 2, "0"),
        (("http://localhost", "--requests", "no.csv"), 2, "no.csv"),
        (("http://localhost", "--rate", "1", "--key-env", "NO_SUCH_KEY"), 2, "export NO_SUCH_KEY"),
        (("http://localhost", "--rate", "1", "--prompt-tokens", "1000000000"), 2, "lengths"),
        (("http://127.0.0.1:1", "--rate", "1"), 1, "does not answer"),
    ],
)
def test_what_cannot_be_is_one_line(arguments: tuple[str, ...], code: int, told: str) -> None:
    result = run(*arguments)
    assert result.exit_code == code
    assert told in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("server", "told"),
    [
        (FakeServer(key="k"), "--key-env"),
        (FakeServer(apis=()), "not found"),
        (FakeServer(context=30), "context of 30 tokens"),
        (FakeServer(reply=lambda number: status(500, "boom")), "boom"),
        (FakeServer(reply=lambda number: status(429, "busy")), "busy"),
    ],
)
def test_a_server_that_does_not_serve_stops_the_run_with_one_line(
    server: FakeServer, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with server.running():
        result = run(server.url, "--rate", "5", "--count", "2", "--prompt-tokens", "40", "--output-tokens", "4")
    assert result.exit_code == 1
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_requests_beyond_the_context_are_left_out_and_counted() -> None:
    with FakeServer(context=100).running() as server:
        answer = as_json(server.url, "--concurrency", "1", "--requests", "50:4,5000:4", "--baseline", "1")
    assert answer["load"]["requests"] == 1
    assert {"cause": "longer than the server's context", "count": 1} in answer["load"]["findings"]


def test_where_the_first_is_left_out_the_load_begins_with_the_next(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("arrival_s,prompt_tokens,output_tokens\n0,5000,4\n9,40,4\n9.02,40,4\n")
    with FakeServer(context=100).running() as server:
        answer = as_json(server.url, "--requests", str(log), "--baseline", "1")
    assert [each["due_ms"] for each in answer["requests"]] == [0.0, 20.0]
    assert answer["load"]["rate_per_s"] == pytest.approx(50.0)


def test_a_log_keeps_its_pattern_at_another_rate(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("arrival_s,prompt_tokens,output_tokens\n0,40,2\n1,40,2\n4,40,2\n0.5,-3,2\n")
    with FakeServer().running() as server:
        answer = as_json(server.url, "--requests", str(log), "--rate", "100", "--baseline", "1")
    assert [round(each["due_ms"], 3) for each in answer["requests"]] == [0.0, 5.0, 20.0]
    assert any("without a prompt" in finding["cause"] for finding in answer["load"]["findings"])


def test_without_the_http_library_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    result = run("http://localhost", "--rate", "1")
    assert result.exit_code == 4
    assert "bottleneck-profiler[serve]" in result.stderr


def test_the_schema_knows_the_answer() -> None:
    result = CliRunner().invoke(application, ["schema", "endpoint"])
    schema = json.loads(result.stdout)
    assert "Endpoint" in schema["$defs"]


def test_a_log_that_is_not_there_is_one_line_however_long_its_name() -> None:
    for name in ("nope.csv", "x" * 5000):
        result = CliRunner().invoke(application, ["endpoint", "http://127.0.0.1:1", "--rate", "1", "--requests", name])
        assert result.exit_code == 2
        assert f"there is no file {name[:20]}" in result.stderr
        assert len(result.stderr.splitlines()) == 2
