"""What Perfetto would show of a trace, read by the classes of its published schema."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as published

BEGIN, END, COUNTER = (
    published.TrackEvent.Type.Value(f"TYPE_{name}") for name in ("SLICE_BEGIN", "SLICE_END", "COUNTER")
)


def parsed(data: bytes) -> Any:
    """The trace, by Perfetto's classes, with nothing in it that they do not know."""
    trace = published.Trace()
    trace.ParseFromString(data)
    again = published.Trace()
    again.CopyFrom(trace)
    again.DiscardUnknownFields()
    assert again.SerializeToString() == trace.SerializeToString()
    return trace


class Picture:
    """What Perfetto would show: slices and numbers by the path of names down to their track."""

    def __init__(self, data: bytes) -> None:
        names: dict[tuple[int, int], str] = {}
        tracks: dict[int, tuple[str, int]] = {}
        begun: dict[int, list[tuple[str, int]]] = defaultdict(list)
        self._last: dict[int, int] = defaultdict(int)  # when something last happened on a track
        self.slices: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
        self.on_track: dict[tuple[str, int], list[tuple[str, int, int]]] = defaultdict(list)  # the track's uuid, too
        self.numbers: dict[str, list[tuple[int, float]]] = defaultdict(list)
        self.units: dict[str, str] = {}
        for packet in parsed(data).packet:
            for entry in packet.interned_data.event_names:
                names[packet.trusted_packet_sequence_id, entry.iid] = entry.name
            if packet.HasField("track_descriptor"):
                track = packet.track_descriptor
                name = track.process.process_name or track.thread.thread_name or track.name
                assert track.uuid not in tracks
                assert track.parent_uuid in tracks or not track.parent_uuid
                tracks[track.uuid] = name, track.parent_uuid
                self.units[self._path(tracks, track.uuid)] = track.counter.unit_name
            if not packet.HasField("track_event"):
                continue
            event = packet.track_event
            assert self._last[event.track_uuid] <= packet.timestamp
            self._last[event.track_uuid] = packet.timestamp
            path = self._path(tracks, event.track_uuid)
            if event.type == BEGIN:
                name = names[packet.trusted_packet_sequence_id, event.name_iid]
                # Perfetto sorts by time and keeps the order of packets within one instant.
                assert not begun[event.track_uuid] or begun[event.track_uuid][-1][1] <= packet.timestamp
                begun[event.track_uuid].append((name, packet.timestamp))
            elif event.type == END:
                name, start = begun[event.track_uuid].pop()
                self.slices[path].append((name, start, packet.timestamp))
                self.on_track[path, event.track_uuid].append((name, start, packet.timestamp))
            elif event.type == COUNTER:
                self.numbers[path].append((packet.timestamp, event.double_counter_value))
        assert not any(begun.values())

    @staticmethod
    def _path(tracks: dict[int, tuple[str, int]], track: int) -> str:
        path = []
        while track:
            name, track = tracks[track]
            path.append(name)
        return "/".join(reversed(path))

    def total_ns(self, ending: str) -> int:
        """How long the slices of the track with this name last together."""
        return sum(end - begin for path, each in self.slices.items() if path.endswith(ending) for _, begin, end in each)
