"""Logs from files: public formats, our own, and what is no log."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest

from profiler.errors import UnreadableError
from profiler.serving import request_file, text_lines
from profiler.serving.log import LATE
from profiler.serving.request_file import read_requests
from tests.unit.serving.requests import SECOND, real_log

HEADER = "arrival_s,prompt_tokens,output_tokens\n"


def written(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_azures_log_is_read() -> None:
    log = read_requests(real_log("azure2023_conv.csv"))
    assert len(log) == 19_366
    assert (log.prompt_tokens[:3].tolist(), log.output_tokens[:3].tolist()) == ([374, 396, 879], [44, 109, 55])
    # 18:15:46.6805900, 18:15:50.9951690
    assert log.arrival_ns[:2].tolist() == [0, 4_314_579_000]
    assert log.findings == {}


def test_mooncakes_log_is_read() -> None:
    log = read_requests(real_log("mooncake_conversation_4000.jsonl"))
    assert len(log) == 4_000
    assert (log.prompt_tokens[0], log.output_tokens[0]) == (6758, 500)
    assert log.arrival_ns[-1] % 10**6 == 0


@pytest.mark.parametrize("gpu", ["RTX4090_Llama-3.1-8B", "RTXPRO6000_Qwen3-30B-A3B-Instruct-2507"])
def test_a_servers_own_log_is_read(gpu: str) -> None:
    log = read_requests(real_log(f"vllm_measured_{gpu}_vllm_requests.jsonl"))
    assert len(log) == 300
    assert 20 * SECOND < log.arrival_ns[-1] < 40 * SECOND


def test_our_own_columns_with_tenants_and_priorities(tmp_path: Path) -> None:
    path = written(
        tmp_path, "tenant,arrival_ms,prompt_tokens,output_tokens,priority\na,10.5,7,8,1\n,20,9,10,-2\na,30,1,1,0\n"
    )
    log = read_requests(path)
    assert log.arrival_ns.tolist() == [0, 9_500_000, 19_500_000]
    assert log.priority.tolist() == [1, -2, 0]
    assert [log.tenants[tenant] for tenant in log.tenant] == ["a", "(none)", "a"]


def test_json_lines_packed_with_gzip(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(gzip.compress(b'\xef\xbb\xbf{"arrival_s": 1, "input_tokens": 3, "output_tokens": "4"}\n\n'))
    log = read_requests(path)
    assert (log.prompt_tokens.tolist(), log.output_tokens.tolist(), log.tenants) == ([3], [4], ())


def test_dates_with_a_zone_and_nine_decimals(tmp_path: Path) -> None:
    rows = "2024-05-10 00:00:00.000000001+00:00,5,6\n2024-05-10 02:00:01.5+02:00,5,6\n"
    log = read_requests(written(tmp_path, f"TIMESTAMP,ContextTokens,GeneratedTokens\n{rows}"))
    assert log.arrival_ns.tolist() == [0, 1_499_999_999]


def test_rows_out_of_order_are_sorted_and_counted(tmp_path: Path) -> None:
    log = read_requests(written(tmp_path, f"{HEADER}5,10,1\n3,20,1\n4,30,1\n"))
    assert log.prompt_tokens.tolist() == [20, 30, 10]
    assert log.findings == {LATE: 1}


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        ("1,-5,3", "without a prompt (fewer than 1 token)"),
        ("1,0,3", "without a prompt (fewer than 1 token)"),
        ("1,5,0", "without an output (fewer than 1 token)"),
        ("1,5,1000000000", "with over 10,000,000 tokens"),
        ("1,5,1e400", "without a usable number"),
        ("1,5,2.5", "without a usable number"),
        ("nan,5,2", "without a usable number"),
        ("inf,5,2", "without a usable number"),
        ("1e300,5,2", "with a number that is too large"),
        ("soon,5,2", "without a usable number"),
        ("1,5", "without a usable number"),
        ("-1,5,2", "arriving before 0"),
    ],
)
def test_a_row_that_cannot_be_meant_is_left_out_and_counted_by_its_cause(tmp_path: Path, row: str, cause: str) -> None:
    log = read_requests(written(tmp_path, f"{HEADER}0,10,1\n{row}\n{row}\n2,10,1\n"))
    assert (len(log), log.findings) == (2, {f"{cause}, left out (the first in line 3)": 2})


@pytest.mark.parametrize("line", ['{"arrival_s": 1', "[1, 2]", '"text"', "null", '{"arrival_s": true, "x": 1}'])
def test_a_line_that_is_no_record_is_left_out(tmp_path: Path, line: str) -> None:
    good = '{"arrival_s": 0, "prompt_tokens": 5, "output_tokens": 6}'
    log = read_requests(written(tmp_path, f"{good}\n{line}\n"))
    assert len(log) == 1
    assert sum(log.findings.values()) == 1


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "holds no request: it is empty"),
        ("\n \n", "holds no request: it is empty"),
        (HEADER, "holds no request: it has a header and no rows"),
        (f"{HEADER}\n\n", "holds no request: it has a header and no rows"),
        ("a,b\n", "no columns of arrival, prompt tokens and output tokens, but a, b"),
        ('\n [{"arrival_s": 0, "prompt_tokens": 5, "output_tokens": 6}]', "holds a JSON array, not a record a line"),
        (f"{HEADER}1,0,0\n", "holds no request: 1 without a prompt"),
        ("a,b\n1,2\n", "no columns of arrival, prompt tokens and output tokens, but a, b"),
        (f"{HEADER}0,1,1\n999999999,1,1\n", "span over ten years"),
    ],
)
def test_a_file_without_requests_is_refused_in_a_line(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(UnreadableError, match="(?s)" + what.replace("(", r"\(")) as caught:
        read_requests(written(tmp_path, text))
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("row", ["0,10", "0", "0,10,"])
def test_a_short_first_row_is_left_out_and_no_flaw_of_the_header(tmp_path: Path, row: str) -> None:
    log = read_requests(written(tmp_path, f"{HEADER}{row}\n1,5,6\n"))
    assert (len(log), log.findings) == (1, {"without a usable number, left out (the first in line 2)": 1})


def test_the_first_line_of_a_flaw_is_counted_with_lines_that_are_blank(tmp_path: Path) -> None:
    good = '{"arrival_s": 0, "prompt_tokens": 5, "output_tokens": 6}'
    log = read_requests(written(tmp_path, f"{good}\n\n{good}\nnull\n{good}\nnull\n"))
    assert log.findings == {"that is no record, left out (the first in line 4)": 2}


@pytest.mark.parametrize("row", ["0,1000000000,5", "0,0,5", "0,5,-1"])
def test_where_all_rows_have_sizes_that_are_not_taken_it_is_said_which_are(tmp_path: Path, row: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        read_requests(written(tmp_path, f"{HEADER}{row}\n"))
    assert caught.value.hint == "sizes of 1 to 10,000,000 tokens"


@pytest.mark.parametrize("row", ["Ann Smith,17,9", "0,100,20", "ann@example.org,x,y"])
def test_a_row_of_data_where_a_header_should_be_is_not_repeated(tmp_path: Path, row: str) -> None:
    for text in (f"{row}\n", f"{row}\n{row}\n"):
        with pytest.raises(UnreadableError, match="its first line names none") as caught:
            read_requests(written(tmp_path, text))
        assert row.split(",")[0] not in caught.value.message.replace(str(tmp_path), "")


@pytest.mark.parametrize(
    "text", [f"\n  \n{HEADER}1,5,6\n", '\n\r\n{"arrival_s": 1, "prompt_tokens": 5, "output_tokens": 6}\n']
)
def test_blank_lines_before_the_first_row_do_not_count(tmp_path: Path, text: str) -> None:
    log = read_requests(written(tmp_path, text))
    assert (len(log), log.findings) == (1, {})


def test_tenants_keep_their_names_and_users_are_numbered(tmp_path: Path) -> None:
    rows = "0,5,6,ann@example.org\n1,5,6,bob\n2,5,6,\n3,5,6,ann@example.org\n"
    names = {}
    for column in ("tenant", "user"):
        log = read_requests(written(tmp_path, f"{HEADER.strip()},{column}\n{rows}"))
        names[column] = [log.tenants[each] for each in log.tenant]
    assert names["tenant"] == ["ann@example.org", "bob", "(none)", "ann@example.org"]
    assert names["user"] == ["user 1", "user 2", "(none)", "user 1"]


GOOD = '{"arrival_s": 0, "prompt_tokens": 5, "output_tokens": 6}\n'


@pytest.mark.parametrize(("first", "good"), [("", GOOD), (HEADER, "0,5,6\n")])
def test_a_line_that_is_too_long_is_left_out_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, good: str
) -> None:
    monkeypatch.setattr(text_lines, "MOST_OF_A_LINE", 100)
    long = "0" * 1234
    log = read_requests(written(tmp_path, f"{first}{good}{long}\n{long}\r\n{good}{long}"))
    assert (len(log), log.findings) == (2, {f"that is no record, left out (the first in line {2 + bool(first)})": 3})


def test_a_packed_line_without_an_end_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(b"0" * (64 << 20), 1))
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableError, match="begins with a line of over 4,194,304 characters"):
            read_requests(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 << 20


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz"])
def test_no_more_is_read_than_allowed(tmp_path: Path, name: str) -> None:
    text = HEADER + "1,5,6\n" * 10_000
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    assert len(read_requests(path, max_bytes=len(text))) == 10_000
    with pytest.raises(UnreadableError, match=f"holds more than {len(text) - 1} bytes of text") as caught:
        read_requests(path, max_bytes=len(text) - 1)
    assert "--max-bytes" in caught.value.hint


def test_no_more_requests_are_kept_than_can_be_simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_file, "MOST_REQUESTS", 3)
    assert len(read_requests(written(tmp_path, HEADER + "1,5,6\n" * 3))) == 3
    with pytest.raises(UnreadableError, match="holds more than 3 requests"):
        read_requests(written(tmp_path, HEADER + "1,5,6\n" * 4))


@pytest.mark.parametrize("content", [b"\x1f\x8bnot gzip", b"\xff\xfe\x00binary", gzip.compress(b"x" * 9999)[:40]])
def test_other_files_are_refused_in_a_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(UnreadableError):
        read_requests(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="cannot read"):
        read_requests(tmp_path / "gone.csv")
