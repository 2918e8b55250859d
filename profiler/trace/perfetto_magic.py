"""How a Perfetto trace of ours begins."""

from __future__ import annotations

from pathlib import Path

# One packet with a track that nothing is on, called `bottleneck`. No JSON begins so.
MAGIC = b"\x0a\x11\xe2\x03\x0e\x08\x01\x12\x0abottleneck"


def is_perfetto(path: Path) -> bool:
    """Whether this is an ordinary file that begins so."""
    try:
        if not path.is_file():  # to open a pipe would take its first bytes
            return False
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False
