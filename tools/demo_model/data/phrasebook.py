"""The text files that hold sentences and words, one format for all topics, and drawing from them."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

from .common import held_out, kept_back
from .phrasing import expand, total_variants


class Phrasebook:
    """The wordings of a topic, read from a text file.

    `== name` begins a section and `#` a comment; every other line is a template of `phrasing.expand`, and `*3 ` before it
    makes it three times as likely. `{a}` is a number in digits, `{A}` the same number in digits or in words.
    """

    def __init__(self, path: Path):
        self.sections: dict[str, list[str]] = {}
        for line in path.read_text().splitlines():
            if line.startswith("== "):
                section = self.sections[line[3:]] = []
            elif line and not line.startswith("#"):
                if found := re.match(r"\*(\d+) ", line):
                    section += [line[found.end() :]] * int(found[1])
                else:
                    section.append(line)

    def __contains__(self, section: str) -> bool:
        return section in self.sections

    def line(self, rng: random.Random, section: str, split: str = "train", fact: str = "") -> str:
        """A template of the section. With a fact, only one whose pairing with that fact belongs to the split."""
        lines = self.sections[section]
        line = lines[int(rng.random() * len(lines))]
        if fact:
            want = held_out(split)
            for _ in range(80):
                if kept_back(f"{line} {fact}") == want:
                    break
                line = lines[int(rng.random() * len(lines))]
        return line

    def say(self, rng: random.Random, section: str, **slots: Any) -> str:
        return expand(rng, self.line(rng, section), **slots)

    def census(self) -> str:
        rows = [f"{name}: {len(set(lines))} lines, {total_variants(set(lines))} readings" for name, lines in self.sections.items()]
        every = sum(len(set(lines)) for lines in self.sections.values())
        return "\n".join(rows) + f"\n{len(rows)} sections, {every} lines"
