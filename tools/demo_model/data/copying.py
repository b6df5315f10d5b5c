"""Drills that no topic owns: strings without sense carried over exactly, and plain sentences turned into JSON.

A small model learns its lexicons and then answers with an entry of them instead of what it was told. These drills make
copying worth more than remembering: words are cut and joined at random, so that only the text at hand can help.
"""

from __future__ import annotations

import json
import random
import re
import string
from functools import cache
from pathlib import Path

from . import wide
from .common import KNOWLEDGE, Conversation, assistant, call, user

HERE = Path(__file__).parent
# Where the words of `lexicon` come from. Another file here would change what every seed gives.
WORD_FILES = [
    *(HERE / name for name in (
        "about_phrases.txt", "arithmetic/phrases.txt", "dates/phrases.txt", "extract/domains.txt", "facts/phrases.txt", "lexicons/words.txt",
        "schemas/catalogue.txt", "synonyms.txt", "tools/commands.txt", "units/phrases.txt")),
    KNOWLEDGE / "about.json", KNOWLEDGE / "facts.json",
]  # fmt: skip
KEYS = """
name city code id file path email title note color size price count date time user owner item key value label status
place room phone url message subject tag query team level version mode target source author product
""".split()


@cache
def lexicon() -> list[str]:
    """Lower-case words of all knowledge and lexicons, 3 to 11 letters."""
    found: set[str] = set()
    for file in WORD_FILES:
        found.update(re.findall(r"(?<![a-z])[a-z]{3,11}(?![a-z])", file.read_text().lower()))
    return sorted(found)


_word = wide.word


def _cased(rng: random.Random, word: str) -> str:
    kind = rng.random()
    return word if kind < 0.6 else word.capitalize() if kind < 0.9 else word.upper()


def _value(rng: random.Random) -> str:
    """A string to copy."""
    kind = rng.randrange(16)
    word = _word(rng)
    if kind <= 2:
        return " ".join(_cased(rng, _word(rng)) for _ in range(rng.randint(2, 5)))
    if kind <= 4:
        return _cased(rng, word)
    if kind == 5:
        return (
            word
            + rng.choice("._-")
            + _word(rng)
            + rng.choice((".txt", ".py", ".md", ".json", ".csv", ".log", ".pdf", ""))
        )
    if kind == 6:
        return (
            "/".join(_word(rng) for _ in range(rng.randint(1, 3)))
            + "/"
            + word
            + rng.choice((".md", ".txt", ".toml", ".c", ""))
        )
    if kind == 7:
        return (
            word
            + rng.choice(("", ".", "_"))
            + _word(rng)
            + "@"
            + _word(rng)
            + rng.choice((".com", ".org", ".example", ".net", ".de"))
        )
    if kind == 8:
        return "".join(rng.choices(string.ascii_uppercase + string.digits, k=rng.randint(3, 8)))
    if kind == 9:
        return f"{rng.randrange(2000)}.{rng.randrange(100)}"
    if kind == 10:
        return str(rng.randrange(10 ** rng.randint(1, 7)))
    if kind == 11:
        return f"{rng.randrange(24):02}:{rng.randrange(60):02}"
    if kind == 12:
        return word.capitalize() + " " + _word(rng).capitalize()
    if kind == 13:
        return (
            "https://"
            + word
            + rng.choice((".com", ".example", ".org"))
            + rng.choice(("", "/" + _word(rng), "/" + _word(rng) + "/" + _word(rng)))
        )
    if kind == 14:
        return (
            "".join(rng.choices(string.ascii_letters + string.digits + "_-", k=rng.randint(4, 10))).strip(
                "-_"
            )
            or "x1"
        )
    return f"{word} {rng.choice(('-' + rng.choice('abchlnrv'), '--' + _word(rng)))} {_word(rng)}"


def _key(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.5:
        return rng.choice(KEYS)
    return _word(rng) if kind < 0.75 else _word(rng) + "_" + rng.choice(KEYS)


def _keys(rng: random.Random, count: int) -> list[str]:
    return list(dict.fromkeys(_key(rng) for _ in range(count)))


def _repeat(rng: random.Random) -> Conversation:
    text = _value(rng) if rng.random() < 0.4 else " ".join(_value(rng) for _ in range(rng.randint(2, 5)))
    ask = rng.choice(
        (
            "Repeat: {}",
            "Repeat this exactly: {}",
            "Say exactly: {}",
            'Repeat "{}"',
            "Copy this: {}",
            "repeat after me: {}",
            "Write this again: {}",
            "{}\nRepeat the line above.",
            "echo {}",
            'Say "{}".',
            "Please repeat {}",
            "say: {}",
        )
    )
    return Conversation("copying", [user(ask.format(text)), assistant(text)])


def _look_up(rng: random.Random) -> Conversation:
    keys = _keys(rng, rng.randint(2, 7))
    pairs = [(key, _value(rng)) for key in keys]
    form = rng.randrange(5)
    if form == 0:
        shown = "\n".join(f"{key}: {value}" for key, value in pairs)
    elif form == 1:
        shown = ", ".join(f"{key} = {value}" for key, value in pairs)
    elif form == 2:
        shown = json.dumps(dict(pairs), ensure_ascii=False)
    elif form == 3:
        shown = "; ".join(f"the {key} is {value}" for key, value in pairs)
    else:
        shown = "\n".join(f"- {key} | {value}" for key, value in pairs)
    messages = []
    for turn, (key, value) in enumerate(rng.sample(pairs, rng.randint(1, min(3, len(pairs))))):
        ask = rng.choice(
            ("What is the {}?", "Which {}?", "{}?", "Give me the {}.", "Tell me the {}.", "the {}, please")
        ).format(key)
        if turn:
            ask = rng.choice(("And the {}?", "and {}?", "Now the {}.")).format(key)
        messages += [user(f"{shown}\n{ask}" if turn == 0 else ask), assistant(value)]
    return Conversation("copying", messages)


def _to_json(rng: random.Random) -> Conversation:
    keys = _keys(rng, rng.randint(1, 6))
    values = [_value(rng) for _ in keys]
    typed = [
        float(v) if re.fullmatch(r"\d+\.\d+", v) else int(v) if re.fullmatch(r"0|[1-9]\d*", v) else v
        for v in values
    ]
    asked = ", ".join(keys)
    ask = rng.choice(
        (
            "json with {}",
            "JSON, keys {}",
            "Make JSON with the keys {}",
            "As JSON ({})",
            "Return JSON: {}",
            "keys: {}. JSON only",
            "{} as json",
        )
    )
    form = rng.randrange(4)
    if form == 0:
        shown = "\n".join(f"{key}: {value}" for key, value in zip(keys, values, strict=True))
    elif form == 1:
        shown = "; ".join(values)
    elif form == 2:
        shown = ", ".join(f"{key} {value}" for key, value in zip(keys, values, strict=True))
    else:
        shown = "\n".join(values)
    ask = ask.format(asked)
    text = f"{ask}: {shown}" if rng.random() < 0.6 else f"{shown}\n{ask}"
    return Conversation(
        "copying",
        [user(text), assistant(json.dumps(dict(zip(keys, typed, strict=True)), ensure_ascii=False))],
    )


def _call(rng: random.Random) -> Conversation:
    """A function never seen before, its name and arguments said almost outright."""
    tools, chosen = [], None
    for _ in range(rng.randint(1, 4)):
        verb, noun = (
            rng.choice(
                (
                    _word(rng),
                    rng.choice(
                        [
                            "get",
                            "set",
                            "add",
                            "find",
                            "send",
                            "open",
                            "move",
                            "show",
                            "make",
                            "delete",
                            "assign",
                            "merge",
                        ]
                    ),
                )
            ),
            _word(rng),
        )
        name = f"{verb}_{noun}" if rng.random() < 0.8 else verb + noun.capitalize()
        keys = _keys(rng, rng.randint(1, 3))
        kinds = {key: rng.choice(("string", "string", "string", "integer")) for key in keys}
        properties = {key: {"type": kind} for key, kind in kinds.items()}
        tools.append({"type": "function", "function": {"name": name, "description": f"{verb.capitalize()} {noun}.",
                      "parameters": {"type": "object", "properties": properties, "required": keys}}})  # fmt: skip
        chosen = (name, verb, noun, kinds) if chosen is None or rng.random() < 0.4 else chosen
    name, verb, noun, kinds = chosen
    arguments = {key: _value(rng) if kind == "string" else rng.randrange(1000) for key, kind in kinds.items()}
    said = [
        rng.choice(('{} "{}"', "{} {}", "{}: {}", "{} = {}")).format(key, value)
        for key, value in arguments.items()
    ]
    if len(said) == 1 and rng.random() < 0.6:
        said = [str(next(iter(arguments.values())))]
    ask = rng.choice(
        ("{v} {n} with {a}", "{v} {n}, {a}", "please {v} the {n}: {a}", "{v} {n} {a}", "Can you {v} {n}? {a}")
    ).format(v=verb, n=noun, a=rng.choice((", ", " and ")).join(said))
    return Conversation("copying", [user(ask), call((name, arguments))], tools)


# Plain sentences with what stands in them: {f} first name, {s} surname, {c} place, {w} thing, {x} thing of two words,
# {n} number, {p} price, {t} time, {d} weekday, {o} company, {j} job, {k} code, {e} e-mail.
SENTENCES = [
    ("{f} comes from {c}.", {"f": "name person who", "c": "city place from town"}),
    ("{f} lives in {c}.", {"f": "name person who", "c": "city place home"}),
    (
        "{f} {s} lives in {c} and is {n}.",
        {"f": "first_name firstname", "s": "last_name surname", "c": "city place", "n": "age"},
    ),
    ("{f} is {n} years old.", {"f": "name person child", "n": "age years"}),
    ("{f} is {n} and likes {w}.", {"f": "name person", "n": "age", "w": "hobby likes"}),
    ("{f}, {j}, {n}.", {"f": "name person", "j": "job profession", "n": "age"}),
    (
        "{f} works as a {j} at {o}.",
        {"f": "name person employee", "j": "job role position", "o": "company employer"},
    ),
    ("{f} {s}", {"f": "first_name first", "s": "last_name last surname"}),
    ("The {x} costs {p} euros.", {"x": "item product thing", "p": "price cost amount"}),
    ("The {x} is {p} dollars.", {"x": "item product", "p": "price amount"}),
    ("{n} {w} for {p} euros.", {"n": "quantity count number", "w": "item product", "p": "price total"}),
    (
        "{f} bought {n} {w} for {p} euros.",
        {"f": "name buyer who customer", "n": "quantity count", "w": "item product", "p": "price"},
    ),
    ("{f} has seat {k}.", {"f": "guest name passenger", "k": "seat"}),
    ("{f} sits in room {n}.", {"f": "name who", "n": "room"}),
    ("The {w} meets on {d} at {t}.", {"w": "event group what", "d": "day", "t": "time start"}),
    (
        "{x} on {d} at {t} in {c}.",
        {"x": "event what title", "d": "day", "t": "time", "c": "place where city"},
    ),
    ("Meeting with {f} on {d} at {t}.", {"f": "person with who name", "d": "day", "t": "time"}),
    (
        "The train to {c} leaves at {t} from platform {n}.",
        {"c": "destination to", "t": "departure time leaves", "n": "platform track"},
    ),
    (
        "The flight {k} goes from {c} to {c2}.",
        {"k": "flight number", "c": "from origin", "c2": "to destination"},
    ),
    ("The hotel {o} in {c} has {n} rooms.", {"o": "hotel name", "c": "city place", "n": "rooms"}),
    (
        "{c} beat {c2} {n} to {m}.",
        {"c": "winner", "c2": "loser", "n": "winner_goals goals_winner", "m": "loser_goals goals_loser"},
    ),
    ("{c} lost to {c2}.", {"c": "loser", "c2": "winner"}),
    ("{c} won against {c2}.", {"c": "winner", "c2": "loser"}),
    ("Call {f} at {h} or write to {e}.", {"f": "name contact", "h": "phone", "e": "email"}),
    ("Reach us at {h} or {e}.", {"h": "phone", "e": "email mail"}),
    ("{f}'s email is {e}.", {"f": "name person", "e": "email address"}),
    ("The book {x} is by {f} {s2}.", {"x": "title book", "f": "author_first_name", "s2": "author_last_name"}),
    (
        "Order {k} from {f}: {n} {w}.",
        {"k": "order order_id id", "f": "customer name", "n": "quantity", "w": "item product"},
    ),
    ("{f} paid {p} euros on {d}.", {"f": "name payer who", "p": "amount paid", "d": "day"}),
    ("It is {n} degrees in {c}.", {"n": "temperature degrees", "c": "city place"}),
    ("My name is {f} and I am from {c}.", {"f": "name", "c": "city place from"}),
    ("{f} goes to school in {c} and is {n}.", {"f": "name person child who", "c": "city place town", "n": "age years"}),
    ("We saw {n} {w} at the {w2}.", {"n": "count number", "w": "thing animal what things", "w2": "place where"}),
    ("The parcel {k} goes to {c} and weighs {p} kg.", {"k": "parcel id code", "c": "destination to city", "p": "weight_kg weight kg"}),
    ("The film {x} is from {n}.", {"x": "title film movie", "n": "year"}),
    ("{f} moved to {c}.", {"f": "name who person", "c": "city place to"}),
    ("user {w} got error {n}", {"w": "user name", "n": "code error"}),
    ("{w}: {n} pieces in box {k}", {"w": "item part name", "n": "count pieces quantity", "k": "box"}),
    ("{f} ({n}) and {f2} ({m})", {"f": "first_name first", "n": "first_age", "f2": "second_name second", "m": "second_age"}),
    ("{f}, {w}, {c}", {"f": "name who", "w": "hobby job", "c": "city place"}),
    ("{c} to {c2}, {n} km", {"c": "from start", "c2": "to end destination", "n": "km distance distance_km"}),
    ("{f} called {f2} on {d}.", {"f": "caller from", "f2": "called to", "d": "day when"}),
    ("{f} is the {j} of {f2}.", {"f": "name", "j": "relation role", "f2": "of whom"}),
    ("Dr. {s} sees {f} at {t} in room {n}.", {"s": "doctor", "f": "patient", "t": "time", "n": "room"}),
    ("temperature {n}, humidity {m}", {"n": "temperature temp", "m": "humidity"}),
    ("{f} scored {n} points, {f2} {m}.", {"f": "first player1", "n": "points1 first_points", "f2": "second player2", "m": "points2 second_points"}),
    ("I need {w}, {w2} and {w3}.", {"list": "items things list shopping", "w": "", "w2": "", "w3": ""}),
    ("get {w}, {w2} and {w3} please", {"list": "items things list", "w": "", "w2": "", "w3": ""}),
    ("We sell {w}, {w2} and {w3}.", {"list": "products items", "w": "", "w2": "", "w3": ""}),
    ("{f}, {f2} and {f3} are coming.", {"list": "names guests people", "f": "", "f2": "", "f3": ""}),
]
ASK = ["json with {k}: {s}", "{s}\nJSON with {k}", "Extract {k}. JSON only.\n{s}", "{k} as JSON: {s}", "{s} -> JSON: {k}",
       "make json out of this, keys {k}: {s}", "json pls, keys {k}: {s}", "{s}\nKeys: {k}.", "Give me a JSON object with {k}.\n\n{s}",
       "Turn this into JSON with the keys {k}: {s}", "to json ({k}): {s}", "keys {k}, json. {s}", "{k} to json. {s}",
       "Return JSON with {k} from: {s}", "From this line I need {k} as JSON: {s}", "{s} Fields: {k}.", "{s} json keys {k}", "Fields {k} (null if unknown), JSON: {s}", "{s}\nGive {k} as json",
       "extract {k}: {s}", "I want {k} in JSON.\n{s}", "{k}? JSON please. {s}", "What is the {k} here? Answer in JSON. {s}", "Please write {k} as a JSON object: {s}"]  # fmt: skip


def _sentence(rng: random.Random) -> Conversation:
    template, names = rng.choice(SENTENCES)

    def made(slot: str) -> object:
        kind = slot[0]
        if kind in "nm":
            return rng.randint(1, 99)
        if kind == "p":
            return rng.choice((rng.randint(1, 900), round(rng.uniform(0.5, 300), 2)))
        if kind == "t":
            return f"{rng.randrange(24):02}:{rng.choice(('00', '15', '30', f'{rng.randrange(60):02}'))}"
        if kind == "d":
            return rng.choice(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"))
        if kind == "k":
            return rng.choice(
                (
                    f"{rng.randint(1, 40)}{rng.choice('ABCDEF')}",
                    "".join(rng.choices(string.ascii_uppercase + string.digits, k=5)),
                )
            )
        if kind == "e":
            return f"{_word(rng)}@{_word(rng)}.{rng.choice(('com', 'example', 'org'))}"
        if kind == "h":
            return f"0{rng.randint(10, 99)}-{rng.randint(1000, 99999)}"
        if kind == "x":
            return " ".join(_word(rng) for _ in range(rng.randint(1, 3)))
        if kind in "fsc" and rng.random() < 0.6:
            return {"f": wide.first, "s": wide.last, "c": wide.place}[kind](rng)
        if kind in "fsco":
            return " ".join(_word(rng).capitalize() for _ in range(1 if kind != "o" else rng.randint(1, 2)))
        return _word(rng)

    slots = {slot: made(slot) for slot in re.findall(r"{(\w+)}", template)}
    if "list" in names:
        entries = list(slots.values())
        wanted = {rng.choice(names["list"].split()): entries}
    else:
        asked = rng.sample(list(names), rng.randint(max(1, len(names) - 1), len(names)))
        wanted = {rng.choice(names[slot].split()): slots[slot] for slot in asked}
        if rng.random() < 0.15:
            wanted[
                rng.choice(
                    [
                        key
                        for key in ("country", "email", "hobby", "color", "phone", "date")
                        if key not in wanted
                    ]
                )
            ] = None
    keys = rng.choice((", ", ", ", " and ", " ")).join(wanted)
    if len(wanted) > 1 and rng.random() < 0.4:
        *most, last = wanted
        keys = ", ".join(most) + " and " + last
    text = rng.choice(ASK).format(k=keys, s=template.format(**slots))
    if rng.random() < 0.2:
        text = text[:1].lower() + text[1:] if text[1:2].islower() else text
    return Conversation("copying", [user(text), assistant(json.dumps(wanted, ensure_ascii=False))])


def generate(rng: random.Random, split: str) -> Conversation:
    if split != "train":
        raise ValueError("there are drills for training only")
    return rng.choices((_repeat, _look_up, _to_json, _call, _sentence), (3, 3, 2.5, 2.5, 4))[0](rng)
