"""Values to fill slots with: real lexicons (`lexicons.txt`) split by `kept_back`, and makers of random strings.

`value(kind, rng, split)` gives one value. About a third of all values are random strings, because copying a string that
was never seen is the skill to be learned. A kind may carry an argument after a colon: `int:1-9`, `num:1-40`, `id:EV`,
`oneof:a/b/c`, `const:done`.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import wide
from .common import kept_back
from .textfiles import entries

MADE_UP_SHARE = 0.3
WIDE_SHARE = 0.45  # of training entries of an open lexicon are any words and names of the kind

Maker = Callable[[random.Random, str], Any]


def _load() -> dict[str, dict[str, list[str]]]:
    """Each lexicon as its train and its heldout entries."""
    lexicons: dict[str, dict[str, list[str]]] = {}
    for name, found in entries(Path(__file__).with_suffix(".txt")).items():
        unique = list(dict.fromkeys(found))
        held = [entry for entry in unique if kept_back(entry)]
        if not held:
            held = unique[-1:]
        lexicons[name] = {"train": [entry for entry in unique if entry not in held], "heldout": held, "values": held}
    return lexicons


LEXICONS = _load()
LOWER = "abcdefghijklmnopqrstuvwxyz"
UPPER = LOWER.upper()
DIGITS = "0123456789"
HEX = "0123456789abcdef"
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December"]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
ONSETS = ["b", "br", "c", "ch", "cl", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "kr", "l", "m", "n", "p", "pl", "qu",
          "r", "s", "sh", "sk", "st", "t", "th", "tr", "v", "w", "x", "y", "z", ""]
VOWELS = ["a", "e", "i", "o", "u", "a", "e", "i", "o", "u", "ai", "ea", "io", "ou", "ee", "oo", "y"]
CODAS = ["", "", "", "n", "r", "l", "s", "m", "t", "nd", "rk", "x", "th", "ss", "ck", "v", "d"]
CITY_PREFIXES = ["Port", "San", "Santa", "New", "Fort", "Mount", "Lake", "St.", "El", "Los", "Upper", "North", "Bad", "Saint"]
CITY_SUFFIXES = ["ville", "burg", "ton", "stad", "ford", "grad", "mouth", "haven", "field", " City", " Falls", " Bay", " Beach",
                 " Springs", "pur", "abad", "wick", "holm", "borg", "hausen"]
SENTENCE_STARTS = ["the", "my", "our", "your", "a", "every", "this", "that", "no"]
SENTENCE_VERBS = ["is near", "needs", "has", "wants", "follows", "costs more than", "was under", "sits on", "hides", "loves",
                  "broke", "replaced", "comes after", "belongs to", "sounds like", "stays behind", "found", "leads to"]


def _domain(rng: random.Random) -> str:
    return f"{wide.word(rng)}.{rng.choice(['com', 'org', 'net', 'io', 'dev', 'de', 'example', 'co.uk', 'fr', 'in', 'jp', 'app'])}"


def _phrases(low: int, high: int) -> Callable[[random.Random], str]:
    return lambda rng: wide.phrase(rng, low, high)


OPEN: dict[str, Callable[[random.Random], str]] = {
    "city": wide.place, "first": wide.first, "last": wide.last, "word": wide.word, "noun": wide.word, "adjective": wide.word,
    "company": wide.title, "song": wide.title, "artist": wide.title, "book": wide.title, "movie": wide.title, "team": wide.title,
    "product": _phrases(1, 3), "food": _phrases(1, 2), "ingredient": wide.english, "animal": wide.english, "breed": wide.english,
    "sport": wide.english, "job": wide.english, "room": wide.english, "department": wide.english, "definition_word": wide.english,
    "event": _phrases(1, 3), "task": _phrases(2, 5), "message": _phrases(2, 6), "query": _phrases(1, 4), "commit": _phrases(2, 5),
    "stem": wide.word, "dir": wide.word, "package": wide.word, "service": wide.word, "host": _domain,
    "branch": lambda rng: f"{wide.word(rng)}/{wide.word(rng)}" if rng.random() < 0.5 else f"{wide.word(rng)}-{wide.word(rng)}",
    "street": lambda rng: f"{wide.last(rng)} {rng.choice(['Street', 'Road', 'Lane', 'Avenue', 'Square', 'Way', 'Drive'])}",
}


def lex(name: str, rng: random.Random, split: str) -> str:
    if split == "train" and name in OPEN and rng.random() < WIDE_SHARE:
        return OPEN[name](rng)
    return rng.choice(LEXICONS[name][split])


def chars(rng: random.Random, alphabet: str, count: int) -> str:
    return "".join(rng.choices(alphabet, k=count))


def syllables(rng: random.Random, low: int = 2, high: int = 3) -> str:
    """A pronounceable lower-case word that does not exist."""
    if rng.random() < 0.5:
        return wide.letters(rng)
    parts = [rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(rng.randint(low, high))]
    return "".join(parts) + rng.choice(CODAS)


def made_name(rng: random.Random) -> str:
    return syllables(rng).capitalize()


def alnum(rng: random.Random, low: int = 4, high: int = 9) -> str:
    """A random identifier in one of the forms that systems hand out."""
    form = rng.randrange(8)
    if form == 0:
        return f"{chars(rng, UPPER, rng.randint(1, 3))}-{chars(rng, DIGITS, rng.randint(2, 5))}"
    if form == 1:
        return f"{chars(rng, LOWER, rng.randint(2, 4))}_{chars(rng, HEX, rng.randint(4, 8))}"
    if form == 2:
        return chars(rng, UPPER + DIGITS, rng.randint(low, high))
    if form == 3:
        return chars(rng, LOWER + DIGITS, rng.randint(low, high))
    if form == 4:
        return chars(rng, LOWER + UPPER + DIGITS, rng.randint(low, high))
    if form == 5:
        return f"{chars(rng, UPPER, 2)}{chars(rng, DIGITS, rng.randint(2, 6))}"
    if form == 6:
        return f"{chars(rng, UPPER + DIGITS, 3)}-{chars(rng, UPPER + DIGITS, rng.randint(2, 4))}-{chars(rng, DIGITS, 2)}"
    return f"{lex('word', rng, 'train')}-{chars(rng, DIGITS, rng.randint(1, 4))}"


def sentence(rng: random.Random, split: str) -> str:
    """A sentence of random words, without final stop."""
    form = rng.randrange(4)
    noun, other = lex("word", rng, split), lex("noun", rng, split)
    if form == 0:
        return f"{rng.choice(SENTENCE_STARTS)} {noun} {rng.choice(SENTENCE_VERBS)} the {other}"
    if form == 1:
        return " ".join(lex("word", rng, split) for _ in range(rng.randint(2, 5)))
    if form == 2:
        return f"{lex('adjective', rng, split)} {noun} {rng.choice(SENTENCE_VERBS)} {lex('adjective', rng, split)} {other}"
    return f"{rng.choice(SENTENCE_STARTS)} {lex('adjective', rng, split)} {noun}"


def mixed(name: str, maker: Callable[[random.Random], str] | None = None, share: float = MADE_UP_SHARE) -> Maker:
    """The lexicon, with a share of made-up entries."""
    def make(rng: random.Random, split: str) -> str:
        if maker and rng.random() < share:
            return maker(rng)
        return lex(name, rng, split)
    return make


def made_city(rng: random.Random) -> str:
    form = rng.randrange(5)
    if form == 0:
        return f"{rng.choice(CITY_PREFIXES)} {made_name(rng)}"
    if form == 1:
        return made_name(rng) + rng.choice(CITY_SUFFIXES)
    if form == 2:
        return f"{made_name(rng)} {made_name(rng)}"
    if form == 3:
        return f"{made_name(rng)}-{made_name(rng)}" if rng.random() < 0.3 else syllables(rng, 1, 2).capitalize() + rng.choice(CITY_SUFFIXES)
    return made_name(rng)


first = mixed("first", made_name)
last = mixed("last", made_name)
city = mixed("city", made_city)


def person(rng: random.Random, split: str) -> str:
    given = first(rng, split)
    if rng.random() < 0.08:
        given += f" {rng.choice(UPPER)}."
    return f"{given} {last(rng, split)}"


def name(rng: random.Random, split: str) -> str:
    return first(rng, split) if rng.random() < 0.55 else person(rng, split)


PLAIN = str.maketrans("áàâäãåāéèêëíìîïóòôöõøúùûüçñşğıčćšžřýłńśźżőűőţăĐđšžćč", "aaaaaaaeeeeiiiioooooouuuucnsgiccszrylnszzouotaDdszcc")


def plain(text: str) -> str:
    """Lower-case ASCII letters and digits only."""
    return "".join(letter for letter in text.lower().translate(PLAIN) if letter.isascii() and letter.isalnum()) or "x"


def username(rng: random.Random, split: str) -> str:
    form = rng.randrange(6)
    given, family = plain(first(rng, split)), plain(last(rng, split))
    if form == 0:
        return given
    if form == 1:
        return f"{given}.{family}"
    if form == 2:
        return f"{given[0]}{family}"
    if form == 3:
        return f"{given}{rng.randint(1, 99)}"
    if form == 4:
        return f"{given}_{family[0]}"
    return f"{lex('word', rng, split)}{lex('noun', rng, split).split()[0]}{rng.randint(0, 999) or ''}"


def host(rng: random.Random, split: str) -> str:
    if rng.random() < 0.35:
        return f"{syllables(rng)}.{rng.choice(['com', 'org', 'net', 'io', 'dev', 'de', 'co.uk', 'fr', 'in', 'jp'])}"
    return lex("host", rng, split)


def email(rng: random.Random, split: str) -> str:
    return f"{username(rng, split)}@{host(rng, split)}"


def url(rng: random.Random, split: str) -> str:
    address = f"{rng.choice(['https', 'https', 'http'])}://{rng.choice(['', '', 'www.', 'api.', 'docs.', 'blog.'])}{host(rng, split)}"
    for _ in range(rng.choice([0, 1, 1, 2])):
        address += "/" + rng.choice([lex("dir", rng, split), lex("word", rng, split), chars(rng, LOWER + DIGITS, 5)])
    if rng.random() < 0.12:
        address += f"?id={rng.randint(1, 9999)}"
    return address


def phone(rng: random.Random, split: str) -> str:
    form = rng.randrange(6)
    digits = lambda count: chars(rng, DIGITS, count)  # noqa: E731
    if form == 0:
        return f"+{rng.randint(1, 99)} {digits(3)} {digits(3)} {digits(3)}"
    if form == 1:
        return f"555-{digits(4)}"
    if form == 2:
        return f"({rng.randint(200, 989)}) 555-{digits(4)}"
    if form == 3:
        return f"0{digits(3)} {digits(6)}"
    if form == 4:
        return f"+{rng.randint(1, 99)}{digits(9)}"
    return f"{rng.randint(200, 989)}-555-{digits(4)}"


def stem(rng: random.Random, split: str) -> str:
    form = rng.random()
    if form < 0.62:
        return lex("stem", rng, split)
    if form < 0.72:
        return f"{lex('word', rng, split)}{rng.choice(['_', '-', ''])}{rng.choice([str(rng.randint(1, 2030)), lex('stem', rng, split)])}"
    if form < 0.85:
        return syllables(rng)
    if form < 0.93:
        return f"{syllables(rng, 1, 2)}{rng.choice(['_', '-'])}{chars(rng, DIGITS, rng.randint(1, 4))}"
    return chars(rng, LOWER + DIGITS, rng.randint(4, 8))


def file(rng: random.Random, split: str) -> str:
    base = stem(rng, split)
    if base in ("Dockerfile", "Makefile", "LICENSE") and rng.random() < 0.8:
        return base
    if base in ("README", "CHANGELOG", "CONTRIBUTING") and rng.random() < 0.75:
        return base + rng.choice([".md", ".md", ".md", ".txt", ".rst"])
    if rng.random() < 0.04:
        return "." + rng.choice(["gitignore", "env", "bashrc", "vimrc", "editorconfig", "npmrc", "prettierrc"])
    if rng.random() < 0.08:
        base = base.upper() if rng.random() < 0.6 else base.capitalize()
    return f"{base}.{lex('ext', rng, split)}"


def directory(rng: random.Random, split: str) -> str:
    return syllables(rng) if rng.random() < 0.2 else lex("dir", rng, split)


def folder(rng: random.Random, split: str) -> str:
    """A path of a folder."""
    form = rng.random()
    if form < 0.35:
        return directory(rng, split)
    if form < 0.6:
        return f"{directory(rng, split)}/{directory(rng, split)}"
    root = lex("root", rng, split)
    path = f"{root}{directory(rng, split)}" if root.endswith("/") else f"{root}/{directory(rng, split)}"
    if rng.random() < 0.3:
        return path + "/" + directory(rng, split)
    return path if rng.random() < 0.85 else path + "/"


def path(rng: random.Random, split: str) -> str:
    """A path of a file: half of the time the name alone."""
    if rng.random() < 0.5:
        return file(rng, split)
    return f"{folder(rng, split).rstrip('/')}/{file(rng, split)}"


def isodate(rng: random.Random, split: str) -> str:
    return f"{rng.randint(2019, 2031)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"


def longdate(rng: random.Random, split: str) -> str:
    day, month, year = rng.randint(1, 28), rng.choice(MONTHS), rng.randint(1990, 2031)
    form = rng.randrange(7)
    if form == 0:
        return f"{day} {month} {year}"
    if form == 1:
        return f"{month} {day}, {year}"
    if form == 2:
        return f"{month} {day}"
    if form == 3:
        return f"{day} {month}"
    if form == 4:
        return f"{month} {day}{'th' if 3 < day < 21 or day > 23 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"
    if form == 5:
        return f"{day} {month[:3]} {year}"
    return f"{month[:3]} {day}"


def date(rng: random.Random, split: str) -> str:
    form = rng.random()
    if form < 0.35:
        return longdate(rng, split)
    if form < 0.7:
        return isodate(rng, split)
    return f"{rng.randint(1, 28):02d}{(sep := rng.choice('/.'))}{rng.randint(1, 12):02d}{sep}{rng.randint(2019, 2031)}"


def day(rng: random.Random, split: str) -> str:
    """A day as one says it."""
    form = rng.random()
    if form < 0.25:
        return "tomorrow"
    if form < 0.33:
        return "today"
    if form < 0.58:
        return rng.choice(WEEKDAYS)
    if form < 0.68:
        return f"next {rng.choice(WEEKDAYS)}"
    if form < 0.85:
        return longdate(rng, split)
    return isodate(rng, split)


def time(rng: random.Random, split: str) -> str:
    form, hour, minute = rng.random(), rng.randint(0, 23), rng.choice([0, 0, 15, 30, 45, rng.randint(0, 59)])
    if form < 0.55:
        return f"{hour:02d}:{minute:02d}" if rng.random() < 0.7 else f"{hour}:{minute:02d}"
    half = rng.choice(["am", "pm"])
    if form < 0.8:
        return f"{rng.randint(1, 12)}{rng.choice(['', ' '])}{half}"
    return f"{rng.randint(1, 12)}:{minute:02d}{rng.choice(['', ' '])}{half}"


def decimal(rng: random.Random, low: float, high: float) -> float | int:
    places = rng.choice([1, 1, 1, 2, 2, 3]) if high <= 1000 else rng.choice([1, 2])
    number = round(rng.uniform(low, high), places)
    return int(number) if number == int(number) else number


def money(rng: random.Random, split: str) -> float | int:
    form = rng.random()
    if form < 0.3:
        return rng.choice([rng.randint(1, 99), rng.randint(100, 999), rng.randint(1000, 9999)])
    number = round(rng.choice([rng.uniform(1, 20), rng.uniform(10, 200), rng.uniform(100, 3000)]), 2)
    if form < 0.55:
        number = int(number) + rng.choice([0.5, 0.99, 0.95, 0.25, 0.75])
    return int(number) if number == int(number) else number


def version(rng: random.Random, split: str) -> str:
    base = f"{rng.randint(0, 12)}.{rng.randint(0, 20)}"
    if rng.random() < 0.75:
        base += f".{rng.randint(0, 30)}"
    return rng.choice(["", "", "v"]) + base + (f"-{rng.choice(['rc1', 'beta', 'alpha.2'])}" if rng.random() < 0.1 else "")


def snake(rng: random.Random, split: str, low: int = 1, high: int = 3) -> str:
    return "_".join(rng.choice([lex("word", rng, split), lex("noun", rng, split).split()[0], lex("adjective", rng, split)])
                    for _ in range(rng.randint(low, high)))


def camel(text: str) -> str:
    head, *tail = text.split("_")
    return head + "".join(part.capitalize() for part in tail)


def identifier(rng: random.Random, split: str) -> str:
    form = rng.random()
    base = snake(rng, split, 2, 3)
    if form < 0.5:
        return base
    if form < 0.75:
        return camel(base)
    if form < 0.9:
        return camel("_" + base)
    return base.upper()


def address(rng: random.Random, split: str) -> str:
    street = made_name(rng) + rng.choice([" Street", " Road", " Lane", " Avenue"]) if rng.random() < 0.25 else lex("street", rng, split)
    number = rng.randint(1, 250)
    return f"{number} {street}" if rng.random() < 0.6 else f"{street} {number}"


def made_title(rng: random.Random) -> str:
    word = lambda: lex("word", rng, "train").capitalize()  # noqa: E731
    form = rng.randrange(5)
    if form == 0:
        return f"The {lex('adjective', rng, 'train').capitalize()} {word()}"
    if form == 1:
        return f"{word()} of {made_name(rng)}"
    if form == 2:
        return f"{made_name(rng)} {word()}"
    if form == 3:
        return f"{word()} and {word()}"
    return f"{lex('adjective', rng, 'train').capitalize()} {word()}s"


def made_company(rng: random.Random) -> str:
    return made_name(rng) + rng.choice(["", "", " Ltd", " GmbH", " Inc.", " Labs", " & Co", " Systems", " Partners", " Group"])


def made_product(rng: random.Random) -> str:
    form = rng.randrange(4)
    if form == 0:
        return f"{made_name(rng)} {rng.randint(1, 900)}"
    if form == 1:
        return f"{lex('adjective', rng, 'train')} {lex('noun', rng, 'train')}"
    if form == 2:
        return f"{made_name(rng)} {lex('noun', rng, 'train')}"
    return f"{lex('color', rng, 'train')} {lex('noun', rng, 'train')}"


def expression(rng: random.Random, split: str) -> str:
    """An arithmetic expression as a person types it, with single spaces."""
    def number() -> str:
        form = rng.random()
        if form < 0.4:
            return str(rng.randint(2, 99))
        if form < 0.65:
            return str(rng.randint(100, 9999))
        return str(decimal(rng, 0.1, rng.choice([10, 100, 900])))

    form, op = rng.random(), lambda: rng.choice("+-*/")
    if form < 0.5:
        return f"{number()} {op()} {number()}"
    if form < 0.72:
        return f"{number()} {op()} {number()} {op()} {number()}"
    if form < 0.86:
        return f"({number()} {op()} {number()}) {op()} {number()}"
    if form < 0.93:
        return f"{number()} {op()} ({number()} {op()} {number()})"
    return f"{rng.randint(2, 30)} ** {rng.randint(2, 5)}" if form < 0.97 else f"sqrt({rng.randint(2, 999)})"


def text(rng: random.Random, split: str) -> str:
    """Something to write down or to send: a message, a task, or random words."""
    form = rng.random()
    if form < 0.45:
        return lex("message", rng, split)
    if form < 0.6:
        return lex("task", rng, split)
    if form < 0.68:
        return rng.choice(["hello world", "hello", "test", "ok", "todo", "TODO: fix this", "done", "hi there", "Hello, world!"])
    return sentence(rng, split)


def flight(rng: random.Random, split: str) -> str:
    return f"{chars(rng, UPPER, 2)}{rng.choice(['', '', ' '])}{rng.randint(10, 9999)}"


def plate(rng: random.Random, split: str) -> str:
    return rng.choice([f"{chars(rng, UPPER, 2)}-{chars(rng, UPPER, 2)} {rng.randint(10, 9999)}",
                       f"{chars(rng, UPPER, 3)} {rng.randint(100, 999)}", f"{chars(rng, UPPER, 2)}{rng.randint(10, 99)} {chars(rng, UPPER, 3)}"])


def timezone(rng: random.Random, split: str) -> str:
    return lex("timezone", rng, split)


def duration(rng: random.Random, split: str) -> str:
    return rng.choice([f"{rng.randint(2, 90)} minutes", f"{rng.randint(2, 12)} hours", f"{rng.randint(2, 60)} seconds",
                       f"{rng.randint(1, 9)}h {rng.randint(1, 59)}m", f"{rng.randint(2, 14)} days"])


def unique_id(rng: random.Random, split: str) -> str:
    return alnum(rng)


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


if __name__ == "__main__":
    source = random.Random(1)
    for lexicon, halves in LEXICONS.items():
        print(f"{lexicon:12s} {len(halves['train']):4d} train {len(halves['heldout']):3d} heldout")
    for kind in [*MAKERS, "int:1-9", "num:1-40", "id:EV", "oneof:a/b", "const:done"]:
        print(f"{kind:12s}", " | ".join(str(value(kind, source, split)) for split in ("train", "train", "train", "heldout")))
