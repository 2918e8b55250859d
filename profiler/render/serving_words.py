"""How the vocabulary of simulations and of live servers reads in a sentence; who shows a trace need not import it."""

from __future__ import annotations

from profiler.report.endpoint import Ending, EndpointPartName, Saturation
from profiler.report.simulation import ServingPartName

SERVING_PARTS = {
    ServingPartName.QUEUE: "waits for its turn",
    ServingPartName.BATCH_HOLES: "waits while ended requests hold slots",
    ServingPartName.HEAD_OF_LINE: "waits behind longer requests",
    ServingPartName.CAPACITY: "waits because the KV cache is full",
    ServingPartName.PREFILL: "prefill",
    ServingPartName.DECODE: "decode",
}

ENDPOINT_PARTS = {
    EndpointPartName.CLIENT: "waits in the client",
    EndpointPartName.NETWORK: "there and back",
    EndpointPartName.QUEUE: "waits in the server",
    EndpointPartName.PREFILL: "prefill",
    EndpointPartName.DECODE: "decode",
}

ENDINGS = {
    Ending.OK: "well",
    Ending.UNREACHABLE: "unreachable",
    Ending.TLS: "TLS failure",
    Ending.UNAUTHORISED: "not authorised",
    Ending.NOT_FOUND: "not found",
    Ending.THROTTLED: "throttled",
    Ending.REJECTED: "rejected",
    Ending.SERVER_ERROR: "server error",
    Ending.CUT: "stream cut",
    Ending.MALFORMED: "malformed stream",
    Ending.EMPTY: "no token",
    Ending.OVERRUN: "ignored max_tokens",
    Ending.TIMEOUT: "timed out",
}

SATURATIONS = {
    Saturation.QUEUE: "the queue grows",
    Saturation.KV_CACHE: "the KV cache is full",
    Saturation.INTERFERENCE: "prefill slows decode",
    Saturation.CLIENT: "the client cannot keep up",
    Saturation.ERRORS: "requests fail",
}
