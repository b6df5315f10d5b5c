"""Who and what word problems are about."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from .textfiles import entries

_WORDS = entries(Path(__file__).with_suffix(".txt"))
NAMES = [(name, "she", "her", "her") for name in _WORDS["she"]] + [(name, "he", "his", "him") for name in _WORDS["he"]]
THINGS = _WORDS["things"]


def cast(rng: random.Random) -> dict[str, Any]:
    """Who and what a word problem is about."""
    name, he, his, him = NAMES[int(rng.random() * len(NAMES))]
    other = NAMES[int(rng.random() * len(NAMES))][0]
    if other == name:
        other = "Robin"
    return {"n": name, "he": he, "his": his, "him": him, "n2": other, "o": THINGS[int(rng.random() * len(THINGS))]}
