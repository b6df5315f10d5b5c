"""Calendar and clock: weekdays, months, seasons, leap years, durations, dates and their forms, ages and centuries.

The wordings stand in `dates_phrases.txt`. Small closed facts (the month after May) are always trained and held out together
with a wording; combinations (times, dates, years, long stretches of days) are held out by themselves. Seasons are northern.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .arithmetic import (
    NAMES,
    NO,
    YES,
    Ask,
    Phrasebook,
    converse,
    has,
    in_words,
    never,
    number,
    operands,
    slots,
)  # fmt: skip
from .common import Check, Conversation
from .phrasing import expand, listed, self_test, sentence

BOOK = Phrasebook(Path(__file__).with_name("dates_phrases.txt"))

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
SEASONS = ("winter", "spring", "summer", "autumn")  # December begins the first
NTH = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"]
HOLIDAYS = {
    "Christmas": (12, 25), "Christmas Day": (12, 25), "Christmas Eve": (12, 24), "Boxing Day": (12, 26), "New Year's Day": (1, 1),
    "New Year's Eve": (12, 31), "Halloween": (10, 31), "Valentine's Day": (2, 14), "St. Patrick's Day": (3, 17),
    "April Fools' Day": (4, 1), "Earth Day": (4, 22), "the US Independence Day": (7, 4), "Bastille Day": (7, 14),
    "International Women's Day": (3, 8), "Pi Day": (3, 14), "Labour Day in Europe": (5, 1),
}  # fmt: skip
SPANS = {"a decade": 10, "a century": 100, "a millennium": 1000, "half a century": 50, "a quarter of a century": 25}
COUNTS = (
    ("days", "week", 7), ("months", "year", 12), ("seasons", "year", 4), ("days", "year", 365), ("days", "leap year", 366),
    ("weeks", "year", 52), ("quarters", "year", 4), ("months", "quarter", 3), ("hours", "day", 24), ("minutes", "hour", 60),
    ("seconds", "minute", 60), ("years", "decade", 10), ("years", "century", 100), ("years", "millennium", 1000),
    ("decades", "century", 10), ("months", "half-year", 6), ("days", "fortnight", 14), ("hours", "week", 168), ("days", "weekend", 2),
    ("months", "season", 3), ("seconds", "hour", 3600), ("minutes", "day", 1440),
)  # fmt: skip


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


# --- weekdays


@dataclass
class DayAsk(Ask):
    """An ask whose result is a weekday, from 0 for Monday."""

    day: int = -1


def day_work(day: int, n: int, back: bool) -> str:
    """The day n days after (or before) another, by whole weeks and a rest."""
    result = DAYS[(day - n if back else day + n) % 7]
    side = "before" if back else "after"
    weeks, rest = divmod(n, 7)
    if n < 7:
        return f"{plural(n, 'day')} {side} {DAYS[day]} is {result}."
    if not rest:
        return f"{n} days are exactly {plural(weeks, 'week')}, so it is {result} again."
    parts = f"7 + {rest}" if weeks == 1 else f"{weeks} x 7 + {rest}"
    return f"{n} = {parts}, and {plural(rest, 'day')} {side} {DAYS[day]} is {result}."


def day_shift(rng: random.Random, split: str) -> Ask:
    back = rng.random() < 0.4

    def draw() -> tuple[int, ...]:
        chance = rng.random()
        n = rng.randint(2, 7) if chance < 0.45 else rng.randint(7, 14) if chance < 0.7 else rng.randint(8, 31) if chance < 0.93 else rng.choice((40, 45, 50, 60, 70, 90, 100))
        return rng.randrange(7), n

    (day, n), fact = operands(rng, split, "day-" if back else "day+", draw, lambda day, n: n <= 7)
    said = DAYS[day][:3] if rng.random() < 0.06 else DAYS[day]
    text = expand(rng, BOOK.line(rng, "day.before" if back else "day.after", split, fact), d=said, **slots(rng, n=n))
    result = (day - n if back else day + n) % 7
    work = day_work(day, n, back)
    answer = rng.choice((work, work, f"It {'was' if back else 'is'} {DAYS[result]}." if n < 7 else work, f"{DAYS[result]}." if n < 5 else work))
    return DayAsk(text, answer, has(DAYS[result]), day=result)


def day_next(rng: random.Random, split: str) -> Ask:
    day = rng.randrange(7)
    section, step = rng.choice((("day.next", 1), ("day.prev", -1), ("day.next", 1), ("day.prev", -1), ("day.two", 2), ("day.twoback", -2)))
    result = (day + step) % 7
    answers = [f"{DAYS[result]}."]
    if abs(step) == 1:
        answers += [f"{DAYS[result]} comes {'after' if step > 0 else 'before'} {DAYS[day]}.", f"It's {DAYS[result]}."]
    else:
        answers += [f"{abs(step)} days {'after' if step > 0 else 'before'} {DAYS[day]} is {DAYS[result]}."]
    made = fact_ask(rng, split, section, day, tuple(answers), has(DAYS[result]), d=DAYS[day], y=DAYS[day - 1], t=DAYS[(day + 1) % 7])
    return DayAsk(made.question, made.answer, made.check, day=result)


def day_until(rng: random.Random, split: str) -> Ask:
    a, b = rng.sample(range(7), 2)
    n = (b - a) % 7
    return fact_ask(rng, split, "day.until", (a, b), (f"From {DAYS[a]} to {DAYS[b]} it is {plural(n, 'day')}.", f"{plural(n, 'day')}.".capitalize()),
                    has([str(n), in_words(n)]), d=DAYS[a], e=DAYS[b])  # fmt: skip


def day_date(rng: random.Random, split: str) -> Ask:
    (day, a, b), _ = operands(rng, split, "daydate", lambda: (rng.randrange(7), *sorted(rng.sample(range(1, 29), 2))), never)
    if rng.random() < 0.4:
        a = rng.choice((1, 1, 2, 3))
        b = max(b, a + 1)
    result = (day + b - a) % 7
    text = BOOK.say(rng, "day.date", d=DAYS[day], o=nth(a), p=nth(b), a=a, b=b, m=rng.choice(MONTHS))
    return DayAsk(text, f"{b} - {a} = {b - a} days later. {day_work(day, b - a, False)}", has(DAYS[result]), day=result)


def day_kind(rng: random.Random, split: str) -> Ask:
    day = rng.randrange(7)
    if rng.random() < 0.4:
        index = day + 1
        if rng.random() < 0.6:
            return fact_ask(rng, split, "day.nth", day, (f"{DAYS[day]}.", f"The {NTH[day]} day of the week is {DAYS[day]}.", f"Counting from Monday, it is {DAYS[day]}."),
                            has(DAYS[day]), o=nth_said(rng, index), n=index)  # fmt: skip
        return fact_ask(rng, split, "day.index", day, (f"{DAYS[day]} is day {index}, counting from Monday.", f"It is the {NTH[day]} day ({index})."),
                        has([str(index), nth(index), NTH[day]]), d=DAYS[day])  # fmt: skip
    weekend = day > 4
    truth = f"{DAYS[day]} is {'part of the weekend' if weekend else 'a weekday'}"
    text = expand(rng, BOOK.line(rng, "day.weekend", split, f"weekend {day}"), d=DAYS[day])
    either = " or " in text
    asks_weekend = not either and "weekend" in text
    answer = f"{truth}." if either else f"{'Yes' if weekend == asks_weekend else 'No'}, {truth}."
    if either:
        return Ask(text, answer, has(["weekend"] if weekend else ["weekday", "not"]))
    return Ask(text, answer, has(YES if weekend == asks_weekend else NO))


# --- months and seasons


@dataclass
class MonthAsk(Ask):
    """An ask whose result is a month, from 0 for January."""

    month: int = -1


def abbreviated(rng: random.Random, month: int) -> str:
    name = MONTHS[month]
    return name[:3] if rng.random() < 0.06 and name not in ("May", "June", "July", "March") else name


def month_days(rng: random.Random, split: str) -> Ask:
    if rng.random() < 0.2:
        year = leap_year(rng, split)
        days = 29 if is_leap(year) else 28
        kind = "is a leap year" if days == 29 else "is not a leap year"
        text = BOOK.say(rng, "month.february", y=year).replace("february", "February")
        return Ask(text, f"{year} {kind}, so February has {days} days.", number(days))
    month = rng.randrange(12)
    return month_days_ask(rng, split, month, expand(rng, BOOK.line(rng, "month.days", split, f"days {month}"), m=abbreviated(rng, month)))


def month_claim(rng: random.Random, split: str) -> Ask:
    """Whether a month has so many days, or that place in the year."""
    month = rng.randrange(12)
    if rng.random() < 0.6:
        days = LENGTHS[month]
        stated = rng.choice((28, 30, 31, days, days))
        good = stated == days
        text = expand(rng, BOOK.line(rng, "month.claim", split, f"{month} {stated}"), m=MONTHS[month], n=stated)
        truth = "February has 28 days, or 29 in leap years" if month == 1 else f"{MONTHS[month]} has {days} days"
    else:
        place = rng.choice((month, month, (month + 1) % 12, (month - 1) % 12)) + 1
        good = place == month + 1
        text = expand(rng, BOOK.line(rng, "month.place", split, f"{month} {place}"), m=MONTHS[month], o=nth_said(rng, place))
        truth = f"{MONTHS[month]} is the {NTH[month]} month"
    return Ask(text, f"{'Yes' if good else 'No'}, {truth}.", has(YES if good else NO))


def month_days_ask(rng: random.Random, split: str, month: int, text: str) -> Ask:
    days = LENGTHS[month]
    if month == 1:
        answers: tuple[str, ...] = ("February has 28 days, and 29 in a leap year.", "28 days, or 29 in leap years.")
    else:
        answers = (f"{MONTHS[month]} has {days} days.", f"{MONTHS[month]} has {days} days.", f"{days} days.", f"{days}.")

    def again(rng: random.Random, split: str) -> Ask:
        other = rng.randrange(12)
        return month_days_ask(rng, split, other, BOOK.say(rng, "again", x=MONTHS[other]))

    return Ask(text, rng.choice(answers), number(days), None, "", again)


def month_next(rng: random.Random, split: str) -> Ask:
    month, step = rng.randrange(12), rng.choice((1, 1, -1))
    result = (month + step) % 12
    side = "after" if step > 0 else "before"
    made = fact_ask(rng, split, "month.next" if step > 0 else "month.prev", month,
                    (f"{MONTHS[result]}.", f"{MONTHS[result]} comes {side} {MONTHS[month]}.", f"The month {side} {MONTHS[month]} is {MONTHS[result]}."),
                    has(MONTHS[result]), m=MONTHS[month])  # fmt: skip
    return MonthAsk(made.question, made.answer, made.check, month=result)


def month_shift(rng: random.Random, split: str) -> Ask:
    back = rng.random() < 0.4
    (month, n), fact = operands(rng, split, "month-" if back else "month+", lambda: (rng.randrange(12), rng.randint(2, 12) if rng.random() < 0.85 else rng.randint(12, 36)), lambda m, n: n <= 6)
    result = (month - n if back else month + n) % 12
    text = expand(rng, BOOK.line(rng, "month.sub" if back else "month.add", split, fact), m=abbreviated(rng, month), **slots(rng, n=n))
    place, sign = month + 1, "-" if back else "+"
    moved = place - n if back else place + n
    side = "before" if back else "after"
    plain = f"{n} months {side} {MONTHS[month]} is {MONTHS[result]}."
    if n % 12 == 0:
        work = f"{n} months are {plural(n // 12, 'year')}, so it is {MONTHS[result]} again."
    elif n > 12:
        work = f"{n} months are {plural(n // 12, 'year')} and {plural(n % 12, 'month')}; {plural(n % 12, 'month')} {side} {MONTHS[month]} is {MONTHS[result]}."
    elif 1 <= moved <= 12:
        work = f"{MONTHS[month]} is month {place}, {place} {sign} {n} = {moved}, which is {MONTHS[result]}."
    else:
        turn = "+" if moved < 1 else "-"
        work = f"{MONTHS[month]} is month {place}, {place} {sign} {n} = {moved}, {moved} {turn} 12 = {result + 1}, which is {MONTHS[result]}."
    return MonthAsk(text, rng.choice((plain, work)) if n <= 3 else work, has(MONTHS[result]), month=result)


def month_order(rng: random.Random, split: str) -> Ask:
    month = rng.randrange(12)
    chance = rng.random()
    if chance < 0.45:
        made = fact_ask(rng, split, "month.nth", month, (f"{MONTHS[month]}.", f"The {NTH[month]} month is {MONTHS[month]}.", f"Month {month + 1} is {MONTHS[month]}."),
                        has(MONTHS[month]), o=nth_said(rng, month + 1), n=month + 1)  # fmt: skip
        return MonthAsk(made.question, made.answer, made.check, month=month)
    if chance < 0.65:
        return fact_ask(rng, split, "month.index", month, (f"{MONTHS[month]} is month {month + 1}.", f"It is the {NTH[month]} month, number {month + 1}.", f"{month + 1}."),
                        has([str(month + 1), nth(month + 1), NTH[month]]), m=MONTHS[month], o=nth_said(rng, month + 1))  # fmt: skip
    if chance < 0.75:
        before, after = MONTHS[month - 1], MONTHS[(month + 1) % 12]
        return fact_ask(rng, split, "month.between", month, (f"{MONTHS[month]}.", f"{MONTHS[month]} comes between {before} and {after}."), has(MONTHS[month]), a=before, b=after)
    a, b = rng.sample(range(12), 2)
    if chance < 0.9:
        text = expand(rng, BOOK.line(rng, "month.first", split, f"{a} {b}"), a=MONTHS[a], b=MONTHS[b])
        truth = f"{MONTHS[min(a, b)]} comes before {MONTHS[max(a, b)]}"
        first = MONTHS[min(a, b)]
        if " or after" in text:
            return Ask(text, f"{MONTHS[a]} is {'before' if a < b else 'after'} {MONTHS[b]}.", has("before" if a < b else "after"))
        if text.startswith(("does", "is")):
            return Ask(text, f"{'Yes' if a < b else 'No'}, {truth}.", has(YES if a < b else NO))
        return Ask(text, rng.choice((f"{truth}.", f"{first} comes first.")),
                   has([f"{first} comes", f"{first} is", f"is {first}"]))  # fmt: skip
    n = (b - a) % 12
    work = f"{b + 1} - {a + 1} = {n}" if b > a else f"{b + 1} + 12 - {a + 1} = {n}"
    return fact_ask(rng, split, "month.until", (a, b), (f"{plural(n, 'month')}: {work}.", f"From {MONTHS[a]} to {MONTHS[b]} it is {plural(n, 'month')}."),
                    number(n), a=MONTHS[a], b=MONTHS[b])  # fmt: skip


def quarter(rng: random.Random, split: str) -> Ask:
    month = rng.randrange(12)
    q = month // 3 + 1
    ways = [f"Q{q}", NTH[q - 1], nth(q), f"quarter {q}"]
    if rng.random() < 0.75:
        return fact_ask(rng, split, "quarter", month, (f"{MONTHS[month]} is in the {NTH[q - 1]} quarter (Q{q}).", f"Q{q}.", f"The {NTH[q - 1]} quarter, Q{q}."), has(ways), m=MONTHS[month])
    names = MONTHS[3 * q - 3 : 3 * q]
    return fact_ask(rng, split, "quarter.months", q, (f"{listed(names)}.", f"Q{q} is {listed(names)}."), has(*names),
                    q=rng.choice((f"Q{q}", f"quarter {q}", f"the {NTH[q - 1]} quarter")), o=nth_said(rng, q))  # fmt: skip


def season(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    if chance < 0.5:
        return season_ask(rng, split, rng.randrange(12))
    s = rng.randrange(4)
    said = "fall" if SEASONS[s] == "autumn" and rng.random() < 0.4 else SEASONS[s]
    if chance < 0.85:
        step = 1 if chance < 0.7 else -1
        other = SEASONS[(s + step) % 4]
        ways = [other, "fall"] if other == "autumn" else [other]
        side = "after" if step > 0 else "before"
        return fact_ask(rng, split, "season.next" if step > 0 else "season.prev", s, (f"{sentence(other)}.", f"{sentence(other)} comes {side} {said}."), has(ways), s=said)
    names = [MONTHS[(3 * s - 1 + n) % 12] for n in range(3)]
    return fact_ask(rng, split, "season.months", s, (f"{listed(names)}.", f"In the north, {said} is {listed(names)}."), has(*names), s=said)


def season_ask(rng: random.Random, split: str, month: int, text: str = "") -> Ask:
    name = SEASONS[(month + 1) // 3 % 4]
    text = text or expand(rng, BOOK.line(rng, "season.of", split, f"season {month}"), m=MONTHS[month])
    plain = (f"{MONTHS[month]} is in {name}.", f"{sentence(name)}.", f"In the northern hemisphere {MONTHS[month]} is in {name}.", f"{MONTHS[month]} is a {name} month." if name[0] != "a" else f"{MONTHS[month]} is an autumn month.")

    def again(rng: random.Random, split: str) -> Ask:
        other = rng.randrange(12)
        return season_ask(rng, split, other, BOOK.say(rng, "again", x=MONTHS[other]))

    return Ask(text, rng.choice(plain), has([name, "fall"] if name == "autumn" else [name]), None, "", again)


# --- years


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


# --- clock times

Clock = Callable[[int], str]


def clock(rng: random.Random, half: bool | None = None) -> Clock:
    """A way to write times of day given in minutes: 24 hours, or 12 with am and pm. `half` asks for one of the two."""
    if half if half is not None else rng.random() < 0.5:
        am, pm, gap = rng.choice((("am", "pm", " "), ("am", "pm", " "), ("am", "pm", ""), ("AM", "PM", " "), ("a.m.", "p.m.", " "), ("AM", "PM", "")))
        bare = rng.random() < 0.7

        def twelve(at: int) -> str:
            hour, minute = divmod(at % 1440, 60)
            digits = str((hour + 11) % 12 + 1) + ("" if bare and not minute else f":{minute:02d}")
            return f"{digits}{gap}{am if hour < 12 else pm}"

        return twelve
    padded = rng.random() < 0.5
    return lambda at: f"{at % 1440 // 60:02d}:{at % 60:02d}" if padded else f"{at % 1440 // 60}:{at % 60:02d}"


def hour_only(at: int) -> str:
    return str((at // 60 + 11) % 12 + 1)


def named(rng: random.Random, write: Clock) -> Clock:
    """The same clock, which now and then says noon and midnight."""
    if rng.random() < 0.6:
        return write
    return lambda at: {0: "midnight", 720: "noon"}.get(at % 1440) or write(at)


def time_ways(at: int) -> list[str]:
    """What a check takes for a time of day."""
    hour, minute = divmod(at % 1440, 60)
    twelve = (hour + 11) % 12 + 1
    ways = [f"{hour}:{minute:02d}", f"{hour:02d}:{minute:02d}", f"{twelve}:{minute:02d}", f"{twelve:02d}:{minute:02d}", f"{hour}.{minute:02d}",
            f"{twelve}:{minute:02d}{'am' if hour < 12 else 'pm'}"]  # fmt: skip
    if not minute:
        half = "am" if hour < 12 else "pm"
        ways += [f"{twelve} {half}", f"{twelve}{half}", f"{twelve} {half[0]}.m", f"{twelve} o'clock"]
        ways += ["midnight"] if hour == 0 else ["noon", "midday"] if hour == 12 else []
    return ways


def lasting(n: int) -> str:
    """A duration in an answer."""
    hours, minutes = divmod(n, 60)
    parts = ([plural(hours, "hour")] if hours else []) + ([plural(minutes, "minute")] if minutes or not hours else [])
    return " ".join(parts)


def duration_ways(n: int) -> list[str]:
    hours, minutes = divmod(n, 60)
    ways = [lasting(n), f"{n} minutes", f"{n} min"]
    if hours:
        h, m = plural(hours, "hour"), plural(minutes, "minute")
        ways += [f"{h} and {m}", f"{h}, {m}", f"{hours}h {minutes}m", f"{hours}h{minutes}m", f"{hours} h {minutes} min", f"{hours}h {minutes}min", f"{hours}:{minutes:02d}"]
        if minutes == 0:
            ways += [f"{hours} h", f"{hours}h", f"{in_words(hours)} hour{'' if hours == 1 else 's'}", "an hour" if hours == 1 else h]
        if minutes == 30:
            ways += [f"{hours}.5 hours", f"{hours} and a half hours", f"{hours} 1/2 hours", f"{in_words(hours)} and a half hours"]
    return ways


def duration_said(rng: random.Random, n: int) -> str:
    """A duration as a question has it."""
    hours, minutes = divmod(n, 60)
    forms = [lasting(n)]
    if not hours:
        forms += [f"{n} min", f"{n} mins", f"{in_words(n)} minutes" if n > 1 else "one minute", f"{n} minutes", f"{n} minutes"]
        forms += {30: ["half an hour", "a half hour", "half an hour"], 15: ["a quarter of an hour", "a quarter hour"], 45: ["three quarters of an hour"]}.get(n, [])
    elif not minutes:
        forms += [f"{hours} h", f"{hours}h", f"{in_words(hours)} hour{'' if hours == 1 else 's'}", f"{n} minutes", lasting(n), f"{hours} hrs"]
        forms += ["an hour", "one hour"] if hours == 1 else []
    else:
        forms += [f"{plural(hours, 'hour')} and {plural(minutes, 'minute')}", f"{hours}h {minutes}m", f"{hours} h {minutes} min", f"{hours}h{minutes:02d}", f"{n} minutes",
                  f"{plural(hours, 'hour')} and {plural(minutes, 'minute')}"]  # fmt: skip
        if minutes == 30:
            forms += [f"{hours}.5 hours", f"{hours} and a half hours" if hours > 1 else "an hour and a half", f"{in_words(hours)} and a half hours" if hours > 1 else "one and a half hours"]
    return rng.choice(forms)


@dataclass
class SpanAsk(Ask):
    """An ask whose result is a duration in minutes."""

    minutes: int = 0


@dataclass
class TimeAsk(Ask):
    """An ask whose result is a time of day."""

    at: int = -1
    write: Clock | None = None


def daytime(rng: random.Random) -> int:
    hour = rng.randint(6, 20) if rng.random() < 0.8 else rng.randint(0, 23)
    if rng.random() < 0.04:
        return rng.choice((0, 720))
    minute = rng.choice((0, 0, 30, 15, 45)) if rng.random() < 0.5 else 5 * rng.randrange(12) if rng.random() < 0.6 else rng.randrange(60)
    return 60 * hour + minute


def span_work(a: int, b: int, write: Clock) -> str:
    n = (b - a) % 1440
    hours, minutes = divmod(n, 60)
    if not hours or not minutes:
        return f"From {write(a)} to {write(b)} it is {lasting(n)}."
    turn = a + 60 * hours
    return f"{write(a)} to {write(turn)} is {plural(hours, 'hour')}, {write(turn)} to {write(b)} is {plural(minutes, 'minute')}: {lasting(n)}."


def span(rng: random.Random, split: str) -> Ask:
    chance = rng.random()

    def draw() -> tuple[int, ...]:
        a = daytime(rng)
        if chance < 0.18:
            return a, a + rng.randint(2, 59) if rng.random() < 0.5 else a + 5 * rng.randint(1, 22)
        if chance < 0.36:
            a = a // 60 * 60
            return a, a + 60 * rng.randint(1, 12)
        b = daytime(rng)
        return (min(a, b), max(a, b)) if rng.random() < 0.85 else (a, b)

    (a, b), _ = operands(rng, split, "span", draw, never)
    if a % 1440 == b % 1440:
        b += 90
    n = (b - a) % 1440
    if chance < 0.36 and chance >= 0.18 and rng.random() < 0.2 and n < 720:  # "from 9 to 5"
        write: Clock = hour_only
    else:
        write = named(rng, clock(rng))
    section = "span.minutes" if chance < 0.18 else "span.hours" if chance < 0.36 else "span"
    person_name = rng.choice(NAMES)[0]
    text = BOOK.say(rng, section, a=write(a), b=write(b), p=person_name)
    if section == "span.minutes":
        work = span_work(a, b, write)
        answer = f"{work[:-1]}, which is {n} minutes." if n >= 60 else work
        return SpanAsk(text, answer, has([f"{n} minute" + ("" if n == 1 else "s"), f"{n} min", str(n)]), minutes=n)
    if section == "span.hours":
        return SpanAsk(text, rng.choice((f"{plural(n // 60, 'hour')}.", span_work(a, b, write))), has([*duration_ways(n), str(n // 60)]), minutes=n)
    work = span_work(a, b, write)
    return SpanAsk(text, work if rng.random() < 0.85 or n > 150 else sentence(lasting(n)) + ".", has(duration_ways(n)), minutes=n)


def shift_time(a: int, n: int, write: Clock, back: bool) -> str:
    sign, way = ("-", -1) if back else ("+", 1)
    hours, minutes = divmod(n, 60)
    if not hours or not minutes:
        return f"{write(a)} {sign} {lasting(n)} = {write(a + way * n)}"
    turn = a + way * 60 * hours
    return f"{write(a)} {sign} {plural(hours, 'hour')} = {write(turn)}, {write(turn)} {sign} {plural(minutes, 'minute')} = {write(a + way * n)}"


def some_minutes(rng: random.Random) -> int:
    chance = rng.random()
    if chance < 0.35:
        return rng.choice((5, 10, 15, 20, 25, 30, 40, 45, 50, 55, 35, 12, 8))
    if chance < 0.6:
        return 60 * rng.randint(1, 12 if rng.random() < 0.3 else 4)
    if chance < 0.85:
        return 60 * rng.randint(1, 4) + rng.choice((30, 30, 15, 45, 10, 20, 40, 50, 5, 25, 35))
    return rng.randint(11, 59) if chance < 0.93 else 60 * rng.randint(1, 8) + rng.randint(1, 59)


def end_time(rng: random.Random, split: str) -> Ask:
    back = rng.random() < 0.33
    (a, n), _ = operands(rng, split, "time-" if back else "time+", lambda: (daytime(rng), some_minutes(rng)), never)
    write = named(rng, clock(rng))
    text = BOOK.say(rng, "start" if back else "end", a=write(a), t=duration_said(rng, n), p=rng.choice(NAMES)[0])
    result = (a - n if back else a + n) % 1440
    work = sentence(shift_time(a, n, write, back))
    answer = rng.choice((f"{work}.", f"{work}.", f"{work}. It {'was' if 'was' in text or 'did' in text else 'is'} {write(result)}."))
    return TimeAsk(text, answer.replace("m..", "m."), has(time_ways(result)), at=result, write=write)


def halves(rng: random.Random, split: str) -> Ask:
    """Between the 12-hour and the 24-hour clock."""
    (at,), fact = operands(rng, split, "halves", lambda: (daytime(rng) if rng.random() < 0.75 else 60 * rng.randrange(24),), lambda at: at % 60 == 0)
    hour, minute = divmod(at, 60)
    short = clock(rng, True)
    long = f"{hour}:{minute:02d}" if rng.random() < 0.4 else f"{hour:02d}:{minute:02d}"
    if rng.random() < 0.5:
        said = short(at)
        if not minute and hour in (0, 12) and rng.random() < 0.4:
            said = "midnight" if hour == 0 else "noon"
        elif rng.random() < 0.25:
            part = "morning" if 4 <= hour < 12 else "afternoon" if 12 <= hour < 18 else "evening" if 18 <= hour < 22 else "night"
            digits = str((hour + 11) % 12 + 1) + (f":{minute:02d}" if minute else rng.choice(("", " o'clock")))
            said = f"{digits} {'at night' if part == 'night' else f'in the {part}'}"
        text = expand(rng, BOOK.line(rng, "to24", split, fact), a=said)
        full = f"{hour:02d}:{minute:02d}"
        why = f"{hour - 12} + 12 = {hour}, so it is {full}." if hour > 12 else f"{said} is {full}."
        return Ask(text, rng.choice((f"{said} is {full}.".capitalize() if said.isalpha() else f"{said} is {full}.", why if hour > 12 else f"{full}.")), has([full, f"{hour}:{minute:02d}", f"{hour:02d}{minute:02d}"]))
    if not minute and rng.random() < 0.15:
        long = f"{hour:02d}00"
    text = expand(rng, BOOK.line(rng, "to12", split, fact), a=long)
    tail = "am" if hour < 12 else "pm"
    twelve = (hour + 11) % 12 + 1
    said = f"{twelve}:{minute:02d} {tail}"
    ways = [said, f"{twelve}:{minute:02d}{tail}", f"{twelve:02d}:{minute:02d} {tail}", f"{twelve}:{minute:02d} {tail[0]}.m"]
    if not minute:
        ways += [f"{twelve} {tail}", f"{twelve}{tail}", f"{twelve} {tail[0]}.m"]
        ways += ["midnight"] if hour == 0 else ["noon"] if hour == 12 else []
    note = ", midnight" if at == 0 else ", noon" if at == 720 else ""
    why = f"{hour} - 12 = {twelve}, so it is {said}." if hour > 12 else f"{long} is {said}{note}."
    return Ask(text, rng.choice((f"{long} is {said}{note}.", why, f"{sentence(said)}{note}.")), has(ways))


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


def day_weeks(rng: random.Random, split: str) -> Ask:
    """Whole weeks from a day, and a week and some days."""
    day, weeks = rng.randrange(7), rng.randint(1, 10)
    back = rng.random() < 0.35
    extra = rng.choice((0, 0, 0, 1, 2, 3))
    week_said = rng.choice(("a week", "one week", "1 week")) if weeks == 1 else rng.choice((f"{weeks} weeks", f"{in_words(weeks)} weeks"))
    said = week_said + (f" and {plural(extra, 'day')}" if extra else "")
    result = (day - extra if back else day + extra) % 7
    made = fact_ask(rng, split, "day.weeksago" if back else "day.weeks", (day, weeks, extra),
                    (f"Whole weeks do not change the day; {plural(extra, 'day')} {'before' if back else 'after'} {DAYS[day]} is {DAYS[result]}.",) if extra
                    else (f"{DAYS[day]} again.", f"It {'was' if back else 'is'} {DAYS[day]} again, because whole weeks do not change the day."),
                    has(DAYS[result]), d=DAYS[day], w=said)  # fmt: skip
    return DayAsk(made.question, made.answer, made.check, day=result)


def countdown(rng: random.Random, split: str) -> Ask:
    """Days until a holiday of the same month."""
    name, (month, day) = rng.choice([entry for entry in HOLIDAYS.items() if entry[1][1] > 4])
    (start,), _ = operands(rng, split, f"until {name}", lambda: (rng.randint(1, day - 1),), lambda start: start == 1)
    text = BOOK.say(rng, "countdown", a=dated(rng, month - 1, start), h=name)
    return Ask(text, f"{sentence(name)} is on {MONTHS[month - 1]} {day}: {day} - {start} = {plural(day - start, 'day')}.", number(day - start))


def clock_words(rng: random.Random, split: str) -> Ask:
    hour = rng.randint(1, 12)
    following = hour % 12 + 1
    form, h, m = rng.choice((
        (f"half past {in_words(hour)}", hour, 30), (f"quarter past {in_words(hour)}", hour, 15), (f"a quarter past {in_words(hour)}", hour, 15),
        (f"quarter to {in_words(following)}", hour, 45), (f"a quarter to {in_words(following)}", hour, 45), (f"half past {hour}", hour, 30),
        (f"quarter to {following}", hour, 45), (f"{in_words(hour)} o'clock", hour, 0), (f"{in_words(hour)} thirty", hour, 30),
        *((f"{in_words(n)}{side} past {in_words(hour)}", hour, n) for n in (5, 10, 20, 25) for side in ("", " minutes")),
        *((f"{in_words(n)}{side} to {in_words(following)}", hour, 60 - n) for n in (5, 10, 20, 25) for side in ("", " minutes")),
        (f"{in_words(hour)} fifteen", hour, 15), (f"{in_words(hour)} forty-five", hour, 45),
    ))  # fmt: skip
    time = f"{h}:{m:02d}"
    return fact_ask(rng, split, "clock.words", form, (f"{time}.", f"{sentence(form)} is {time}.", f"It's {time}."), has([time, f"{h:02d}:{m:02d}"]), w=form)


def earlier(rng: random.Random, split: str) -> Ask:
    (a, b), _ = operands(rng, split, "earlier", lambda: (daytime(rng), daytime(rng)), never)
    if a == b:
        b = (b + 75) % 1440
    write, other = (clock(rng, True), clock(rng, False)) if rng.random() < 0.5 else (clock(rng),) * 2
    x, y = write(a), other(b)
    text = BOOK.say(rng, "clock.earlier", a=x, b=y)
    first, second = (x, y) if a < b else (y, x)
    truth = f"{first} is earlier than {second}"
    if text.startswith("is"):
        return Ask(text, f"{'Yes' if a < b else 'No'}, {truth}.", has(YES if a < b else NO))
    return Ask(text, f"{truth}.", has([f"{first} {w}" for w in ("is earlier", "comes first", "is first", "is before", "is the earlier")] + [f"earlier is {first}", f"earlier time is {first}"]))


# --- dates


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


# --- counting and lists


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


# --- follow-ups


def follow(rng: random.Random, split: str, last: Ask) -> Ask | None:
    if isinstance(last, DayAsk):
        chance = rng.random()
        if chance < 0.5:
            step = 1 if rng.random() < 0.75 else -1
            result = (last.day + step) % 7
            return DayAsk(BOOK.say(rng, "more.day" if step > 0 else "more.dayback"), rng.choice((f"{DAYS[result]}.", f"{DAYS[result]} comes {'after' if step > 0 else 'before'} {DAYS[last.day]}.")), has(DAYS[result]), day=result)
        n = rng.randint(2, 14)
        result = (last.day + n) % 7
        return DayAsk(BOOK.say(rng, "more.daysafter", **slots(rng, n=n)), day_work(last.day, n, False), has(DAYS[result]), day=result)
    if isinstance(last, MonthAsk):
        result = (last.month + 1) % 12
        return MonthAsk(BOOK.say(rng, "more.month"), rng.choice((f"{MONTHS[result]}.", f"{MONTHS[result]} comes after {MONTHS[last.month]}.")), has(MONTHS[result]), month=result)
    if isinstance(last, SpanAsk) and last.minutes >= 60 and "minutes." not in last.answer[-9:]:
        hours, minutes = divmod(last.minutes, 60)
        work = f"{hours} x 60 = {60 * hours}" + (f", {60 * hours} + {minutes} = {last.minutes}" if minutes else "")
        return Ask(BOOK.say(rng, "more.minutes"), f"{work} minutes.", number(last.minutes))
    if isinstance(last, SpanAsk) and last.minutes >= 60:
        hours, minutes = divmod(last.minutes, 60)
        work = f"{hours} x 60 = {60 * hours}" + (f", {60 * hours} + {minutes} = {last.minutes}" if minutes else "")
        return Ask(BOOK.say(rng, "more.minutes"), f"{work}.", number(last.minutes))
    if isinstance(last, TimeAsk) and last.write:
        n = rng.choice((10, 15, 20, 30, 45, 60, 60, 120, 90, 5))
        result = (last.at + n) % 1440
        work = f"{shift_time(last.at, n, last.write, False)}."
        return TimeAsk(BOOK.say(rng, "more.later", t=duration_said(rng, n)), work.replace("m..", "m."), has(time_ways(result)), at=result, write=last.write)
    return last.again(rng, split) if last.again else None


INTENTS: tuple[tuple[Callable[[random.Random, str], Ask], int], ...] = (
    (day_shift, 16), (day_next, 6), (day_until, 2), (day_date, 2), (day_kind, 3), (month_days, 7), (month_next, 5), (month_shift, 5),
    (month_order, 6), (quarter, 2), (season, 4), (leap, 5), (age, 6), (century, 3), (span, 14), (end_time, 13), (halves, 7),
    (clock_words, 2), (earlier, 2), (days_between, 6), (date_shift, 5), (date_next, 1), (iso, 7), (ordinal, 1), (holiday, 2),
    (stretch, 6), (lists, 2), (today, 1), (valid, 2), (month_claim, 3), (day_weeks, 3), (countdown, 2),
)  # fmt: skip
_DECK = [intent for intent, weight in INTENTS for _ in range(weight)]


def generate(rng: random.Random, split: str) -> Conversation:
    first = last = _DECK[int(rng.random() * len(_DECK))](rng, split)
    rest: list[Ask] = []
    while len(rest) < 3 and rng.random() < (0.3 if not rest else 0.35):
        more = follow(rng, split, last)
        if more is None:
            break
        rest.append(more)
        last = more
    return converse(rng, split, "dates", first, rest)


if __name__ == "__main__":
    print(BOOK.census())
    self_test(generate, samples=60)
