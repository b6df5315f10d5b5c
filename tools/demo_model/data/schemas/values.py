"""Kinds of values beside those of `lexicons`, and how a user says one."""

from __future__ import annotations

import random
from typing import Any

from .. import lexicons
from ..common import kept_back
from .tool import Param
from .wording import PHRASES

NUMBER_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def _when(rng: random.Random, split: str) -> str:
    form = rng.random()
    if form < 0.3:
        return f"at {lexicons.time(rng, split)}"
    if form < 0.5:
        return rng.choice(["tomorrow", "tonight", "this evening", "tomorrow morning", "in an hour", "in ten minutes"])
    if form < 0.7:
        return f"on {rng.choice(lexicons.WEEKDAYS)}" + (f" at {lexicons.time(rng, split)}" if rng.random() < 0.5 else "")
    if form < 0.85:
        return f"in {rng.randint(2, 50)} {rng.choice(['minutes', 'hours', 'days'])}"
    return f"on {lexicons.longdate(rng, split)}"


def _place(rng: random.Random, split: str) -> str:
    form = rng.random()
    if form < 0.35:
        return lexicons.value("address", rng, split)
    if form < 0.6:
        return lexicons.value("city", rng, split)
    if form < 0.8:
        return lexicons.value("street", rng, split)
    return f"{lexicons.value('last', rng, split)} {rng.choice(['Square', 'Park', 'Bridge', 'Station', 'Museum', 'Mall', 'Hospital'])}"


def _placename(rng: random.Random, split: str) -> str:
    kind = rng.choice(["Café", "Hotel", "Bistro", "Pharmacy", "Market", "Garage", "Museum", "Inn"])
    own = lexicons.value(rng.choice(["last", "word"]), rng, split)
    return f"{kind} {own.capitalize()}" if rng.random() < 0.5 else f"{own.capitalize()}'s {kind}" if rng.random() < 0.3 else f"{own.capitalize()} {kind}"


def _joined(kind: str) -> Any:
    return lambda rng, split: lexicons.enumerate_words(lexicons.several(kind, rng, split, 2, 3), rng)


ISSUES = PHRASES["issues"]
WIKI_TOPICS = PHRASES["wiki_topics"]
NEWS_TOPICS = ["politics", "sports", "science", "technology", "business", "health", "culture", "football", "climate", "space", "music", "movies", "energy", "education", "travel", "local news", "art", "chess", "open source", "robots"]
DEVICES = ["TV", "coffee machine", "washing machine", "dishwasher", "heater", "fan", "radio", "printer", "air conditioner", "aquarium pump", "garage light", "router", "oven", "dryer", "Christmas lights", "humidifier", "projector",
           "sound bar", "desk lamp", "water heater", "garden pump", "electric blanket", "kettle", "doorbell", "freezer", "sprinkler"]
QUESTIONS = PHRASES["questions"]
PICTURES = PHRASES["pictures"]


def _some(entries: list[str], maker: Any, share: float = 0.3) -> lexicons.Maker:
    """An entry of this split, or a made-up one."""
    halves = {"train": [entry for entry in entries if not kept_back(entry)], "heldout": [entry for entry in entries if kept_back(entry)] or entries[-1:]}
    halves["train"] = [entry for entry in halves["train"] if entry not in halves["heldout"]]
    halves["values"] = halves["heldout"]
    return lambda rng, split: maker(rng, split) if rng.random() < share else rng.choice(halves[split])


def _equation(rng: random.Random, split: str) -> str:
    name, a, b, c = rng.choice("xyztn"), rng.randint(2, 30), rng.randint(1, 99), rng.randint(1, 400)
    return rng.choice([f"{a}{name} + {b} = {c}", f"{a} * {name} = {c}", f"{name} - {b} = {c}", f"{a}{name} = {b} + {name}", f"{name}^2 = {c}", f"{c} / {name} = {a}", f"{a}({name} + {b}) = {c}"])


def _function(rng: random.Random, split: str) -> str:
    a, b = rng.randint(2, 20), rng.randint(1, 99)
    return rng.choice([f"x^{a}", f"{a}*x + {b}", "sin(x)", f"cos({a}*x)", f"x^2 - {b}", "exp(-x)", f"{a}/x", "sqrt(x)", f"log(x + {b})", f"{a}*x^2 + {b}*x", f"abs(x - {b})", "tan(x)"])


EXTRA: dict[str, lexicons.Maker] = {
    "issue": _some(ISSUES, lexicons.sentence), "wikitopic": _some(WIKI_TOPICS, lambda rng, split: lexicons.made_name(rng)), "newstopic": _some(NEWS_TOPICS, lambda rng, split: lexicons.lex("word", rng, split)),
    "device": _some(DEVICES, lambda rng, split: f"{lexicons.lex('adjective', rng, split)} {lexicons.lex('noun', rng, split)}"), "question": _some(QUESTIONS, lambda rng, split: f"Is {lexicons.sentence(rng, split)}?"),
    "picture": _some(PICTURES, lambda rng, split: f"a {lexicons.lex('color', rng, split)} {lexicons.lex('animal', rng, split)} with a {lexicons.lex('noun', rng, split)}"), "equation": _equation, "function": _function,
    "repo": lambda rng, split: f"{lexicons.syllables(rng) if rng.random() < 0.5 else lexicons.username(rng, split).replace('.', '-')}/{lexicons.value('package', rng, split)}", "tablename": lambda rng, split: rng.choice(["users", "orders", "customers", "products", "invoices", "events", "logs", "payments", "sessions", lexicons.snake(rng, split, 1, 2)]),
    "snake": lexicons.snake, "image": lambda rng, split: f"{lexicons.stem(rng, split)}.{rng.choice(['png', 'jpg', 'jpeg', 'gif', 'webp', 'svg', 'bmp'])}", "doctor": lambda rng, split: f"{rng.choice(['Dr.', 'Dr.', 'Doctor', 'Professor'])} {lexicons.value('last', rng, split)}",
    "coursecode": lambda rng, split: f"{lexicons.chars(rng, lexicons.UPPER, rng.randint(2, 4))}{rng.choice(['', ' ', '-'])}{rng.randint(100, 499)}", "meetingroom": lambda rng, split: rng.choice([lexicons.made_name(rng), lexicons.lex("city", rng, split), f"room {rng.randint(1, 40)}", f"{lexicons.lex('word', rng, split).capitalize()} room"]),
    "road": lambda rng, split: rng.choice([f"A{rng.randint(1, 99)}", f"I-{rng.randint(5, 95)}", f"M{rng.randint(1, 60)}", f"Route {rng.randint(1, 99)}", lexicons.value("street", rng, split), f"highway {rng.randint(1, 400)}"]),
    "when": _when, "place": _place, "placename": _placename, "hotel": lambda rng, split: f"{rng.choice(['Hotel', 'The', 'Grand', 'Villa'])} {lexicons.value('last', rng, split)}",
    "made": lambda rng, split: lexicons.made_title(rng) if rng.random() < 0.6 else lexicons.value("word", rng, split),
    "events": _joined("event"), "tasks": _joined("task"), "words": _joined("word"), "foods": _joined("food"), "people": _joined("person"), "files": _joined("file"),
    "ids": _joined("id"), "weatherday": lexicons.day, "commandline": lambda rng, split: rng.choice(["ls -l", "pwd", "git status", "df -h"]),
    "dir": lexicons.directory, "stem": lexicons.stem, "ext": lambda rng, split: lexicons.lex("ext", rng, split),
}
lexicons.MAKERS.update(EXTRA)


def sample(param: Param, rng: random.Random, split: str) -> tuple[str, Any]:
    """The words that a user says for this parameter and the value they mean."""
    if param.type == "enum":
        option, words = rng.choice(param.options)
        return rng.choice(words), option
    if param.type == "list":
        low = 1 if rng.random() < 0.15 else 2
        items = lexicons.several(param.kind, rng, split, low, max(low, 4 if low == 2 else 1))
        return lexicons.enumerate_words(items, rng), items
    if param.kind == "weatherday":
        found = lexicons.day(rng, split) if rng.random() < 0.85 else rng.choice(["tonight", "this weekend", "next week", "this afternoon"])
        return (f"on {found}" if found[:1].isupper() or found[:1].isdigit() else found), found
    if param.type == "bool":
        truth = rng.random() < 0.6
        return rng.choice(["true", "yes", "on"] if truth else ["false", "no", "off"]), truth
    found = lexicons.value(param.kind, rng, split)
    if param.type == "int" and 2 <= found <= 12 and rng.random() < 0.12:
        return NUMBER_WORDS[found], found
    return str(found), found
