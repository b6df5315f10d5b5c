"""Questions about dates: days between, so many days on, forms of a date, holidays."""

from __future__ import annotations

import random

from ..numbers import slots
from ..questions import NO, YES, Ask, has, never, number, operands
from ..templates import expand
from ..wording import sentence
from .calendar import BOOK, LENGTHS, MONTHS, fact_ask, nth, plural

HOLIDAYS = {
    "Christmas": (12, 25), "Christmas Day": (12, 25), "Christmas Eve": (12, 24), "Boxing Day": (12, 26), "New Year's Day": (1, 1),
    "New Year's Eve": (12, 31), "Halloween": (10, 31), "Valentine's Day": (2, 14), "St. Patrick's Day": (3, 17),
    "April Fools' Day": (4, 1), "Earth Day": (4, 22), "the US Independence Day": (7, 4), "Bastille Day": (7, 14),
    "International Women's Day": (3, 8), "Pi Day": (3, 14), "Labour Day in Europe": (5, 1),
}  # fmt: skip


def valid(rng: random.Random, split: str) -> Ask:
    """Whether a date exists at all."""
    month = rng.randrange(12)
    day = rng.choice((30, 31, 32, 28, 29, 31, 30, LENGTHS[month] + 1))
    if month == 1 and day == 29:
        day = 30
    good = day <= LENGTHS[month]
    days = "28 or 29" if month == 1 else LENGTHS[month]
    text = expand(rng, BOOK.line(rng, "valid", split, f"valid {month} {day}"), a=dated(rng, month, day), d=day, m=MONTHS[month], o=nth(day))
    return Ask(text, f"{MONTHS[month]} has {days} days, so {'yes' if good else 'no'}." if rng.random() < 0.6 else f"{'Yes' if good else 'No'}, {MONTHS[month]} has {days} days.", has(YES if good else NO))


def dated(rng: random.Random, month: int, day: int) -> str:
    """A date without its year as a question has it."""
    name = MONTHS[month]
    forms = (f"{name} {day}", f"{name} {day}", f"{name} {nth(day)}", f"{day} {name}", f"{nth(day)} of {name}", f"the {nth(day)} of {name}", f"{nth(day)} {name}", f"{name[:3]} {day}", f"{day} {name[:3]}")
    return rng.choice(forms)


def date_ways(month: int, day: int) -> list[str]:
    name = MONTHS[month]
    return [f"{name} {day}", f"{day} {name}", f"{name} {nth(day)}", f"{nth(day)} of {name}", f"{nth(day)} {name}", f"{name[:3]} {day}", f"{day} {name[:3]}"]


def days_between(rng: random.Random, split: str) -> Ask:
    def draw() -> tuple[int, ...]:
        month = rng.randrange(12)
        if rng.random() < 0.65 or month in (1, 11):
            a, b = sorted(rng.sample(range(1, LENGTHS[month] + 1), 2))
            return month, a, month, b
        return month, rng.randint(10, LENGTHS[month]), month + 1, rng.randint(1, 28 if rng.random() < 0.3 else 15)

    (month, a, other, b), _ = operands(rng, split, "days", draw, never)
    x, y = dated(rng, month, a), dated(rng, other, b)
    if month == other and rng.random() < 0.25:
        x = rng.choice((nth(a), f"the {nth(a)}"))
        y = rng.choice((f"the {nth(b)} of {MONTHS[month]}", f"{nth(b)} {MONTHS[month]}"))
    text = BOOK.say(rng, "dates.between", a=x, b=y)
    if month == other:
        n = b - a
        answer = rng.choice((f"{b} - {a} = {plural(n, 'day')}.", f"{b} - {a} = {n}, so {plural(n, 'day')}.", f"{b} - {a} = {n}."))
    else:
        rest = LENGTHS[month] - a
        n = rest + b
        answer = f"{MONTHS[month]} has {LENGTHS[month]} days: {LENGTHS[month]} - {a} = {rest}, {rest} + {b} = {plural(n, 'day')}."
    if "nights" in text:
        answer = answer.replace(" days.", " nights.").replace(" day.", " night.")
    return Ask(text, answer, number(n))


def date_shift(rng: random.Random, split: str) -> Ask:
    back = rng.random() < 0.3

    def draw() -> tuple[int, ...]:
        month, n = rng.randrange(12), rng.randint(2, 14) if rng.random() < 0.6 else rng.choice((7, 14, 21, 28, 30, 10, 20, rng.randint(2, 30)))
        day = rng.randint(1, LENGTHS[month])
        return month, day, n

    for _ in range(60):
        (month, day, n), _fact = operands(rng, split, "date-" if back else "date+", draw, never)
        if (not back and month == 1 and day + n > 28) or (back and month == 2 and day <= n) or (back and day - n < -27):
            continue  # would need the year
        break
    else:
        month, day, n = 4, 10, 7
    text = expand(rng, BOOK.line(rng, "date.sub" if back else "date.add"), a=dated(rng, month, day), **slots(rng, n=n))
    if back:
        if day > n:
            target, result, work = month, day - n, f"{day} - {n} = {day - n}"
        else:
            target = (month - 1) % 12
            result = day - n + LENGTHS[target]
            left = n - day
            work = f"{MONTHS[target]} has {LENGTHS[target]} days: {n} - {day} = {left}, {LENGTHS[target]} - {left} = {result}"
    else:
        total = day + n
        if total <= LENGTHS[month]:
            target, result, work = month, total, f"{day} + {n} = {total}"
        else:
            target, result = (month + 1) % 12, total - LENGTHS[month]
            work = f"{day} + {n} = {total}, {MONTHS[month]} has {LENGTHS[month]} days: {total} - {LENGTHS[month]} = {result}"
    return Ask(text, f"{work}, so {MONTHS[target]} {result}.", has(date_ways(target, result)))


def date_next(rng: random.Random, split: str) -> Ask:
    (month, day), _ = operands(rng, split, "datenext", lambda: (lambda m: (m, LENGTHS[m] if rng.random() < 0.3 and m != 1 else rng.randint(1, 27)))(rng.randrange(12)), lambda m, d: d > 29)
    target, result = (month, day + 1) if day < LENGTHS[month] else ((month + 1) % 12, 1)
    text = BOOK.say(rng, "date.next", a=dated(rng, month, day))
    plain = f"{MONTHS[target]} {result}."
    return Ask(text, plain if target == month else rng.choice((plain, f"{MONTHS[month]} has {LENGTHS[month]} days, so it is {plain}")), has(date_ways(target, result)))


def full_date(rng: random.Random, split: str) -> tuple[int, int, int]:
    def draw() -> tuple[int, ...]:
        month = rng.randrange(12)
        return rng.randint(1990, 2035) if rng.random() < 0.8 else rng.randint(1700, 2099), month, rng.randint(1, LENGTHS[month])

    (year, month, day), _ = operands(rng, split, "iso", draw, never)
    return year, month, day


def iso(rng: random.Random, split: str) -> Ask:
    year, month, day = full_date(rng, split)
    name = MONTHS[month]
    text_form = f"{year}-{month + 1:02d}-{day:02d}"
    chance = rng.random()
    if chance < 0.55:
        said = rng.choice((f"{name} {day}, {year}", f"{name} {day}, {year}", f"{day} {name} {year}", f"{name} {nth(day)}, {year}", f"the {nth(day)} of {name} {year}", f"{name[:3]} {day}, {year}",
                           f"{day} {name[:3]} {year}", f"{nth(day)} {name} {year}", f"{name} {day} {year}", f"{day}. {name} {year}", f"{day}.{month + 1}.{year}", f"{day:02d}.{month + 1:02d}.{year}"))  # fmt: skip
        return Ask(BOOK.say(rng, "iso", a=said), rng.choice((text_form, f"{text_form}.", f"It's {text_form}.", text_form)), has(text_form))
    if chance < 0.85:
        long = f"{name} {day}, {year}"
        ways = [long, f"{day} {name} {year}", f"{name} {nth(day)}, {year}", f"{nth(day)} of {name} {year}", f"{nth(day)} of {name}, {year}", f"{name} {day} {year}"]
        return Ask(BOOK.say(rng, "uniso", a=text_form), rng.choice((f"{long}.", f"{text_form} is {long}.", f"It's {long}.")), has(ways))
    if chance < 0.94:
        return Ask(BOOK.say(rng, "iso.month", a=text_form), rng.choice((f"{name}.", f"Month {month + 1:02d} is {name}.")), has(name))
    return Ask(BOOK.say(rng, "iso.year", a=text_form), rng.choice((f"{year}.", f"The year is {year}.")), number(year))


def ordinal(rng: random.Random, split: str) -> Ask:
    n = rng.randint(1, 31) if rng.random() < 0.8 else rng.randint(32, 112)
    return fact_ask(rng, split, "ordinal", n, (f"{nth(n)}.", f"It's {nth(n)}.", f"The ordinal of {n} is {nth(n)}."), has(nth(n)), n=n)


def holiday(rng: random.Random, split: str) -> Ask:
    name = rng.choice(list(HOLIDAYS))
    month, day = HOLIDAYS[name]
    said = f"{MONTHS[month - 1]} {day}"
    return fact_ask(rng, split, "holiday", name, (f"{sentence(name)} is on {said}.", f"On {said}.", f"{said}."), has(date_ways(month - 1, day)), h=name)
