"""Calendar and clock: weekdays, months, seasons, leap years, durations, dates and their forms, ages and centuries.

The wordings stand in `phrases.txt`. Small closed facts (the month after May) are always trained and held out together with a
wording; combinations (times, dates, years, long stretches of days) are held out by themselves. Seasons are northern.
"""

from __future__ import annotations

import random

from ..common import Conversation
from ..questions import Intents, chat, deck
from .days import date_next, date_shift, days_between, holiday, iso, ordinal, valid
from .following import follow
from .months import month_claim, month_days, month_next, month_order, month_shift, quarter, season
from .spans import countdown, lists, stretch, today
from .times import clock_words, earlier, end_time, halves, span
from .weekdays import day_date, day_kind, day_next, day_shift, day_until, day_weeks
from .years import age, century, leap

INTENTS: Intents = (
    (day_shift, 16), (day_next, 6), (day_until, 2), (day_date, 2), (day_kind, 3), (month_days, 7), (month_next, 5), (month_shift, 5),
    (month_order, 6), (quarter, 2), (season, 4), (leap, 5), (age, 6), (century, 3), (span, 14), (end_time, 13), (halves, 7),
    (clock_words, 2), (earlier, 2), (days_between, 6), (date_shift, 5), (date_next, 1), (iso, 7), (ordinal, 1), (holiday, 2),
    (stretch, 6), (lists, 2), (today, 1), (valid, 2), (month_claim, 3), (day_weeks, 3), (countdown, 2),
)  # fmt: skip
DECK = deck(INTENTS)


def generate(rng: random.Random, split: str) -> Conversation:
    return chat(rng, split, "dates", DECK, follow, 0.3)
