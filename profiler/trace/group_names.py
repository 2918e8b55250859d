"""What a process group is called in an analysis."""

from __future__ import annotations

import re
import zlib

# torch's `default_pg`, a number, `mesh_dp_shard_cp`; a token is longer.
_PLAIN = re.compile(r"[\w.:-]{1,16}")
_RANKS = re.compile(r"[\d\[\], .]*")


def group_name(name: bytes, ranks: bytes) -> str:
    """The name and the ranks of a group, as groups of one name can have others, from their JSON."""
    return " ".join(plain_group(name, ranks)).strip()


def plain_group(name: bytes, ranks: bytes) -> tuple[str, str]:
    """The two of them apart.

    What is no plain name, or no list of ranks, is numbered, with the same number in every trace: it may hold anything.
    """
    called, members = (text.decode(errors="replace").strip('"') for text in (name, ranks))
    return (
        called if _PLAIN.fullmatch(called) else _numbered(name),
        members if _RANKS.fullmatch(members) else _numbered(ranks),
    )


def _numbered(text: bytes) -> str:
    return f"{zlib.crc32(text):08x}" if text.strip(b'"') else ""
