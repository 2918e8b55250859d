"""What ran is told so that the report can always be written."""

from __future__ import annotations

import os

from profiler.report.json_text import json_text
from profiler.session.workload_record import workload_record
from profiler.workload.loaded import LoadedModel
from profiler.workload.source import SourceKind
from profiler.workload.spec import WorkloadSpec


def test_a_checkpoint_whose_folder_has_no_name_in_utf8_costs_no_report() -> None:
    folder = os.fsdecode(b"models/bad\xff")
    loaded = LoadedModel(
        model=None,
        source=folder,
        source_kind=SourceKind.FACTORY,
        config={},
        architecture=None,
        max_positions=None,
        weights="random",
        dtype="float32",
        attention="sdpa",
        parameters=None,
        weight_bytes=None,
    )
    record = workload_record(WorkloadSpec(model=folder), loaded, None)
    assert record.model == "models/bad\\xff"
    assert b"models/bad\\\\xff" in json_text(record)
