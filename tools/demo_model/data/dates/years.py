"""Leap years, ages and centuries."""

from __future__ import annotations

import random

from ..numbers import in_words, slots
from ..people import NAMES
from ..questions import NO, YES, Ask, has, never, number, operands
from ..templates import expand
from .calendar import BOOK, NTH, fact_ask, is_leap, nth


def leap_year(rng: random.Random, split: str) -> int:
    def draw() -> tuple[int, ...]:
        chance = rng.random()
        if chance < 0.15:
            return (100 * rng.randint(15, 24),)
        return (rng.randint(1980, 2040) if chance < 0.7 else 4 * rng.randint(425, 550) if chance < 0.85 else rng.randint(1700, 2200),)

    (year,), _ = operands(rng, split, "leap", draw, lambda y: 2010 <= y <= 2030 or y % 100 == 0)
    return year


def leap(rng: random.Random, split: str) -> Ask:
    year = leap_year(rng, split)
    chance = rng.random()
    if chance < 0.72:
        return leap_ask(rng, split, year, BOOK.say(rng, "leap", y=year))
    if chance < 0.85:
        days = 366 if is_leap(year) else 365
        return Ask(BOOK.say(rng, "year.days", y=year), f"{year} {'is' if days == 366 else 'is not'} a leap year, so it has {days} days.", number(days))
    following = next(y for y in range(year + 1, year + 9) if is_leap(y))
    return Ask(BOOK.say(rng, "leap.next", y=year), rng.choice((f"{following}.", f"The next leap year after {year} is {following}.")), number(following))


def leap_ask(rng: random.Random, split: str, year: int, text: str) -> Ask:
    if year % 100 == 0:
        why = "it can be divided by 400" if is_leap(year) else "it can be divided by 100 but not by 400"
    else:
        low = year % 100
        why = f"{low} = 4 x {low // 4}" if low % 4 == 0 else f"{low} = 4 x {low // 4} + {low % 4}"
    answer = f"{'Yes' if is_leap(year) else 'No'}, {year} is {'' if is_leap(year) else 'not '}a leap year"
    if rng.random() < 0.7:
        answer = f"{answer}: {why}." if year % 100 == 0 else f"{why}, so {answer[0].lower()}{answer[1:]}."
    else:
        answer += "."

    def again(rng: random.Random, split: str) -> Ask:
        other = leap_year(rng, split)
        return leap_ask(rng, split, other, BOOK.say(rng, "again", x=str(other)))

    return Ask(text, answer, has(YES if is_leap(year) else NO), None, "", again)


def person(rng: random.Random) -> dict[str, str]:
    name, he, his, _ = rng.choice(NAMES)
    return {"n": name, "he": he, "his": his}


def age(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    if chance < 0.45:
        (a, b), _ = operands(rng, split, "age", lambda: (lambda b: (b - rng.randint(1, 90), b))(rng.randint(1990, 2040) if rng.random() < 0.8 else rng.randint(1900, 2000)), never)
        return Ask(BOOK.say(rng, "age", a=a, b=b, **person(rng)), rng.choice((f"{b} - {a} = {b - a}.", f"{b} - {a} = {b - a} years.", f"{b} - {a} = {b - a}, so {b - a} years old.")), number(b - a))
    if chance < 0.7:
        (a, b), _ = operands(rng, split, "age", lambda: (lambda a: (a, a + (rng.randint(1, 40) if rng.random() < 0.6 else rng.randint(10, 300))))(rng.randint(1700, 2000)), never)
        return Ask(BOOK.say(rng, "years.between", a=a, b=b, **person(rng)), rng.choice((f"{b} - {a} = {b - a}.", f"{b} - {a} = {b - a} years.")), number(b - a))
    (b, a), _ = operands(rng, split, "year-", lambda: (rng.randint(1950, 2040), rng.randint(2, 90)), never)
    if chance < 0.85:
        return Ask(expand(rng, BOOK.line(rng, "born"), **{**slots(rng, a=a), "b": b, **person(rng)}),
                   rng.choice((f"{b} - {a} = {b - a}.", f"{b} - {a} = {b - a}, so in {b - a}.")), number(b - a))  # fmt: skip
    later = rng.random() < 0.6
    result = b + a if later else b - a
    return Ask(expand(rng, BOOK.line(rng, "year.add" if later else "year.sub"), **{**slots(rng, a=a), "b": b}), f"{b} {'+' if later else '-'} {a} = {result}.", number(result))


def century(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    (year,), _ = operands(rng, split, "century", lambda: (rng.randint(1400, 2040) if rng.random() < 0.85 else 100 * rng.randint(10, 21) if rng.random() < 0.4 else rng.randint(100, 1400),), never)
    if chance < 0.6:
        c = (year - 1) // 100 + 1
        ways = [nth(c), nth_words(c), nth_words(c).replace("-", " ")]
        return Ask(BOOK.say(rng, "century", y=year), rng.choice((f"{year} is in the {nth(c)} century.", f"The {nth(c)} century ({100 * c - 99} to {100 * c}).", f"{year} belongs to the {nth(c)} century.")), has(ways))
    if chance < 0.75:
        c = rng.randint(10, 21)
        return fact_ask(rng, split, "century.years", c, (f"The {nth(c)} century is {100 * c - 99} to {100 * c}.", f"From {100 * c - 99} to {100 * c}."),
                        has([str(100 * c - 99), str(100 * c - 100)], [str(100 * c), str(100 * c - 1)]), o=rng.choice((nth(c), nth_words(c))))  # fmt: skip
    if year < 1500:
        year += 600
    decade = year // 10 * 10
    return Ask(BOOK.say(rng, "decade", y=year), rng.choice((f"{year} is in the {decade}s.", f"The {decade}s.")), has([f"{decade}s", f"{decade}'s"]))


def nth_words(n: int) -> str:
    if n <= 12:
        return NTH[n - 1]
    word = in_words(n)
    head, _, last = word.rpartition("-")
    ends = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
    if last in ends:
        last = ends[last]
    else:
        last = last[:-1] + "ieth" if last.endswith("y") else last + "th"
    return f"{head}-{last}" if head else last
