"""The text files that hold sentences and words, in one format.

`== name` begins a section and `#` a comment; every other line that is not empty is an entry, in which `\\n` is a new
line.
"""

from __future__ import annotations

import re
from pathlib import Path

_TIMES = re.compile(r"\*(\d+) ")


def sections(path: Path) -> dict[str, list[str]]:
    """The lines of each section; `*3 ` before a line gives it three times, which makes it as much likelier."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in path.read_text().splitlines():
        if line.startswith("== "):
            lines = found.setdefault(line[3:], [])
        elif line and not line.startswith("#"):
            times = _TIMES.match(line)
            text = (line[times.end() :] if times else line).replace("\\n", "\n")
            lines += [text] * (int(times[1]) if times else 1)
    return found


def marked(path: Path) -> dict[str, dict[str, list[str]]]:
    """The lines of each section by their mark, the character before the first space; marks that are missing are empty."""
    found = {name: {mark: [] for mark in "=?!-~"} for name in sections(path)}
    for name, lines in sections(path).items():
        for line in lines:
            found[name][line[0]].append(line[2:])
    return found


def entries(path: Path) -> dict[str, list[str]]:
    """The entries of each section, of which several stand in a line, between semicolons."""
    split = {name: [entry.strip() for line in lines for entry in line.split(";")] for name, lines in sections(path).items()}
    return {name: [entry for entry in found if entry] for name, found in split.items()}
