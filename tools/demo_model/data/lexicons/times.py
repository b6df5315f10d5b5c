"""Dates, days and times of day."""

from __future__ import annotations

import random

from .entries import lex

MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December"]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def isodate(rng: random.Random, split: str) -> str:
    return f"{rng.randint(2019, 2031)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"


def longdate(rng: random.Random, split: str) -> str:
    day, month, year = rng.randint(1, 28), rng.choice(MONTHS), rng.randint(1990, 2031)
    nth = f"{day}{'th' if 3 < day < 21 or day > 23 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"
    return rng.choice([f"{day} {month} {year}", f"{month} {day}, {year}", f"{month} {day}", f"{day} {month}", f"{month} {nth}",
                       f"{day} {month[:3]} {year}", f"{month[:3]} {day}"])


def date(rng: random.Random, split: str) -> str:
    form = rng.random()
    if form < 0.35:
        return longdate(rng, split)
    if form < 0.7:
        return isodate(rng, split)
    return f"{rng.randint(1, 28):02d}{(sep := rng.choice('/.'))}{rng.randint(1, 12):02d}{sep}{rng.randint(2019, 2031)}"


def day(rng: random.Random, split: str) -> str:
    """A day as one says it."""
    form = rng.random()
    if form < 0.25:
        return "tomorrow"
    if form < 0.33:
        return "today"
    if form < 0.58:
        return rng.choice(WEEKDAYS)
    if form < 0.68:
        return f"next {rng.choice(WEEKDAYS)}"
    if form < 0.85:
        return longdate(rng, split)
    return isodate(rng, split)


def time(rng: random.Random, split: str) -> str:
    form, hour, minute = rng.random(), rng.randint(0, 23), rng.choice([0, 0, 15, 30, 45, rng.randint(0, 59)])
    if form < 0.55:
        return f"{hour:02d}:{minute:02d}" if rng.random() < 0.7 else f"{hour}:{minute:02d}"
    half = rng.choice(["am", "pm"])
    if form < 0.8:
        return f"{rng.randint(1, 12)}{rng.choice(['', ' '])}{half}"
    return f"{rng.randint(1, 12)}:{minute:02d}{rng.choice(['', ' '])}{half}"


def timezone(rng: random.Random, split: str) -> str:
    return lex("timezone", rng, split)


def duration(rng: random.Random, split: str) -> str:
    return rng.choice([f"{rng.randint(2, 90)} minutes", f"{rng.randint(2, 12)} hours", f"{rng.randint(2, 60)} seconds",
                       f"{rng.randint(1, 9)}h {rng.randint(1, 59)}m", f"{rng.randint(2, 14)} days"])
