"""The lexicons of `words.txt`, and any words and names in their place while training."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import wide
from ..common import kept_back
from ..textfiles import entries

WIDE_SHARE = 0.45  # of training entries of an open lexicon are any words and names of the kind
Maker = Callable[[random.Random, str], Any]


def _load() -> dict[str, dict[str, list[str]]]:
    """Each lexicon as its train and its heldout entries."""
    lexicons: dict[str, dict[str, list[str]]] = {}
    for name, found in entries(Path(__file__).with_name("words.txt")).items():
        unique = list(dict.fromkeys(found))
        held = [entry for entry in unique if kept_back(entry)]
        if not held:
            held = unique[-1:]
        lexicons[name] = {"train": [entry for entry in unique if entry not in held], "heldout": held, "values": held}
    return lexicons


LEXICONS = _load()


def _domain(rng: random.Random) -> str:
    return f"{wide.word(rng)}.{rng.choice(['com', 'org', 'net', 'io', 'dev', 'de', 'example', 'co.uk', 'fr', 'in', 'jp', 'app'])}"


def _phrases(low: int, high: int) -> Callable[[random.Random], str]:
    return lambda rng: wide.phrase(rng, low, high)


OPEN: dict[str, Callable[[random.Random], str]] = {
    "city": wide.place, "first": wide.first, "last": wide.last, "word": wide.word, "noun": wide.word, "adjective": wide.word,
    "company": wide.title, "song": wide.title, "artist": wide.title, "book": wide.title, "movie": wide.title, "team": wide.title,
    "product": _phrases(1, 3), "food": _phrases(1, 2), "ingredient": wide.english, "animal": wide.english, "breed": wide.english,
    "sport": wide.english, "job": wide.english, "room": wide.english, "department": wide.english, "definition_word": wide.english,
    "event": _phrases(1, 3), "task": _phrases(2, 5), "message": _phrases(2, 6), "query": _phrases(1, 4), "commit": _phrases(2, 5),
    "stem": wide.word, "dir": wide.word, "package": wide.word, "service": wide.word, "host": _domain,
    "branch": lambda rng: f"{wide.word(rng)}/{wide.word(rng)}" if rng.random() < 0.5 else f"{wide.word(rng)}-{wide.word(rng)}",
    "street": lambda rng: f"{wide.last(rng)} {rng.choice(['Street', 'Road', 'Lane', 'Avenue', 'Square', 'Way', 'Drive'])}",
}


def lex(name: str, rng: random.Random, split: str) -> str:
    if split == "train" and name in OPEN and rng.random() < WIDE_SHARE:
        return OPEN[name](rng)
    return rng.choice(LEXICONS[name][split])
