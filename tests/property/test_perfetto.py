"""Whatever a trace holds that can be analysed comes back from a file for Perfetto with the same parts."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiler.errors import UnreadableError
from profiler.report.analysis import Analysis
from profiler.session.analyze import analyze, analyze_trace
from profiler.session.perfetto import write_perfetto
from profiler.trace.perfetto import perfetto_ranks
from profiler.trace.protobuf import block, double, fields, fixed64, number
from tests.property.test_fuzzed_traces import MAX_BYTES, overwritten, restructured

BOUNDED = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@BOUNDED
@given(restructured() | overwritten())
def test_a_damaged_trace_that_can_be_analysed_comes_back_with_the_same_parts(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        trace, path = Path(folder, "trace.json"), Path(folder, "out.pftrace")
        trace.write_bytes(data)
        try:
            before = analyze_trace("trace", trace, max_bytes=MAX_BYTES)
        except UnreadableError:
            return
        answer = Analysis(tool_version="", ranks=before, job=None, unreadable=[])
        write_perfetto(answer, str(trace), path)
        for old, new in zip(before, analyze(path).ranks, strict=True):
            assert (new.span_ns, new.busy_ns, new.idle_ns, new.parts) == (
                old.span_ns,
                old.busy_ns,
                old.idle_ns,
                old.parts,
            )
            assert (new.verdict.state, new.verdict.class_) == (old.verdict.state, old.verdict.class_)
            assert {finding.code for finding in new.integrity} == {finding.code for finding in old.integrity}


@BOUNDED
@given(st.binary(max_size=300))
def test_no_bytes_at_all_break_the_reader(data: bytes) -> None:
    with suppress(UnreadableError):
        for _, text in perfetto_ranks(io.BytesIO(data), "file"):
            while text.read(1 << 16):
                pass


@given(
    st.integers(1, 2**29 - 1),
    st.integers(-(2**63), 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=200),
)
def test_what_is_put_on_the_wire_is_read_from_it(field: int, value: int, fixed: int, real: float, data: bytes) -> None:
    message = number(field, value) + fixed64(field, fixed) + double(field, real) + block(field, data)
    (_, first), (_, second), (_, third), (_, fourth) = fields(message)
    assert (first, second, fourth) == (value % 2**64, fixed, data)
    assert double(field, real).endswith(int(third).to_bytes(8, "little"))
