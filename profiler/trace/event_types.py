"""What is wanted of a trace's events, kind by kind; the decoder skips the rest without making objects of it."""

from __future__ import annotations

import msgspec

_NO_TIME = msgspec.Raw(b"null")  # what an event that does not say when it began, or how long it took, would say
_NOTHING = msgspec.Raw(b"[]")
_NO_STACK = msgspec.Raw(b"")
NO_GROUP = msgspec.Raw(b"")


class DeviceArguments(msgspec.Struct, gc=False):
    """Of kernels, copies and memsets."""

    external: int = msgspec.field(name="External id", default=-1)
    correlation: int = -1
    device: int = -1
    stream: int = -1
    bytes: int = -1
    registers: int = msgspec.field(name="registers per thread", default=-1)
    shared_bytes: int = msgspec.field(name="shared memory", default=-1)
    grid: tuple[int, int, int] | None = None
    block: tuple[int, int, int] | None = None
    group: msgspec.Raw = msgspec.field(name="Process Group Name", default=NO_GROUP)  # of collectives, from torch 2.3 on
    group_ranks: msgspec.Raw = msgspec.field(name="Process Group Ranks", default=NO_GROUP)


class CallArguments(msgspec.Struct, gc=False):
    """Of runtime and driver calls."""

    external: int = msgspec.field(name="External id", default=-1)
    correlation: int = -1


class OperationArguments(msgspec.Struct, gc=False):
    """Of framework operations. Their inputs stay text: few differ."""

    external: int = msgspec.field(name="External id", default=-1)
    shapes: msgspec.Raw = msgspec.field(name="Input Dims", default=_NOTHING)
    types: msgspec.Raw = msgspec.field(name="Input type", default=_NOTHING)
    concrete: msgspec.Raw = msgspec.field(name="Concrete Inputs", default=_NOTHING)
    strides: msgspec.Raw = msgspec.field(name="Input Strides", default=_NOTHING)
    stack: msgspec.Raw = msgspec.field(name="Call stack", default=_NO_STACK)


class SyncArguments(msgspec.Struct, gc=False):
    """Of what a stream or the host waited for."""

    correlation: int = -1
    stream: int = -1
    wait_on_record: int = msgspec.field(name="wait_on_cuda_event_record_corr_id", default=-1)
    wait_on_stream: int = -1


class Event(msgspec.Struct, gc=False):
    """What every event has. Times are the text of microseconds."""

    name: str = ""
    tid: int | str = -1
    ts: msgspec.Raw = _NO_TIME
    dur: msgspec.Raw = _NO_TIME


class DeviceEvent(Event, gc=False):
    """An activity of a device."""

    args: DeviceArguments = msgspec.field(default_factory=DeviceArguments)


class CallEvent(Event, gc=False):
    """A call of the host."""

    args: CallArguments = msgspec.field(default_factory=CallArguments)


class OperationEvent(Event, gc=False):
    """An operation of the framework."""

    args: OperationArguments = msgspec.field(default_factory=OperationArguments)


class SyncEvent(msgspec.Struct, gc=False):
    """A wait. When it was, the call with its correlation says."""

    args: SyncArguments = msgspec.field(default_factory=SyncArguments)
