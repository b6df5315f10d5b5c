"""The wordings of a topic whose answers are worked out, and drawing from them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from .common import held_out, kept_back
from .templates import expand, total_variants
from .textfiles import sections


class Phrasebook:
    """The wordings of a topic: sections of templates for `templates.expand`.

    In them `{a}` is a number in digits and `{A}` the same number in digits or in words.
    """

    def __init__(self, path: Path):
        self.sections = sections(path)

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
