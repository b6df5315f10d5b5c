"""Questions about times of day: how long, when it ends, 12 and 24 hours, which is earlier."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ..numbers import in_words
from ..people import NAMES
from ..questions import NO, YES, Ask, has, never, operands
from ..templates import expand
from ..wording import sentence
from .calendar import BOOK, fact_ask, plural
from .clock import Clock, clock, duration_said, duration_ways, hour_only, lasting, named, time_ways


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
