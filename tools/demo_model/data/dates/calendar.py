"""What every calendar question needs: names, lengths, ordinals, and how a closed fact is asked for."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from ..common import Check
from ..phrasebook import Phrasebook
from ..questions import Ask
from ..templates import expand

BOOK = Phrasebook(Path(__file__).with_name("phrases.txt"))
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
NTH = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"]


def nth(n: int) -> str:
    return f"{n}{'th' if 10 < n % 100 < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"


def nth_said(rng: random.Random, n: int) -> str:
    return nth(n) if n > 12 or rng.random() < 0.5 else NTH[n - 1]


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def plural(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def any_everyday(*_: int) -> bool:
    return True


def fact_ask(
    rng: random.Random, split: str, section: str, fact: object, answers: tuple[str, ...], check: Check, value: Any = None, **texts: Any
) -> Ask:
    """A closed fact: the wording is drawn so that the pair belongs to the split."""
    text = expand(rng, BOOK.line(rng, section, split, f"{section} {fact}"), **texts)
    return Ask(text, rng.choice(answers), check, value)
