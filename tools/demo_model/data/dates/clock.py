"""Times of day and durations: how they are written, and what a check takes for them."""

from __future__ import annotations

import random
from collections.abc import Callable

from ..numbers import in_words
from .calendar import plural

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
