"""The page as text: it needs nothing else, holds everything, and nothing that comes from a result is markup in it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from profiler.attribute.whatif_report import what_if
from profiler.render.document import Bullets, Column, Grid, Statement
from profiler.render.html import page
from profiler.render.html.figure import Figure
from profiler.render.html.markup import markup
from profiler.render.html.sections import sections_of
from profiler.report.comparison import Basis, ChangeState
from profiler.report.history import ChangePoint, History
from profiler.report.kinds import load_result
from profiler.report.records import Report
from profiler.report.source import Source
from profiler.report.store import load_report
from profiler.report.telemetry import Telemetry
from tests.unit.render import sample
from tests.unit.render.many_kernels import MANY, many_kernels

DATA = Path(__file__).resolve().parents[2] / "data"
KEPT = sorted((DATA / "results").glob("*.json.gz"))
OWN = sorted(path for path in (DATA / "own").glob("*.json.gz") if "trace" not in path.name)
COUNTED = DATA / "truth" / "counted_whole_report_h100.json.gz"
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;\u2028"


class Page(HTMLParser):
    """What of a page a test asks for: elements with their attributes, and the text of some."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)
        self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        for tag in set(self._open):
            self.texts[tag][-1] += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@cache
def rendered(path: Path) -> str:
    return page.render(load_result(path))


def data_of(text: str) -> list[dict[str, Any]]:
    """The data of the figures, as the page's script reads it."""
    found = re.search(r'<script type="application/(json|gzip)" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    packed = found[1] == "gzip"
    data: list[dict[str, Any]] = json.loads(gzip.decompress(base64.b64decode(found[2])) if packed else found[2])
    return data


@cache
def with_curves() -> Report:
    report = load_report(COUNTED)
    curves = {phase.name: phase.curves for phase in what_if(report, {}).phases}
    return replace(report, phases=[replace(phase, curves=curves.get(phase.name, [])) for phase in report.phases])


@pytest.mark.parametrize("path", [*OWN, COUNTED, *KEPT], ids=lambda path: path.name)
def test_a_page_is_one_file_that_loads_nothing(path: Path) -> None:
    text = rendered(path)
    assert len(text.encode()) < 1_500_000
    found = Page(text)
    for tag, attributes in found.elements:
        assert tag not in {"link", "iframe", "object", "embed", "img", "base", "form"}
        assert not {"src", "srcset", "action", "ping"} & attributes.keys(), tag
        assert (attributes.get("href") or "#").startswith("#")
        assert not [name for name in attributes if name.startswith("on")]
    assert "@import" not in text
    assert "url(http" not in text


@pytest.mark.parametrize("path", [COUNTED, *KEPT], ids=lambda path: path.name)
def test_its_policy_lets_it_run_its_own_scripts_and_load_nothing(path: Path) -> None:
    text = rendered(path)
    policy = next(meta["content"] for meta in Page(text).named("meta") if "http-equiv" in meta)
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 3
    for script in scripts:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.partition("style-src")[0]


def everywhere_hostile() -> Report:
    report = sample.report()
    decode = sample.decode()
    kernels = [replace(kernel, name=HOSTILE, module=HOSTILE, operation=HOSTILE) for kernel in decode.kernels]
    verdict = replace(decode.verdict, evidence=[HOSTILE])
    sources = {"tokens_per_s": Source(missing=HOSTILE)}
    phase = replace(
        decode, name=HOSTILE, kernels=kernels, verdict=verdict, tokens_per_s=None, sources=decode.sources | sources
    )
    assert report.workload is not None
    return replace(
        report,
        workload=replace(report.workload, model=HOSTILE, command=HOSTILE),
        environment=replace(report.environment, device=HOSTILE, platform=HOSTILE),
        advice=[replace(each, action=HOSTILE, why=HOSTILE, command=HOSTILE) for each in report.advice],
        warnings=[replace(each, message=HOSTILE) for each in report.warnings],
        phases=[phase],
    )


def test_text_from_a_report_is_never_markup_nor_script() -> None:
    hostile, plain = page.render(everywhere_hostile()), page.render(sample.report())
    found = Page(hostile)
    assert len(found.named("script")) == len(Page(plain).named("script"))
    assert not found.named("img")
    assert "alert(1)" in found.texts["h1"][0]
    assert "\u2028" not in hostile
    places = [place.start() for place in re.finditer(re.escape("alert(1)"), hostile)]
    assert len(places) > 10
    assert not any(hostile[place - 8 : place] == "<script>" for place in places)


def test_names_in_the_data_are_whole_and_cannot_end_the_script() -> None:
    text = page.render(everywhere_hostile())
    kernels = next(each for each in data_of(text) if each["kind"] == "kernels")
    assert any(HOSTILE.split("\u2028")[0] in words for words in kernels["texts"])


@pytest.mark.parametrize("path", [COUNTED, *KEPT], ids=lambda path: path.name)
def test_what_is_referred_to_is_there_once(path: Path) -> None:
    found = Page(rendered(path))
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in found.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            assert set((attributes.get(name) or "").split()) <= set(ids)
        href = attributes.get("href")
        assert href is None or href[1:] in ids
    figures, places = (
        found.named("figure"),
        [each["data-figure"] for each in found.named("div") if "data-figure" in each],
    )
    assert len(figures) == len(places)
    assert all(each["aria-labelledby"] and each["aria-describedby"] for each in figures)


@pytest.mark.parametrize("path", [COUNTED, *KEPT], ids=lambda path: path.name)
def test_tables_are_real_and_name_their_columns_and_rows(path: Path) -> None:
    for table in re.findall(r"<table.*?</table>", rendered(path), re.DOTALL):
        assert "<caption" in table
        head, rows = (
            re.findall(r"<thead>(.*?)</thead>", table, re.DOTALL),
            re.findall(r"<tr>.*?</tr>", table, re.DOTALL),
        )
        assert head[0].count("<th ") == head[0].count('scope="col"') > 0
        assert {len(re.findall(r"<t[hd][ >]", row)) for row in rows} == {head[0].count("<th ")}
        assert all('scope="row"' in row for row in rows[1:])


def test_a_report_has_every_figure_and_says_in_words_what_each_shows() -> None:
    text = page.render(with_curves())
    kinds = [each["kind"] for each in data_of(text)]
    assert kinds == ["curves", "timeline", "roofline", "kernels"] * 2
    captions = Page(text).texts["figcaption"]
    assert "From 9.46 ms today, with one resource at 8.00x its speed: memory 4.56 ms" in captions[3]
    assert "1,760 activities in 1 stream and 3 calls of the host over 12.57 ms" in captions[4]
    assert "48 kinds of kernel" in captions[5]
    assert "Roofs as measured: 3,052 GB/s and 795 TFLOP/s (bfloat16)" in captions[5]
    assert "How this was measured" in text


def test_the_timeline_has_every_activity_in_its_stream_and_the_roofline_every_kernel() -> None:
    report = with_curves()
    decode = next(phase for phase in report.phases if phase.name == "decode")
    assert decode.timeline is not None
    step, roofline = (
        [each for each in data_of(page.render(report)) if each["kind"] == kind][1] for kind in ("timeline", "roofline")
    )
    assert len(step["device"]["start"]) == len(decode.timeline.device.start_us)
    assert step["device"]["start"] == sorted(step["device"]["start"])
    assert step["lanes"][0] == "host"
    kernels = sum(kind == "kernel" for kind in decode.timeline.device.kind)
    assert sum(roofline["kernels"]["calls"]) == kernels


def test_readings_stand_on_one_axis_with_the_phases_marked_and_no_line_joins_two() -> None:
    report = sample.report()
    phases = []
    power = replace(sample.series("power", "W", 300.0), values=[1.0, 2.0])
    for phase, ms in ((sample.prefill(), [100.0, 900.0]), (sample.decode(), [50.0, 1950.0])):
        telemetry = Telemetry(seconds=2.0, iterations=9, series=[replace(power, at_ms=ms)])
        phases.append(replace(phase, telemetry=telemetry))
    [readings] = [each for each in data_of(page.render(replace(report, phases=phases))) if each["kind"] == "telemetry"]
    assert [(each["name"], each["begin"], each["end"]) for each in readings["phases"]] == [
        ("prefill", 0.0, 2.0),
        ("decode", 2.0, 4.0),
    ]
    assert readings["series"][0]["s"] == [0.1, 0.9, 0.9, 2.05, 3.95, 3.95]
    assert readings["series"][0]["values"] == [1.0, 2.0, None, 1.0, 2.0, None]


@pytest.mark.parametrize(
    ("kind", "figures"),
    [
        ("whatif", ["curves"]),
        ("analyze", ["stacks"]),
        ("simulate", ["slots", "slots", "slots"]),
        ("endpoint", ["knee", "latencies"]),
        ("analyze-comparison", []),
        ("history", ["levels"]),
    ],
)
def test_other_kinds_have_the_figures_that_fit_them(kind: str, figures: list[str]) -> None:
    assert [each["kind"] for each in data_of(rendered(DATA / "results" / f"{kind}.json.gz"))] == figures


def test_each_group_of_a_history_has_its_own_plot_beneath_its_heading() -> None:
    answer = load_result(DATA / "results" / "history.json.gz")
    assert isinstance(answer, History)
    assert [len(group.entries) for group in answer.groups] == [2, 1]
    title, sections = sections_of(answer)
    lead, plotted, alone = sections
    assert (title, lead.title) == ("bottleneck history", "")
    assert [any(isinstance(piece, Figure) for piece in each.pieces) for each in (lead, plotted, alone)] == [
        False,
        True,
        False,
    ]
    assert plotted.title != alone.title


def test_a_history_of_nothing_from_elsewhere_is_a_page_that_says_so() -> None:
    answer = load_result(DATA / "results" / "history.json.gz")
    assert isinstance(answer, History)
    assert "Nothing here has times to follow." in page.render(replace(answer, groups=[], notes=[], unread=[]))


def levels_of(before: int, after: int) -> History:
    """As many results of each of two levels, in one group."""
    answer = load_result(DATA / "results" / "history.json.gz")
    assert isinstance(answer, History)
    [group, *_] = answer.groups
    number, decode = before + after, next(time for time in group.times if time.name == "decode")
    point = ChangePoint(
        at=before,
        before_ms=30.0,
        after_ms=33.0,
        change_ratio=0.1,
        low_ratio=0.05,
        high_ratio=0.15,
        basis=Basis.RESULTS,
        state=ChangeState.CHANGED,
        because=[],
    )
    ms: list[float | None] = [30.0] * before + [33.0] * after
    time = replace(decode, ms=ms, low_ms=[29.0] * number, high_ms=[34.0] * number, change_points=[point])
    entries = [
        replace(group.entries[0], created_at=f"2026-01-{day + 1:02}T00:00:00", name=f"{day}.json")
        for day in range(number)
    ]
    return replace(answer, groups=[replace(group, entries=entries, times=[time])])


def test_results_over_time_are_drawn_with_the_points_where_a_level_begins() -> None:
    [drawn] = data_of(page.render(levels_of(8, 7)))
    assert drawn["kind"] == "levels"
    assert drawn["times"][0]["begins"] == [8]
    assert drawn["times"][0]["ms"] == [30.0] * 8 + [33.0] * 7
    assert drawn["dates"][-1] == "2026-01-15 00:00"


def test_ten_thousand_kernels_fit_a_page_of_which_only_the_first_are_rows_before_they_are_asked_for() -> None:
    text = page.render(many_kernels())
    assert len(text.encode()) < 1_500_000
    kernels = next(each for each in data_of(text) if each["kind"] == "kernels")
    assert len(kernels["ms"]) == MANY
    assert kernels["ms"] == sorted(kernels["ms"], reverse=True)
    assert text.count("kernel_of_layer_") < 100
    assert f"Show all {MANY:,} kinds" in text


def test_a_report_without_a_step_or_kernels_is_a_page_all_the_same() -> None:
    text = page.render(replace(sample.report(), phases=[], advice=[]))
    assert "No phase was measured" in text
    assert data_of(text) == []


def test_classes_are_told_apart_in_words_as_well_as_by_colour() -> None:
    bars = [each for each in Page(rendered(COUNTED)).named("div") if each.get("class") == "bar"]
    assert bars
    assert all(re.match(r"\w+ [\d.<>]+%", each["aria-label"] or "") for each in bars)


@pytest.mark.parametrize("path", [COUNTED, *KEPT], ids=lambda path: path.name)
def test_every_table_has_a_name(path: Path) -> None:
    found = Page(rendered(path))
    assert all(caption.strip() for caption in found.texts.get("caption", []))
    assert all(each["aria-label"] for each in found.named("div") if each.get("role") == "region")


def test_on_a_phone_the_verdicts_are_stacked_with_each_columns_title_beside_its_value() -> None:
    shown = Page(rendered(DATA / "own" / "llama8b-eager.json.gz"))
    first = next(attributes for tag, attributes in shown.elements if tag == "table")
    assert first.get("class") == "stacks"
    labels = [cell["data-label"] for cell in shown.named("td") if "data-label" in cell]
    assert labels[:5] == ["time", "of request", "held back by", "share", "verdict"]


def test_a_table_of_many_rows_is_scrolled_on_a_phone_and_not_stacked() -> None:
    shown = Page(markup([Grid(tuple(Column(name) for name in "abcde"), tuple(("1",) * 5 for _ in range(7)))]))
    assert "class" not in shown.named("table")[0]
    assert shown.named("div")[0]["class"] == "scroll"
    assert not any("data-label" in cell for cell in shown.named("td"))


def test_a_command_in_a_sentence_stands_in_code_and_what_else_it_holds_is_no_markup() -> None:
    text = markup([Statement("type `bottleneck calibrate`, not `<b>`"), Bullets(("see `--device`",))])
    assert Page(text).texts["code"] == ["bottleneck calibrate", "<b>", "--device"]
    assert "`" not in text
    assert "b" not in Page(text).texts
