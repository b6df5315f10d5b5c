"""Values to fill slots with: real lexicons (`words.txt`) split by `kept_back`, and makers of random strings.

`value(kind, rng, split)` gives one value. About a third of all values are random strings, because copying a string that
was never seen is the skill to be learned. A kind may carry an argument after a colon: `int:1-9`, `num:1-40`, `id:EV`,
`oneof:a/b/c`, `const:done`.
"""

from __future__ import annotations

import functools
import random
import re
from typing import Any

from .amounts import decimal, expression, money, version
from .entries import Maker, lex
from .files import camel, directory, file, folder, identifier, path, snake, stem
from .made import (
    DIGITS,
    HEX,
    UPPER,
    alnum,
    chars,
    flight,
    made_company,
    made_name,
    made_product,
    made_title,
    mixed,
    plate,
    sentence,
    syllables,
    text,
    unique_id,
)
from .people import PLAIN, address, city, email, first, host, last, name, person, phone, url, username
from .times import MONTHS, WEEKDAYS, date, day, duration, isodate, longdate, time, timezone

__all__ = [
    "MAKERS",
    "MONTHS",
    "PLAIN",
    "UPPER",
    "WEEKDAYS",
    "Maker",
    "alnum",
    "camel",
    "chars",
    "day",
    "decimal",
    "directory",
    "enumerate_words",
    "file",
    "folder",
    "lex",
    "longdate",
    "made_name",
    "made_title",
    "sentence",
    "several",
    "snake",
    "stem",
    "syllables",
    "text",
    "time",
    "username",
    "value",
]  # fmt: skip

MAKERS: dict[str, Maker] = {
    "city": city, "first": first, "last": last, "person": person, "name": name, "username": username, "email": email, "phone": phone,
    "url": url, "host": host, "file": file, "path": path, "folder": folder, "date": date, "isodate": isodate,
    "longdate": longdate, "day": day, "time": time, "money": money, "version": version, "identifier": identifier,
    "address": address, "expression": expression, "text": text, "sentence": sentence, "flight": flight, "plate": plate,
    "timezone": timezone, "duration": duration, "id": unique_id, "commit": mixed("commit", lambda rng: sentence(rng, "train"), 0.2),
    "company": mixed("company", made_company), "product": mixed("product", made_product),
    "food": mixed("food", lambda rng: f"{syllables(rng)} {rng.choice(['soup', 'salad', 'stew', 'cake', 'bread', 'curry'])}", 0.15),
    "ingredient": mixed("ingredient", syllables, 0.08), "song": mixed("song", made_title), "artist": mixed("artist", lambda rng: f"The {made_name(rng)}s"),
    "book": mixed("book", made_title), "movie": mixed("movie", made_title), "country": mixed("country"),
    "language": mixed("language"), "currency": mixed("currency", lambda rng: chars(rng, UPPER, 3), 0.08),
    "airport": mixed("airport", lambda rng: chars(rng, UPPER, 3), 0.2), "ticker": mixed("ticker", lambda rng: chars(rng, UPPER, rng.randint(2, 4))),
    "street": mixed("street", lambda rng: f"{made_name(rng)} Road"), "color": mixed("color"),
    "room": mixed("room", lambda rng: f"{rng.choice(['room', 'zone', 'area', 'hall'])} {rng.choice([rng.choice(UPPER), str(rng.randint(1, 40))])}", 0.2),
    "job": mixed("job"), "animal": mixed("animal"), "breed": mixed("breed"), "petname": mixed("first", made_name, 0.6),
    "team": mixed("team", lambda rng: f"{made_name(rng)} {rng.choice(['FC', 'United', 'Rovers', 'City', 'Stars'])}", 0.4),
    "sport": mixed("sport"), "department": mixed("department"), "event": mixed("event", lambda rng: f"{made_name(rng)} {rng.choice(['meeting', 'review', 'call', 'workshop', 'party'])}"),
    "task": mixed("task", lambda rng: sentence(rng, "train"), 0.2), "message": mixed("message", lambda rng: sentence(rng, "train")),
    "query": mixed("query", lambda rng: " ".join(lex("word", rng, "train") for _ in range(rng.randint(1, 4)))),
    "noun": mixed("noun", syllables, 0.2), "word": mixed("word", syllables), "adjective": mixed("adjective"),
    "weather": mixed("weather"), "branch": mixed("branch", lambda rng: f"{rng.choice(['feature', 'fix', 'user', 'release'])}/{syllables(rng)}"),
    "package": mixed("package", syllables), "service": mixed("service", syllables), "rareword": mixed("definition_word", syllables),
    "hex": lambda rng, split: chars(rng, HEX, rng.choice([6, 7, 8, 12])),
    "sha": lambda rng, split: chars(rng, HEX, rng.choice([7, 7, 10])),
    "uuid": lambda rng, split: f"{chars(rng, HEX, 8)}-{chars(rng, HEX, 4)}-{chars(rng, HEX, 4)}",
    "code": lambda rng, split: chars(rng, UPPER + DIGITS, rng.randint(4, 8)),
    "pin": lambda rng, split: chars(rng, DIGITS, rng.choice([4, 6])),
    "ip": lambda rng, split: ".".join(str(rng.randint(1, 254)) for _ in range(4)),
    "mac": lambda rng, split: ":".join(chars(rng, HEX, 2) for _ in range(6)),
    "zip": lambda rng, split: rng.choice([chars(rng, DIGITS, 5), f"{chars(rng, UPPER, 2)}{rng.randint(1, 9)} {rng.randint(1, 9)}{chars(rng, UPPER, 2)}", chars(rng, DIGITS, 4)]),
    "seat": lambda rng, split: f"{rng.randint(1, 40)}{rng.choice('ABCDEF')}",
    "gate": lambda rng, split: f"{rng.choice('ABCDEFG')}{rng.randint(1, 60)}",
    "weekday": lambda rng, split: rng.choice(WEEKDAYS), "month": lambda rng, split: rng.choice(MONTHS),
    "year": lambda rng, split: rng.randint(1890, 2030),
    "datetime": lambda rng, split: f"{isodate(rng, split)}{rng.choice(['T', ' '])}{rng.randint(0, 23):02d}:{rng.choice([0, 15, 30, 45]):02d}",
    "isbn": lambda rng, split: f"978-{chars(rng, DIGITS, 1)}-{chars(rng, DIGITS, 4)}-{chars(rng, DIGITS, 4)}-{chars(rng, DIGITS, 1)}",
    "hashtag": lambda rng, split: f"#{lex('word', rng, split)}", "iban": lambda rng, split: f"{chars(rng, UPPER, 2)}{chars(rng, DIGITS, 2)} {chars(rng, DIGITS, 4)} {chars(rng, DIGITS, 4)}",
    "score": lambda rng, split: f"{rng.randint(0, 9)}-{rng.randint(0, 9)}", "coordinate": lambda rng, split: round(rng.uniform(-90, 90), rng.choice([2, 3, 4])),
    "tag": mixed("word", syllables, 0.2), "domain": host, "cron": lambda rng, split: f"{rng.randint(0, 59)} {rng.randint(0, 23)} * * {rng.choice(['*', '1', '5'])}",
    "size": lambda rng, split: f"{rng.randint(1, 999)} {rng.choice(['KB', 'MB', 'GB'])}", "hashhex": lambda rng, split: "#" + chars(rng, HEX, 6),
    "sql": lambda rng, split: f"SELECT {rng.choice(['*', 'count(*)', 'id', 'name, ' + lex('word', rng, split)])} FROM {rng.choice(['users', 'orders', 'items', lex('word', rng, split) + 's'])}"
                              + rng.choice(["", "", f" LIMIT {rng.randint(1, 99)}", f" WHERE id = {rng.randint(1, 999)}"]),
    "pattern": lambda rng, split: rng.choice(["TODO", "FIXME", "import", "error", "def main", "*.py", "*.log", "*.md", syllables(rng), identifier(rng, split), f"*.{lex('ext', rng, split)}"]),
}


@functools.cache
def _maker(kind: str) -> Maker:
    base, _, argument = kind.partition(":")
    if base == "int":
        low, high = (int(part) for part in re.match(r"(-?\d+)-(\d+)$", argument).groups())  # type: ignore[union-attr]
        return lambda rng, split: rng.randint(low, high)
    if base == "num":
        floor, ceiling = (float(part) for part in re.match(r"(-?[\d.]+)-([\d.]+)$", argument).groups())  # type: ignore[union-attr]
        return lambda rng, split: decimal(rng, floor, ceiling)
    if base == "oneof":
        options = argument.split("/")
        return lambda rng, split: rng.choice(options)
    if base == "const":
        return lambda rng, split: argument
    if base == "id" and argument:
        return lambda rng, split: (f"{argument}{rng.choice(['-', '_', ''])}{chars(rng, DIGITS, rng.randint(2, 6))}"
                                   if rng.random() < 0.6 else alnum(rng))
    return MAKERS[base]


def value(kind: str, rng: random.Random, split: str) -> Any:
    """A value of this kind. Raises KeyError for a kind that does not exist."""
    return _maker(kind)(rng, split)


def several(kind: str, rng: random.Random, split: str, low: int = 2, high: int = 4) -> list[Any]:
    """Different values of one kind."""
    wanted, found = rng.randint(low, high), []
    for _ in range(20):
        candidate = value(kind, rng, split)
        if candidate not in found:
            found.append(candidate)
        if len(found) == wanted:
            break
    return found


def enumerate_words(items: list[Any], rng: random.Random, conjunction: str = "and") -> str:
    """a, b and c"""
    words = [str(item) for item in items]
    if len(words) < 2:
        return words[0]
    oxford = "," if len(words) > 2 and rng.random() < 0.3 else ""
    return f"{', '.join(words[:-1])}{oxford} {conjunction} {words[-1]}"
