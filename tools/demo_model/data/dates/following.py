"""The next question after an answer."""

from __future__ import annotations

import random

from ..numbers import slots
from ..questions import Ask, has, number
from .calendar import BOOK, DAYS, MONTHS
from .clock import duration_said, time_ways
from .months import MonthAsk
from .times import SpanAsk, TimeAsk, shift_time
from .weekdays import DayAsk, day_work


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
