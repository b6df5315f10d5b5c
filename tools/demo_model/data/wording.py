"""Small words for answers."""

from __future__ import annotations

import re
from collections.abc import Sequence

_GAPS = re.compile(r" +(?=[?.,!](?: |$)|$)|(?<= ) +")


def tidy(text: str) -> str:
    """Without the spaces that an empty alternative of a template leaves."""
    return _GAPS.sub("", text.strip())


def listed(entries: Sequence[str], last: str = "and") -> str:
    """"a", "a and b", "a, b and c"."""
    if len(entries) < 2:
        return "".join(entries)
    return ", ".join(entries[:-1]) + f" {last} " + entries[-1]


def sentence(text: str) -> str:
    """With a capital first letter."""
    return text[:1].upper() + text[1:]
