"""Weeks in days, years in months, how long a decade is, lists of days and months, and what it cannot know."""

from __future__ import annotations

import random

from ..numbers import in_words, slots
from ..questions import Ask, has, number, operands
from ..templates import expand
from ..wording import listed, sentence
from .calendar import BOOK, DAYS, LENGTHS, MONTHS, any_everyday, fact_ask, plural
from .days import HOLIDAYS, dated

SPANS = {"a decade": 10, "a century": 100, "a millennium": 1000, "half a century": 50, "a quarter of a century": 25}
COUNTS = (
    ("days", "week", 7), ("months", "year", 12), ("seasons", "year", 4), ("days", "year", 365), ("days", "leap year", 366),
    ("weeks", "year", 52), ("quarters", "year", 4), ("months", "quarter", 3), ("hours", "day", 24), ("minutes", "hour", 60),
    ("seconds", "minute", 60), ("years", "decade", 10), ("years", "century", 100), ("years", "millennium", 1000),
    ("decades", "century", 10), ("months", "half-year", 6), ("days", "fortnight", 14), ("hours", "week", 168), ("days", "weekend", 2),
    ("months", "season", 3), ("seconds", "hour", 3600), ("minutes", "day", 1440),
)  # fmt: skip


def countdown(rng: random.Random, split: str) -> Ask:
    """Days until a holiday of the same month."""
    name, (month, day) = rng.choice([entry for entry in HOLIDAYS.items() if entry[1][1] > 4])
    (start,), _ = operands(rng, split, f"until {name}", lambda: (rng.randint(1, day - 1),), lambda start: start == 1)
    text = BOOK.say(rng, "countdown", a=dated(rng, month - 1, start), h=name)
    return Ask(text, f"{sentence(name)} is on {MONTHS[month - 1]} {day}: {day} - {start} = {plural(day - start, 'day')}.", number(day - start))


def stretch(rng: random.Random, split: str) -> Ask:
    """Weeks and days, years and months, and how long a decade is."""
    chance = rng.random()
    if chance < 0.28:
        (n,), fact = operands(rng, split, "7x", lambda: (rng.randint(2, 12) if rng.random() < 0.8 else rng.randint(13, 52),), lambda n: n <= 10)
        return Ask(expand(rng, BOOK.line(rng, "weeks.days", split, fact), **slots(rng, n=n)), f"{n} x 7 = {7 * n}{rng.choice(('', ' days'))}.", number(7 * n))
    if chance < 0.48:
        (n,), fact = operands(rng, split, "/7", lambda: (7 * rng.randint(2, 12) if rng.random() < 0.7 else rng.randint(8, 60),), lambda n: n <= 35)
        weeks, rest = divmod(n, 7)
        answer = f"{n} / 7 = {plural(weeks, 'week')}." if not rest else f"{n} = {weeks} x 7 + {rest}, so {plural(weeks, 'week')} and {plural(rest, 'day')}."
        return Ask(expand(rng, BOOK.line(rng, "days.weeks", split, fact), **slots(rng, n=n)), answer, has([str(weeks)], [str(rest)] if rest else [str(weeks)]))
    if chance < 0.6:
        (n,), fact = operands(rng, split, "12x", lambda: (rng.randint(2, 12) if rng.random() < 0.85 else rng.randint(13, 30),), lambda n: n <= 10)
        return Ask(expand(rng, BOOK.line(rng, "years.months", split, fact), **slots(rng, n=n)), f"{n} x 12 = {12 * n}{rng.choice(('', ' months'))}.", number(12 * n))
    if chance < 0.7:
        (n,), fact = operands(rng, split, "/12", lambda: (rng.randint(2, 12) * 12,), any_everyday)
        return Ask(expand(rng, BOOK.line(rng, "months.years", split, fact), **slots(rng, n=n)), f"{n} / 12 = {plural(n // 12, 'year')}.", number(n // 12))
    if chance < 0.8:
        name, n = rng.choice(list(SPANS.items()))
        if rng.random() < 0.5:
            k = rng.randint(2, 9)
            unit, size = rng.choice((("decades", 10), ("centuries", 100)))
            return fact_ask(rng, split, "years.of", (k, unit), (f"{k} x {size} = {k * size} years.",), number(k * size), x=f"{rng.choice((k, in_words(k)))} {unit}")
        return fact_ask(rng, split, "years.of", name, (f"{n} years.", f"{sentence(name)} is {n} years."), number(n), x=name)
    what, whole, n = rng.choice(COUNTS)
    article = "an" if whole[0] in "aeiou" or whole == "hour" else "a"
    shown = f"{n:,}" if n >= 10000 else str(n)
    made = fact_ask(rng, split, "count.fact", (what, whole), (f"{article.title()} {whole} has {shown} {what}.", f"{shown} {what}.", f"{shown}."), number(n), x=what, y=whole)
    if article == "an":
        made.question = made.question.replace(f"a {whole}", f"an {whole}")
    return made


def lists(rng: random.Random, split: str) -> Ask:
    section = rng.choice(("list.thirty", "list.thirtyone", "list.short", "list.days", "list.months", "list.seasons", "list.days", "list.short"))
    if section == "list.short":
        return fact_ask(rng, split, section, 0, ("February is the shortest month: 28 days, or 29 in leap years.", "February, with 28 days (29 in leap years)."), has("February"))
    entries: list[str] = {
        "list.thirty": [m for m, n in zip(MONTHS, LENGTHS, strict=True) if n == 30],
        "list.thirtyone": [m for m, n in zip(MONTHS, LENGTHS, strict=True) if n == 31],
        "list.days": DAYS, "list.months": MONTHS, "list.seasons": ["spring", "summer", "autumn", "winter"],
    }[section]  # fmt: skip
    return fact_ask(rng, split, section, 0, (f"{sentence(listed(entries))}.", f"{sentence(', '.join(entries))}."), has(*entries))


TODAY = (
    "I have no clock and no calendar, so I can't know that.",
    "I can't know that: I have no clock or calendar.",
    "I don't know, because I have no clock. Your computer shows the date and the time.",
    "I have no clock, so I don't know the date or the time.",
)


def today(rng: random.Random, split: str) -> Ask:
    return fact_ask(rng, split, "today", 0, TODAY, has(["no clock", "no calendar", "don't know", "can't know", "cannot know", "don't have a clock"]))
