"""Days of the week: so many days on, until, on which date, and what kind of day."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ..numbers import in_words, slots
from ..questions import NO, YES, Ask, has, never, operands
from ..templates import expand
from .calendar import BOOK, DAYS, MONTHS, NTH, fact_ask, nth, nth_said, plural


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
