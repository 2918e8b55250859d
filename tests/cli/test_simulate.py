"""`bottleneck simulate`: requests under several policies."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from profiler.cli import load_options
from profiler.cli import simulate as verb
from profiler.cli.application import application
from profiler.report.simulation import Simulation, simulation_schema
from profiler.report.store import encode
from profiler.report.vocabulary import VerdictState
from profiler.serving import generated
from profiler.serving.log import MOST_REQUESTS
from profiler.serving.policies import POLICIES, USUAL
from profiler.serving.policies.policy import Limits
from profiler.serving.text_lines import MAX_BYTES
from profiler.session import simulate as session
from profiler.session import simulate_inputs
from tests.cli.test_startup import HEAVY, imported_by
from tests.unit.attribute.kept_reports import kept_report
from tests.unit.serving.requests import real_log, surface

runner = CliRunner()
FOUR = "500:100,1000:100,1000:300,4000:700"
SPEEDS = ["--prefill-tokens-per-s", "20000", "--decode-tokens-per-s", "50"]


def answered(*typed: str) -> dict[str, Any]:
    result = runner.invoke(application, ["simulate", *typed, "--format", "json"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def measured_log(folder: Path) -> Path:
    """Thirty requests with a server's times, a third of them longer than 300 tokens."""
    path = folder / "measured.jsonl"
    rows = [
        {
            "arrival_time": number,
            "input_toks": 900 if number % 3 == 0 else 100,
            "output_toks": 100,
            "queued_ts": number,
            "scheduled_ts": number + 0.01,
            "first_token_ts": number + 0.05,
            "last_token_ts": number + 2,
        }
        for number in range(30)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def refused(*typed: str) -> str:
    result = runner.invoke(application, ["simulate", *typed])
    assert (result.exit_code, result.stdout) == (2, "")
    return " ".join(result.stderr.split())


def test_the_worked_example_comes_out_to_the_digit() -> None:
    serial, static, continuous = answered(FOUR, *SPEEDS)["policies"]
    assert [each["policy"] for each in (serial, static, continuous)] == list(USUAL)
    assert serial["makespan_ms"] == 24_325
    assert sum(request["prefill_ms"] + request["decode_ms"] for request in serial["requests"]) == 24_325
    assert static["hole_ratio"] == 1600 / 2800


def test_weights_and_holes_of_the_worked_examples() -> None:
    (serial,) = answered("10:40", *SPEEDS[:3], "40", "--weights-gb", "14", "--policy", "serial")["policies"]
    assert serial["weights_gb_per_s"] == 560
    (static,) = answered("10:40,10:60,10:400", *SPEEDS, "--policy", "static")["policies"]
    assert (static["decode_steps"], round(static["hole_ratio"], 3)) == (400, 0.583)


def test_people_read_a_table_and_a_picture() -> None:
    result = runner.invoke(application, ["simulate", FOUR, *SPEEDS])
    assert result.exit_code == 0
    for words in ("Side by side", "24.3 s", "slot 3", "█4█", "Request by request", "Latencies"):
        assert words in result.stdout


def test_markdown_has_the_table_and_the_picture() -> None:
    result = runner.invoke(application, ["simulate", FOUR, *SPEEDS, "--format", "markdown"])
    assert "| serial | 24.3 s | 40% |" in result.stdout
    assert "```text\nslot 0" in result.stdout


def test_json_is_what_a_file_would_hold_and_follows_its_schema(tmp_path: Path) -> None:
    kept = tmp_path / "simulation.json"
    typed = ["simulate", FOUR, *SPEEDS, "--format", "json", "-o", str(kept)]
    result = runner.invoke(application, typed)
    assert result.stdout_bytes == kept.read_bytes()
    answer = msgspec.json.decode(kept.read_bytes(), type=Simulation)
    assert (answer.kind, answer.schema_version, answer.complete) == ("simulate", "1.1", True)
    assert runner.invoke(application, typed).exit_code == 2
    assert runner.invoke(application, [*typed, "--force"]).exit_code == 0


def test_a_log_that_is_read_is_never_replaced(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("arrival_s,prompt_tokens,output_tokens\n0,1,1\n")
    result = runner.invoke(application, ["simulate", str(log), *SPEEDS, "-o", str(log), "--force"])
    assert result.exit_code == 2
    assert log.read_text().startswith("arrival_s")


def test_a_kept_simulation_is_shown_as_when_it_was_made_and_gives_no_costs(tmp_path: Path) -> None:
    kept = tmp_path / "simulation.json"
    made = runner.invoke(application, ["simulate", FOUR, *SPEEDS, "-o", str(kept)])
    shown = runner.invoke(application, ["show", str(kept)])
    assert (shown.exit_code, shown.stdout) == (0, made.stdout)
    costs = runner.invoke(application, ["simulate", FOUR, "--costs", str(kept)])
    assert (costs.exit_code, costs.stdout) == (1, "")
    assert "what `bottleneck simulate` answered, not a report" in " ".join(costs.stderr.split())


def test_a_report_with_a_surface_gives_costs_weights_memory_and_the_phases_own_bottleneck(tmp_path: Path) -> None:
    kept = kept_report()
    path = tmp_path / "report.json"
    path.write_bytes(encode(replace(kept, costs=surface())))
    answer = answered("100:50@0,100:50@9", "--costs", str(path), "--policy", "continuous")
    (policy,) = answer["policies"]
    decode = next(phase for phase in kept.phases if phase.name == "decode").verdict
    assert (policy["verdict"]["cause"], policy["verdict"]["state"]) == (decode.cause, "inconclusive")
    assert (answer["costs"]["kind"], answer["costs"]["weight_bytes"]) == ("report", 16_060_522_496)
    assert answer["setup"]["kv_tokens"] == 62_300_000_000 // 131_072
    assert policy["requests"][0]["prefill_ms"] == 20
    assert decode.state is VerdictState.INCONCLUSIVE
    assert [part["class"] for part in policy["parts"] if part["part"] == "decode"] == [None]


def test_a_report_without_a_surface_says_how_to_get_one(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(encode(kept_report()))
    result = runner.invoke(application, ["simulate", FOUR, "--costs", str(path)])
    assert result.exit_code == 1
    assert "holds no cost surface" in result.stderr
    assert "--sweep" in result.stderr


def test_costs_can_be_fitted_to_a_log_with_server_times() -> None:
    log = real_log("vllm_measured_RTX4090_Llama-3.1-8B_vllm_requests.jsonl")
    (policy,) = answered(str(log), "--fit", "100", "--kv-tokens", "41408", "--policy", "continuous")["policies"]
    assert policy["queue_share"] == pytest.approx(0.753, abs=0.1)
    assert policy["verdict"]["cause"] == "memory.capacity"
    assert policy["preemptions"] > 0


def test_a_server_that_was_told_wrongly_is_not_what_was_measured(tmp_path: Path) -> None:
    log = real_log("vllm_measured_RTX4090_Llama-3.1-8B_vllm_requests.jsonl")
    kept = tmp_path / "simulation.json"
    typed = ["simulate", str(log), "--fit", "100", "--policy", "continuous", "--force", "-o", str(kept)]
    for limit, holds, warned in (
        ([], False, {"unlike_measured", "endless_kv"}),
        (["--kv-tokens", "41408"], True, set()),
    ):
        shown = " ".join(runner.invoke(application, [*typed, *limit]).stdout.split())
        answer = json.loads(kept.read_text())
        assert {warning["code"] for warning in answer["warnings"]} == warned
        assert (answer["held_out"]["requests"], answer["held_out"]["holds"]) == (200, holds)
        assert answer["held_out"]["measured"]["queue_share"] == pytest.approx(0.814, abs=0.001)
        assert "Against the server's own times: the 200 requests that were not fitted" in shown
        assert "measured 81% 0.2% 18% 109 s" in shown
        assert ("The KV memory is taken to be endless" in shown) is not holds
        assert ("The simulation does not hold for the server of this log" in shown) is not holds
        assert (answer["policies"][0]["verdict"]["state"] == "clear") is holds


@pytest.mark.parametrize(
    ("policy", "limit", "warned"),
    [
        ("continuous", [], True),
        ("priority", [], True),
        ("shortest-first", [], True),
        ("continuous", ["--kv-tokens", "9000"], False),
        ("static", [], False),
        ("serial", [], False),
    ],
)
def test_who_batches_without_a_limit_of_memory_is_told_so(policy: str, limit: list[str], warned: bool) -> None:
    answer = answered(FOUR, *SPEEDS, "--policy", policy, *limit)
    assert ("endless_kv" in {warning["code"] for warning in answer["warnings"]}) is warned
    assert answer["held_out"] is None


@pytest.mark.parametrize(
    ("typed", "what"),
    [
        (["--policy", "best"], "no policy called best"),
        (["--token-budget", "8"], "cannot decode for 256 slots"),
        (["--rate", "8"], "--rate is for poisson and bursty"),
        (["--kv-tokens", "100"], "no request fits into a KV memory of 100 tokens"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_costs_are_fitted(
    typed: list[str], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulate_inputs, "fitted_costs", None)
    assert what in refused(str(measured_log(tmp_path)), "--fit", "20", *typed)


def test_what_does_not_fit_is_left_out_of_the_fit_and_counted(tmp_path: Path) -> None:
    log = measured_log(tmp_path)
    answer = answered(str(log), "--fit", "20", "--kv-tokens", "300", "--policy", "continuous")
    assert (answer["requests"], answer["seed"]) == (20, None)
    assert answer["findings"] == [{"cause": "longer than the KV memory, left out", "count": 10}]


def test_more_text_than_allowed_is_refused(tmp_path: Path) -> None:
    result = runner.invoke(application, ["simulate", str(measured_log(tmp_path)), *SPEEDS, "--max-bytes", "99"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "holds more than 99 bytes of text" in " ".join(result.stderr.split())


def test_the_first_of_a_log_are_taken(tmp_path: Path) -> None:
    log = str(measured_log(tmp_path))
    typed = ["--count", "12", "--policy", "continuous"]
    for costs in (SPEEDS, ["--fit", "10"]):
        answer = answered(log, *costs, *typed)
        assert (answer["requests"], answer["span_ms"]) == (12, 11_000)
    assert answered(FOUR, *SPEEDS, *typed)["requests"] == 4


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "arrival_s,prompt_tokens,output_tokens\n0,10,2\n1,20,3\n",
        '{"arrival_s": 0, "prompt_tokens": 10, "output_tokens": 2}\n'
        '{"arrival_s": 1, "prompt_tokens": 20, "output_tokens": 3}\n',
    ],
)
def test_a_log_comes_from_stdin_in_either_form(text: str, packed: bool) -> None:
    piped = gzip.compress(text.encode()) if packed else text.encode()
    result = from_stdin(piped)
    assert (result.returncode, b"rror" in result.stderr) == (0, False)
    answer = json.loads(result.stdout)
    assert (answer["log"], answer["prompt_tokens"], answer["output_tokens"]) == ("-", 30, 5)


def test_what_is_no_log_on_stdin_is_called_stdin() -> None:
    result = from_stdin(b"[]")
    assert (result.returncode, result.stdout) == (1, b"")
    assert b"stdin holds a JSON array, not a record a line\ntry: jq -c '.[]' > log.jsonl" in result.stderr


def from_stdin(text: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "profiler", "simulate", "-", *SPEEDS, "--format", "json"]
    return subprocess.run(command, input=text, capture_output=True, check=False)


def test_users_are_not_named(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user,arrival_s,prompt_tokens,output_tokens\nann@example.org,0,1,1\nbob,1,1,1\n")
    result = runner.invoke(application, ["simulate", str(log), *SPEEDS, "--format", "json"])
    assert "user 2" in result.stdout
    assert "ann@" not in result.output


def test_generated_requests_are_the_same_for_the_same_seed() -> None:
    typed = ["poisson", "--rate", "9", "--count", "200", *SPEEDS, "--policy", "continuous"]
    first, same, other = (answered(*typed, "--seed", seed) for seed in ("3", "3", "4"))
    assert first == same
    assert first["seed"] == 3
    assert first["policies"] != other["policies"]


def test_bursts_wait_longer() -> None:
    waits = [
        answered(process, "--rate", "3", *SPEEDS, "--policy", "continuous", "--slots", "16")["policies"][0]["queue_ms"]
        for process in ("poisson", "bursty")
    ]
    assert waits[1] > 2 * waits[0]


def test_all_policies_and_options_of_the_server_count() -> None:
    typed = [
        "poisson",
        "--rate",
        "6",
        "--count",
        "150",
        *SPEEDS,
        "--replicas",
        "2",
        "--slots",
        "4",
        "--slo-ttft-ms",
        "500",
    ]
    for policy in POLICIES:
        typed += ["--policy", policy]
    answer = answered(*typed, "--batch-size", "3", "--batch-window-ms", "250", "--no-padding", "--kv-tokens", "9000")
    assert [policy["policy"] for policy in answer["policies"]] == list(POLICIES)
    assert [policy["slots"] for policy in answer["policies"]] == [1, 3, 4, 4, 4]
    setup = answer["setup"]
    assert (setup["replicas"], setup["batch_window_ms"], setup["padded"], setup["kv_tokens"]) == (2, 250, False, 9000)
    assert all(0 < policy["goodput_ratio"] <= 1 for policy in answer["policies"][2:])


@pytest.mark.parametrize(
    ("typed", "what"),
    [
        ([FOUR], "nothing says what a request costs"),
        ([FOUR, *SPEEDS[:2]], "both speeds are needed"),
        ([FOUR, *SPEEDS, "--fit", "50"], "costs come from one place"),
        (["gone.csv", *SPEEDS], "there is no file gone.csv"),
        (["poison", "--rate", "8", *SPEEDS], "there is no file poison: did you mean poisson?"),
        (["500:0", *SPEEDS], "500:0 is a request without an output"),
        (["500:100,1000000000:5", *SPEEDS], "1000000000:5 is a request with over 10,000,000 tokens"),
        (["500:-3", *SPEEDS], "'500:-3' is no request"),
        (["500:100,abc", *SPEEDS], "'abc' is no request"),
        (["", *SPEEDS], "there is no file"),
        (["poisson", *SPEEDS], "bottleneck simulate poisson --rate 8"),
        ([FOUR, *SPEEDS, "--rate", "8"], "--rate is for poisson and bursty"),
        ([FOUR, *SPEEDS, "--seed", "0"], f"{FOUR} has its own requests: --seed would change nothing"),
        ([FOUR, *SPEEDS, "--output-tokens", "9", "--prompt-tokens", "9"], "--prompt-tokens, --output-tokens would"),
        (["-", "--fit", "50"], "stdin can be read once"),
        (["poisson", "--rate", "8", "--prompt-tokens", "x", *SPEEDS], "no distribution of lengths"),
        ([FOUR, *SPEEDS, "--policy", "best"], "no policy called best"),
        ([FOUR, *SPEEDS, "--policy", "serial", "--policy", "serial"], "--policy serial is there twice"),
        ([FOUR, "--prefill-tokens-per-s", "0", *SPEEDS[2:]], "is not between"),
        ([FOUR, "--prefill-tokens-per-s", "nan", *SPEEDS[2:]], "is not between"),
        ([FOUR, *SPEEDS, "--slots", "0"], "0 is not between 1 and 1e+06"),
        ([FOUR, *SPEEDS, "--batch-window-ms", "nan"], "nan is not between 0 and"),
        ([FOUR, *SPEEDS, "--kv-tokens", "100"], "no request fits"),
        (["5" * 5000 + ":1", *SPEEDS], "'555"),
        (["1:1@" + "9" * 400, *SPEEDS], "'1:1@999"),
        ([FOUR, "--fit", "50"], f"there is no file {FOUR} to fit costs to"),
        (["poisson", "--rate", "8", "--fit", "50"], "there is no file poisson to fit costs to"),
    ],
)
def test_what_cannot_be_meant_is_refused(typed: list[str], what: str) -> None:
    assert what in refused(*typed)


def test_a_file_without_requests_fails_in_a_line(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("a,b\n1,2\n")
    result = runner.invoke(application, ["simulate", str(log), *SPEEDS])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "try: columns arrival_s,prompt_tokens,output_tokens" in result.stderr


def test_a_thousand_requests_can_be_typed_and_nonsense_of_that_length_is_told_short(tmp_path: Path) -> None:
    many, kept = ",".join(["500:100"] * 1000), str(tmp_path / "simulation.json")
    assert answered(many, *SPEEDS, "-o", kept, "--policy", "serial")["requests"] == 1000
    assert len(refused(f"{many};", *SPEEDS)) < 300


def test_an_interrupt_shows_what_was_done_and_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    serve = session.serve

    def interrupted(policy: str, *rest: Any) -> object:
        if policy == "continuous":
            raise KeyboardInterrupt
        return serve(policy, *rest)

    monkeypatch.setattr(session, "serve", interrupted)
    result = runner.invoke(application, ["simulate", FOUR, *SPEEDS, "--format", "json"])
    assert result.exit_code == 130
    answer = json.loads(result.stdout)
    assert (answer["complete"], len(answer["policies"])) == (False, 2)


def test_it_never_imports_torch_and_its_help_nothing_heavy() -> None:
    assert not imported_by("simulate", FOUR, *SPEEDS).intersection({"torch", "transformers"})
    assert not imported_by("simulate", "--help").intersection(HEAVY)


def test_help_repeats_what_the_code_says() -> None:
    assert ", ".join(POLICIES) == verb._POLICIES
    assert list(POLICIES)[: len(USUAL)] == list(USUAL)
    assert generated.LENGTHS == load_options.LENGTHS
    assert MOST_REQUESTS == verb._MOST_REQUESTS
    assert MAX_BYTES == verb._MAX_BYTES
    assert session.MOST_LISTED == verb._MOST_LISTED
    assert answered("poisson", "--rate", "8", *SPEEDS, "--policy", "serial")["requests"] == verb._COUNT
    answer = answered(FOUR, *SPEEDS)["setup"]
    limits = Limits()
    assert (answer["slots"], answer["token_budget"], answer["batch_size"], answer["padded"]) == (
        limits.slots,
        limits.token_budget,
        limits.batch_size,
        limits.padded,
    )


def test_its_schema_can_be_printed() -> None:
    assert json.loads(runner.invoke(application, ["schema", "simulate"]).stdout) == simulation_schema()
