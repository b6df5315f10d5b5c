"""Months, quarters and seasons: lengths, order, and the month so many months on."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ..numbers import slots
from ..questions import NO, YES, Ask, has, number, operands
from ..templates import expand
from ..wording import listed, sentence
from .calendar import BOOK, LENGTHS, MONTHS, NTH, fact_ask, is_leap, nth, nth_said, plural
from .years import leap_year

SEASONS = ("winter", "spring", "summer", "autumn")  # December begins the first


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
