"""What was probably meant by a word that there is not, added to what Typer says of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

# As Typer puts it of an option with choices.
_NOT_ONE_OF = re.compile(r"(?:Value error, )?'(?P<typed>.*)' is not one of (?P<choices>'.*')\.", re.DOTALL)
_LEAST_ALIKE = 0.5


@contextmanager
def meant_choice() -> Iterator[None]:
    """Name the choice that is spelt most like the word that is none."""
    try:
        yield
    except Exception as error:
        found = _NOT_ONE_OF.fullmatch(str(getattr(error, "message", "")))
        if found is not None:
            _add(error, found[0].removeprefix("Value error, "), _near(found["typed"], found["choices"]))
        raise


@contextmanager
def meant_option(word: str, options: Sequence[str]) -> Iterator[None]:
    """Where `word` is no verb, but an option without its hyphens, name that; `--help` is one of them."""
    try:
        yield
    except Exception as error:
        option = f"--{word}"
        if hasattr(error, "message") and option in (*options, "--help"):
            _add(error, error.message, option)
        raise


def _near(typed: str, choices: str) -> str:
    from difflib import get_close_matches

    named = re.findall("'([^']*)'", choices)
    return next(iter(get_close_matches(typed.lower(), named, n=1, cutoff=_LEAST_ALIKE)), "")


def _add(error: Any, said: str, meant: str) -> None:
    error.message = f"{said} Did you mean {meant}?" if meant else said
