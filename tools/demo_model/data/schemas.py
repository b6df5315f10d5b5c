"""Tools to call: those written by hand in `schemas.txt`, and synthetic ones that no model has ever seen.

A `Tool` knows how it may be described, what its parameters hold and how people ask for it; `offer` makes one concrete
schema of it (name, parameter names, descriptions and order vary), `ask` makes one request with the values said in it.
"""

from __future__ import annotations

import functools
import json
import random
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import lexicons, wide
from .common import kept_back
from .phrasing import wrap

OPTIONAL_SHARE = 0.45
NUMBER_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
FREE_TEXT = {"text", "message", "sentence", "task", "event", "commit", "query", "song", "book", "movie", "made", "product"}
JSON_TYPES = {"str": "string", "enum": "string", "int": "integer", "num": "number", "bool": "boolean", "list": "array"}


# ---------------------------------------------------------------- templates

Node = tuple[Any, ...]


@functools.lru_cache(maxsize=200_000)
def parse(template: str) -> tuple[Node, ...]:
    """A request template as nodes: ("text", s), ("slot", key), ("fix", key, value), ("maybe", nodes), ("any", [nodes, …])."""
    nodes, _ = _parse(template, 0, "")
    return tuple(nodes[0])


def _parse(template: str, at: int, end: str) -> tuple[list[list[Node]], int]:
    """The alternatives up to `end` and the position after it."""
    branches: list[list[Node]] = [[]]
    literal = ""

    def flush() -> None:
        nonlocal literal
        if literal:
            branches[-1].append(("text", literal))
            literal = ""

    while at < len(template):
        letter = template[at]
        if letter == end:
            flush()
            return branches, at + 1
        if letter == "{":
            close = template.index("}", at)
            inside = template[at + 1:close]
            flush()
            if inside.startswith("!"):
                key, _, raw = inside[1:].partition("=")
                branches[-1].append(("fix", key, json.loads(raw)))
            else:
                branches[-1].append(("slot", inside))
            at = close + 1
        elif letter == "[":
            flush()
            inner, at = _parse(template, at + 1, "]")
            branches[-1].append(("maybe", tuple(inner[0])) if len(inner) == 1 else ("maybe", (("any", tuple(map(tuple, inner))),)))
        elif letter == "(":
            flush()
            inner, at = _parse(template, at + 1, ")")
            if len(inner) == 1:
                branches[-1].extend([("text", "("), *inner[0], ("text", ")")])
            else:
                branches[-1].append(("any", tuple(map(tuple, inner))))
        elif letter == "|" and end:
            flush()
            branches.append([])
            at += 1
        else:
            literal += letter
            at += 1
    if end:
        raise ValueError(f"missing {end} in template: {template}")
    flush()
    return branches, at


def slots(nodes: tuple[Node, ...]) -> set[str]:
    """Every key that the template can set."""
    found: set[str] = set()
    for node in nodes:
        if node[0] in ("slot", "fix"):
            found.add(node[1])
        elif node[0] == "maybe":
            found |= slots(node[1])
        elif node[0] == "any":
            for branch in node[1]:
                found |= slots(branch)
    return found


# ---------------------------------------------------------------- tools

@dataclass
class Param:
    keys: list[str]
    type: str
    kind: str
    description: str
    required: bool
    options: list[tuple[str, list[str]]] = field(default_factory=list)   # of an enum: value and its words

    @property
    def key(self) -> str:
        return self.keys[0]


@dataclass
class Tool:
    names: list[str]
    domain: str
    descriptions: list[str]
    params: list[Param]
    requests: list[str] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    answers: list[tuple[list[tuple[str, str]], str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.names[0]

    def param(self, key: str) -> Param:
        return next(param for param in self.params if param.key == key)


@dataclass
class Offered:
    """A tool as it stands in one conversation."""

    tool: Tool
    name: str
    keys: dict[str, str]
    schema: dict[str, Any]

    def arguments(self, values: dict[str, Any]) -> dict[str, Any]:
        """The values under the names of the schema, in its order."""
        properties = self.schema["function"]["parameters"]["properties"]
        named = {self.keys[key]: value for key, value in values.items()}
        return {key: named[key] for key in properties if key in named}

    def label(self, key: str) -> str:
        return words_of(self.keys[key])


@dataclass
class Ask:
    """A request: its text, the values by canonical key, and the words the user said for each."""

    text: str
    values: dict[str, Any]
    words: dict[str, str]


def words_of(identifier: str) -> str:
    """`due_date` and `dueDate` as "due date"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", identifier).replace("_", " ").replace("-", " ").lower()


# ---------------------------------------------------------------- values

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


ISSUES = ["login page is blank", "app crashes on start", "printer is offline", "wrong total on the invoice", "search returns nothing", "images do not load", "typo on the home page", "export is slow", "password reset fails",
          "dark mode is unreadable", "emails arrive twice", "map shows the wrong place", "button does nothing", "video has no sound", "update fails at 90 percent", "coffee machine is broken", "VPN drops every hour", "screen flickers",
          "cannot upload files", "calendar is one hour off", "data is lost after restart", "memory leak in worker", "broken link in the docs", "heating too loud", "key does not fit", "crash when the file is empty"]
WIKI_TOPICS = ["the moon", "whales", "volcanoes", "the Roman Empire", "jazz", "photosynthesis", "the French Revolution", "penguins", "tea", "bridges", "chess", "the human heart", "glass", "earthquakes", "the Silk Road", "bees", "Mozart",
               "electricity", "dinosaurs", "the Nile", "vaccines", "paper", "kites", "democracy", "black holes", "salt", "printing", "bicycles", "coral reefs", "the alphabet", "Antarctica", "rice", "clocks", "honey", "the Vikings", "lasers"]
NEWS_TOPICS = ["politics", "sports", "science", "technology", "business", "health", "culture", "football", "climate", "space", "music", "movies", "energy", "education", "travel", "local news", "art", "chess", "open source", "robots"]
DEVICES = ["TV", "coffee machine", "washing machine", "dishwasher", "heater", "fan", "radio", "printer", "air conditioner", "aquarium pump", "garage light", "router", "oven", "dryer", "Christmas lights", "humidifier", "projector",
           "sound bar", "desk lamp", "water heater", "garden pump", "electric blanket", "kettle", "doorbell", "freezer", "sprinkler"]
QUESTIONS = ["Where do we eat?", "Which day suits you?", "What color should the logo have?", "Who brings cake?", "When do we leave?", "Which name is best?", "Do we need a new printer?", "Tea or coffee?", "Which film tonight?",
             "Where shall we meet?", "What should we build next?", "Which song first?", "Shall we move the meeting?", "How was the lunch?"]
PICTURES = ["a cat on a roof", "a red bicycle in the rain", "two owls at night", "a lighthouse in a storm", "a dragon drinking tea", "a green train in the mountains", "an old map", "a robot in a garden", "a boat on a calm lake",
            "a city made of glass", "a fox in the snow", "a bowl of oranges", "a castle on a cloud", "an astronaut on a horse", "a sleepy dog", "a wooden toy plane", "a market in the morning", "three balloons over a field"]


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


def render(nodes: tuple[Node, ...], rng: random.Random, say: Any, fixed: dict[str, Any]) -> str:
    """The text of a template; `say(key)` gives the words of a slot."""
    out = ""
    for node in nodes:
        kind = node[0]
        if kind == "text":
            if out.endswith(" ") and node[1][0] in " ?":   # an empty alternative came before
                out = out[:-1]
            out += node[1]
        elif kind == "slot":
            words = say(node[1])
            if out.endswith("on ") and re.match(r"(tomorrow|today|tonight|next )", words):
                out = out[:-3]
            if words[:1] in "aeiouAEIO" and re.search(r"\b[aA] $", out):
                out = out[:-1] + "n "
            out += words
        elif kind == "fix":
            fixed[node[1]] = node[2]
        elif kind == "any":
            out += render(rng.choice(node[1]), rng, say, fixed)
        elif rng.random() < OPTIONAL_SHARE:
            out += render(node[1], rng, say, fixed)
    return out


# ---------------------------------------------------------------- how a request is dressed

VERBS = set(["add", "put", "enter", "schedule", "create", "make", "block", "find", "show", "list", "read", "cancel", "delete", "drop", "get", "move", "shift", "push", "change", "rebook", "reschedule", "look", "suggest", "send", "e-mail", "email", "mail", "write", "shoot", "search", "forward", "pass", "let", "throw", "remove", "bin", "trash", "erase", "text", "message", "tell", "say", "post", "announce", "open", "set", "turn", "switch", "kill", "dim", "heat", "warm", "lock", "unlock", "check", "close", "shut", "bring", "start", "run", "vacuum", "clean", "wake", "ring", "remind", "don't", "count", "mark", "complete", "finish", "tick", "cross", "give", "take", "save", "store", "keep", "jot", "note", "note", "down", "buy", "play", "mute", "call", "recommend", "suggest", "order", "place", "purchase", "stop", "undo", "refund", "track", "follow", "translate", "detect", "identify", "define", "explain", "replace", "book", "reserve", "navigate", "convert", "exchange", "transfer", "pay", "bill", "invoice", "charge", "log", "record", "compute", "work", "split", "download", "upload", "copy", "rename", "move", "merge", "commit", "push", "pull", "restart", "deploy", "scale", "rotate", "reset", "invite", "remove", "assign", "escalate", "reopen", "lend", "return", "renew", "print", "scan", "resize", "crop", "draw", "generate", "summarize", "classify", "measure", "calibrate", "water", "feed", "weigh", "ship", "pack", "insert", "update", "query", "fetch", "compress", "extract", "ping", "trace", "block", "allow", "ban", "mute", "unmute", "subscribe", "unsubscribe", "vote", "rate", "review", "apply", "enroll", "grade", "solve", "simulate", "roll", "flip", "pick", "choose", "draw", "shuffle", "sort", "encode", "decode", "hash", "validate", "parse", "format", "render", "publish", "archive", "restore", "backup", "back", "mount", "unmount", "install", "uninstall", "upgrade", "downgrade", "enable", "disable", "activate", "deactivate", "pause", "resume", "skip", "rewind", "record", "stream", "cast", "connect", "disconnect", "pair", "release", "extend", "shorten", "quote", "estimate", "plan", "release", "approve", "reject", "sign", "stamp", "fill", "empty", "refill", "sweep", "inspect", "repair", "replace", "clear", "collect", "deliver", "dispatch", "recall", "tag", "label", "spell", "pronounce", "lookup", "use", "execute", "invoke", "trigger", "retry", "export", "import", "sync", "attach", "detach", "share", "lower", "raise"])
CONTEXTS = ["Hi!", "Hello there.", "Good morning!", "Quick one:", "Hey.", "I'm in a hurry.", "One more thing.", "Sorry to bother you.",
            "I have a question.", "Before I forget:", "My boss just called.", "I'm on the road right now.", "It's a busy day.",
            "We are nearly ready.", "I'm cooking at the moment.", "My hands are full.", "Okay, next.", "So,", "Alright.", "Listen,",
            "I just got home.", "The kids are waiting.", "I can't do it myself right now.", "This is for work.", "I was asked to do this.",
            "Let's get going.", "Evening!", "I need some help.", "Could you help me?", "Right, here we go."]
REASONS = ["Thanks!", "Thank you.", "Thanks a lot.", "That would help a lot.", "It's important.", "No rush.", "As soon as you can, please.",
           "I'd appreciate it.", "Cheers.", "It's for my sister.", "I promised it to a friend.", "I can't do it on my phone.",
           "You're the best.", "That's all for now.", "I'll wait.", "My colleague needs it.", "Just so it's done.", "Ta.", "Please :)"]
ASKS = ["please {}", "can you {}?", "could you {}?", "could you please {}?", "would you {}?", "I'd like you to {}", "I want you to {}",
        "I need you to {}", "{}, please", "{} please", "hey, {}", "go ahead and {}", "can you {} please?", "will you {}?", "kindly {}",
        "you should {}", "let's {}", "would you mind helping me? I need to {}", "help me {}", "I want to {}", "I need to {}", "I'd like to {}",
        "is it possible to {}?", "time to {}", "{}, thanks", "{}, would you?", "ok, {}", "now {}", "mind if I ask you to {}?", "next: {}"]


def upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def dress(text: str, template: str, rng: random.Random, words: dict[str, str], plainly: float = 0.45) -> str:
    """The request in one of many manners, with the values (`words`) untouched."""
    if rng.random() < 0.25:
        return wrap(rng, text, keep=[said for said in words.values() if said], amount=0.7)
    opening = re.match(r"[A-Za-z'-]+", template.lstrip("(")) if template[0] not in "{[\"" else None
    lower_case = bool(opening) and text[:1].islower()
    if lower_case and opening and re.match(r"[A-Za-z'-]+", text).group().lower() in VERBS and not text.endswith("?") and rng.random() > plainly:
        if text.startswith("don't"):
            text = f"please {text}"
        else:
            request = rng.choice(ASKS)
            text = request.replace("{}", text)
    if lower_case and rng.random() < 0.75 and not re.match(r"\w*[_\d]", text):
        text = upper_first(text)
    if text[-1:].isalnum() and rng.random() < 0.45:
        text += "." if rng.random() < 0.85 else "!"
    if rng.random() < 0.09:
        text = f"{rng.choice(CONTEXTS)} {text}"
    if rng.random() < 0.08:
        text += ("" if text[-1] in ".!?:\"" else ".") + " " + rng.choice(REASONS)
    return text


def ask(tool: Tool, rng: random.Random, split: str, template: str | None = None, values: dict[str, tuple[str, Any]] | None = None) -> Ask:
    """A request for this tool. `values` fixes what is said for some keys, as words and value."""
    chosen = template if template is not None else rng.choice(tool.requests)
    words: dict[str, str] = {}
    found: dict[str, Any] = {}
    quote = rng.random()

    def say(key: str) -> str:
        if key not in words:
            param = tool.param(key)
            words[key], found[key] = values[key] if values and key in values else sample(param, rng, split)
        param = tool.param(key)
        if param.type == "str" and f'"{{{key}}}"' not in chosen and '"' not in words[key]:
            if quote < 0.08 or (quote < 0.2 and param.kind in FREE_TEXT):
                return f'"{words[key]}"'
            if 0.2 <= quote < 0.23 and "'" not in words[key]:
                return f"'{words[key]}'"
        return words[key]

    fixed: dict[str, Any] = {}
    text = render(parse(chosen), rng, say, fixed)
    found.update(fixed)
    return Ask(dress(text, chosen, rng, words), found, words)


# ---------------------------------------------------------------- the schema that is offered

def _shuffled(rng: random.Random, pairs: list[tuple[str, Any]], share: float) -> dict[str, Any]:
    if rng.random() < share:
        pairs = pairs[:]
        rng.shuffle(pairs)
    return dict(pairs)


def _restyle(identifier: str, style: str) -> str:
    if style == "camel":
        return lexicons.camel(identifier)
    if style == "pascal":
        return lexicons.camel("_" + identifier)
    if style == "kebab":
        return identifier.replace("_", "-")
    return identifier


FORMATS = {"isodate": "date", "email": "email", "url": "uri", "host": "hostname", "ip": "ipv4", "datetime": "date-time"}
TAILS = [". Use this when the user asks for it.", ". Returns JSON.", ". Returns plain text.", ", and returns the result", ". Do not call it without the required parameters.", " (beta)", ". Slow, call it only when needed.", ". Fails if the parameters are wrong.",
         " for the current user", ". One call handles one request.", ". Call it several times for several values."]


def _constraint(param: Param, rng: random.Random) -> list[tuple[str, Any]]:
    """A further keyword of JSON schema, which does not change what to call."""
    if param.type == "bool" and not param.required:
        return [("default", False)]
    if param.type == "enum" and not param.required:
        return [("default", param.options[0][0])]
    if param.type in ("int", "num"):
        return [("minimum", rng.choice([0, 0, 1]))] if "-" not in param.kind.split(":")[-1][:1] and param.kind not in ("coordinate",) and not param.kind.endswith("0-1") else []
    if param.type == "str" and param.kind in FORMATS:
        return [("format", FORMATS[param.kind])]
    if param.type == "str":
        return [("minLength", 1)] if rng.random() < 0.5 else [("title", upper_first(words_of(param.key)))]
    return []


def offer(tool: Tool, rng: random.Random, split: str, all_params: bool = False, needed: tuple[str, ...] | set[str] = ()) -> Offered:
    """One concrete schema. Optional parameters may be missing unless needed."""
    style = rng.choices(["snake", "camel", "pascal", "kebab"], [85, 9, 3, 3])[0]
    opaque = split == "train" and tool.requests[2:] and rng.random() < OPAQUE_SHARE  # only the description tells what it does
    name = rng.choice(tool.names) if rng.random() < 0.5 else tool.name
    if opaque:
        name = wide.identifier(rng)
    elif rng.random() < 0.04 and tool.domain not in name:
        prefix = rng.choice(["local", "default", "system", "my", "api"]) if tool.domain == "builtin" else tool.domain.replace(" ", "_")
        name = f"{prefix}_{name}"
    name = _allowed(tool, _restyle(name, style))
    key_style = style if style == "camel" else "snake"
    described = rng.random() * (0.8 if opaque else 1)
    params = [param for param in tool.params if param.required or all_params or param.key in needed or rng.random() < 0.7]
    if rng.random() < 0.3:
        rng.shuffle(params)
    keys: dict[str, str] = {}
    properties: dict[str, Any] = {}
    for param in params:
        key = param.key if rng.random() < 0.5 else rng.choice(param.keys)
        key = _restyle(key, key_style)
        if opaque and param.description and rng.random() < 0.5:
            key = wide.identifier(rng) if rng.random() < 0.5 else f"{key}_{wide.word(rng)}"
        if key in properties:
            key = _restyle(param.key, key_style)
        keys[param.key] = key
        entry: list[tuple[str, Any]] = [("type", JSON_TYPES[param.type])]
        if param.type == "enum":
            options = [option for option, _ in param.options]
            if rng.random() < 0.2:
                rng.shuffle(options)
            entry.append(("enum", options))
        if param.type == "list":
            items = lexicons.value(param.kind, rng, split)
            entry.append(("items", {"type": "integer" if isinstance(items, int) else "number" if isinstance(items, float) else "string"}))
        if described < 0.8 or (opaque and param.description):
            description = param.description
            variant = rng.random()
            if variant < 0.08 and param.type == "str":
                description += f", e.g. {lexicons.value(param.kind, rng, split)}"
            elif variant < 0.2:
                description = description[:1].lower() + description[1:]
            elif variant < 0.3:
                description += "."
            elif variant < 0.36 and not param.required:
                description += " (optional)"
            elif variant < 0.42 and param.required:
                description += " (required)"
            elif variant > 0.96 and not param.required:
                description += rng.choice([". Leave it out when the user does not say it", "; defaults to the usual value", ". Optional, only if given", " if the user names one"])
            elif variant > 0.93:
                description += rng.choice([", exactly as the user wrote it", " given by the user", " (see the manual)", ", must not be empty"])
            elif variant < 0.5:
                description = f"The {description[:1].lower() + description[1:]}" if not description.startswith(("The ", "A ", "True", "Only", "At ", "How", "Which", "Wh")) else description
            entry.append(("description", description))
        if rng.random() < 0.12:
            entry.extend(_constraint(param, rng))
        properties[key] = _shuffled(rng, entry, 0.15)
    body: list[tuple[str, Any]] = [("type", "object"), ("properties", properties)]
    required = [keys[param.key] for param in params if param.required]
    if required or rng.random() < 0.7:
        body.append(("required", required))
    if rng.random() < 0.05:
        body.append(("additionalProperties", False))
    head: list[tuple[str, Any]] = [("name", name)]
    if rng.random() < 0.96 or described >= 0.8 or opaque:
        description = tool.descriptions[0] if rng.random() < 0.5 else rng.choice(tool.descriptions)
        if rng.random() < 0.1:
            description += rng.choice(TAILS)
        head.append(("description", description + ("." if rng.random() < 0.4 and description[-1] != "." else "")))
    head.append(("parameters", _shuffled(rng, body, 0.1)))
    return Offered(tool, name, keys, {"type": "function", "function": _shuffled(rng, head, 0.05)})


OPAQUE_SHARE = 0.2  # of the tools offered in training have names without sense: what was never seen must be copied


# ---------------------------------------------------------------- the catalogue

def _param(line: str) -> Param:
    head, _, description = line.partition(" | ")
    names, kind, *rest = head.split(" ", 2)
    required = names.endswith("*")
    argument = rest[0].strip() if rest else ""
    options: list[tuple[str, list[str]]] = []
    if kind == "enum":
        for option in argument.split(","):
            value, _, words = option.strip().partition("=")
            options.append((value, words.split("/") if words else [value.replace("_", " ")]))
    return Param(names.rstrip("*").split("/"), kind, argument, description.strip(), required, options)


def _catalogue() -> list[Tool]:
    tools: list[Tool] = []
    domain = ""
    for number, line in enumerate(Path(__file__).with_suffix(".txt").read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        mark, _, rest = line.partition(" ")
        try:
            if mark == "@":
                domain = rest.strip()
            elif mark == "tool":
                names, descriptions = rest.split(" | ")
                tools.append(Tool([name.strip() for name in names.split(",")], domain, [text.strip() for text in descriptions.split(" ~ ")], []))
            elif mark == "p":
                tools[-1].params.append(_param(rest))
            elif mark == "r":
                parse(rest)
                tools[-1].requests.append(rest)
            elif mark == "m":
                text, key = rest.rsplit(" | ", 1)
                parse(text)
                tools[-1].missing.append((text, key.strip()))
            elif mark == "a":
                fields, text = rest.split(" => ")
                parse(text)
                tools[-1].answers.append(([tuple(pair.strip().split("=", 1)) for pair in fields.split(", ")], text))
            else:
                raise ValueError(f"unknown mark '{mark}'")
        except (ValueError, IndexError) as error:
            raise ValueError(f"schemas.txt line {number}: {error}: {line}") from error
    return tools


CATALOGUE = _catalogue()
BUILTIN = {tool.name: tool for tool in CATALOGUE if tool.domain == "builtin"}
OTHERS = [tool for tool in CATALOGUE if tool.domain != "builtin"]
BY_NAME = {tool.name: tool for tool in CATALOGUE}
NEVER = {words_of(tool["function"]["name"]) for line in (Path(__file__).parent.parent / "written" / "test.jsonl").read_text().splitlines()
         for tool in json.loads(line).get("tools") or []} - {words_of(name) for tool in BUILTIN.values() for name in tool.names}


def never(name: str) -> bool:
    """Whether the written test set has a tool of this name, in any style: no conversation may offer it."""
    return words_of(name) in NEVER


def _allowed(tool: Tool, name: str) -> str:
    """The name, or another of this tool, or its words in another order, so that the written test set stays unseen."""
    for one in (name, *tool.names, "_".join(reversed(tool.name.split("_"))), f"{tool.name}_tool"):
        if not never(one):
            return one
    raise ValueError(f"the written test set knows every name of '{tool.name}'")


BY_SPLIT = {"train": [tool for tool in OTHERS if not kept_back(tool.name)], "heldout": [tool for tool in OTHERS if kept_back(tool.name)]}
BY_SPLIT["values"] = BY_SPLIT["train"]


# ---------------------------------------------------------------- synthetic tools

ACTIONS = ["get", "fetch", "find", "lookup", "check", "list", "count", "read", "show", "create", "add", "register", "open", "start", "launch", "run", "stop", "pause", "resume", "close", "archive", "restore", "delete", "remove", "clear", "reset", "update", "set", "change", "rename", "move", "copy", "merge", "split", "assign", "release", "lock", "unlock", "enable", "disable", "approve", "reject", "publish", "send", "notify", "export", "import", "sync", "scan", "inspect", "measure", "calibrate", "validate", "verify", "rotate", "refresh", "rebuild", "compress", "encrypt", "tag", "label", "rank", "score", "review", "flag", "hide", "reveal", "schedule", "cancel", "extend", "reserve", "claim", "refund", "charge", "transfer", "swap", "print", "render", "resize", "rewind", "replay", "mix", "heat", "cool", "fill", "drain", "water", "feed", "weigh", "dock", "undock", "route", "reroute", "dispatch", "recall", "inflate", "polish", "bend", "tune", "align", "stack", "unpack", "seal", "map", "index", "query", "filter", "sort", "shuffle", "draw", "roll", "pick"]
THIRD = {"fetch": "fetches", "launch": "launches", "publish": "publishes", "refresh": "refreshes", "compress": "compresses",
         "polish": "polishes", "dispatch": "dispatches", "copy": "copies", "notify": "notifies", "verify": "verifies", "query": "queries"}
STRING_PARAMS = ["name", "label", "title", "owner", "region", "city", "color", "category", "comment", "reason", "target", "source", "code", "user",
                 "email", "path", "file", "url", "date", "start_date", "end_date", "time", "note", "language", "currency", "zone", "team", "host",
                 "address", "material", "batch", "serial", "version", "branch", "channel", "contact", "country", "folder", "tag", "topic", "phrase",
                 "key", "place", "vendor", "operator", "model", "shelf", "lane", "sector", "nickname"]
STRING_KINDS = {"name": "made", "label": "word", "title": "made", "owner": "name", "city": "city", "color": "color", "comment": "text", "reason": "text",
                "target": "word", "source": "host", "code": "code", "user": "username", "email": "email", "path": "path", "file": "file", "url": "url",
                "date": "date", "start_date": "isodate", "end_date": "isodate", "time": "time", "note": "text", "language": "language",
                "currency": "currency", "zone": "word", "team": "team", "host": "host", "address": "address", "batch": "id", "serial": "id",
                "version": "version", "branch": "branch", "contact": "person", "country": "country", "folder": "folder", "tag": "tag", "topic": "word",
                "phrase": "sentence", "key": "hex", "place": "city", "vendor": "company", "operator": "person", "model": "product", "nickname": "first",
                "region": "country"}
INT_PARAMS = ["count", "limit", "size", "level", "retries", "pages", "depth", "width", "height", "priority_level", "seconds", "minutes", "days", "hours",
              "copies", "offset", "port", "year", "quantity", "rows", "age", "slots", "steps", "attempts", "capacity", "floor", "max_items", "index"]
NUM_PARAMS = ["amount", "price", "weight", "ratio", "threshold", "temperature", "speed", "distance_km", "length_m", "volume", "angle", "score", "factor",
              "pressure", "latitude", "longitude", "voltage", "budget", "rate", "opacity", "scale", "tolerance", "dose_mg"]
BOOL_PARAMS = ["deep", "force", "dry_run", "silent", "verbose", "recursive", "urgent", "public", "notify", "strict", "overwrite", "include_archived",
               "async", "compressed", "encrypted", "express", "sorted", "anonymous", "permanent", "express_mode", "loop", "preview", "validated"]
ENUM_SETS = [("priority", ["low", "medium", "high"]), ("mode", ["fast", "slow", "auto"]), ("size", ["small", "medium", "large"]), ("format", ["csv", "json", "pdf"]),
             ("order", ["asc", "desc"]), ("unit", ["metric", "imperial"]), ("status", ["open", "closed", "pending"]), ("severity", ["minor", "major", "critical"]),
             ("direction", ["north", "south", "east", "west"]), ("color_scheme", ["light", "dark"]), ("frequency", ["daily", "weekly", "monthly"]),
             ("side", ["left", "right"]), ("quality", ["draft", "standard", "best"]), ("scope", ["team", "company", "public"]), ("phase", ["alpha", "beta", "final"]),
             ("finish", ["matte", "glossy", "satin"]), ("season", ["spring", "summer", "autumn", "winter"]), ("role", ["viewer", "editor", "admin"]),
             ("level", ["beginner", "intermediate", "expert"]), ("shape", ["round", "square", "oval"]), ("tier", ["basic", "plus", "premium"]), ("speed", ["low", "normal", "high"])]
LIST_PARAMS = [("tags", "tag"), ("names", "name"), ("ids", "id"), ("items", "noun"), ("files", "file"), ("cities", "city"), ("users", "username"), ("values", "int:1-99"),
               ("colors", "color"), ("emails", "email"), ("words", "word"), ("codes", "code"), ("topics", "word"), ("sizes", "num:1-40")]
ID_LIKE = ["id", "id", "id", "hex", "code", "int:1-99999", "word", "identifier"]


SYNONYMS = {"get": ["show me", "give me", "look up"], "fetch": ["get", "bring me"], "find": ["look for", "search for"], "lookup": ["look up", "check"], "check": ["have a look at", "inspect"], "list": ["show"], "count": ["tell me how many there are of"],
            "show": ["display", "let me see"], "create": ["make", "set up"], "add": ["put in", "enter"], "start": ["kick off", "begin"], "launch": ["start", "fire up"], "run": ["execute", "start"], "stop": ["halt", "end"], "close": ["shut"],
            "delete": ["get rid of", "erase", "throw away"], "remove": ["take out", "get rid of"], "update": ["change", "bring up to date"], "rename": ["give a new name to"], "approve": ["say yes to", "sign off"], "reject": ["turn down", "say no to"],
            "send": ["mail out", "ship"], "notify": ["tell", "inform"], "measure": ["take the measure of"], "verify": ["double-check"], "refresh": ["bring up to date"], "cancel": ["call off"], "extend": ["prolong"], "reserve": ["book", "set aside"],
            "refund": ["pay back"], "swap": ["exchange"], "print": ["put on paper"], "heat": ["warm up"], "cool": ["cool down"], "fill": ["top up"], "hide": ["make invisible"], "lock": ["lock up"], "review": ["look over"], "pause": ["put on hold"],
            "resume": ["carry on with", "continue"], "archive": ["put away in the archive"], "open": ["open up"], "register": ["sign up"], "move": ["relocate"], "copy": ["duplicate"], "merge": ["combine"], "split": ["divide"], "reset": ["set back"]}


def third_person(verb: str) -> str:
    return THIRD.get(verb, verb + "s")


def _synthetic_noun(rng: random.Random, split: str) -> str:
    form = rng.random()
    if form < 0.16:
        return lexicons.syllables(rng)
    noun = lexicons.lex("noun", rng, split)
    if form < 0.4:
        return f"{lexicons.lex('adjective', rng, split)} {noun}"
    if form < 0.55:
        return f"{lexicons.lex('word', rng, split)} {noun}"
    return noun


def _key(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower().translate(lexicons.PLAIN)).strip("_")


def _synthetic_param(rng: random.Random, split: str, noun: str, taken: set[str]) -> Param | None:
    form = rng.random()
    required = rng.random() < 0.45
    options: list[tuple[str, list[str]]] = []
    if form < 0.36:
        key = rng.choice(STRING_PARAMS)
        kind, type_ = STRING_KINDS.get(key, "word"), "str"
        if rng.random() < 0.12:
            key, kind = lexicons.syllables(rng, 1, 3), rng.choice(["id", "word", "made", "city", "name", "file"])
    elif form < 0.54:
        key, kind, type_ = rng.choice(INT_PARAMS), rng.choice(["int:1-9", "int:1-60", "int:1-60", "int:100-9999"]), "int"
    elif form < 0.7:
        key, kind, type_ = rng.choice(NUM_PARAMS), rng.choice(["num:0-1", "num:1-100", "num:1-100", "money"]), "num"
    elif form < 0.83:
        key, kind, type_ = rng.choice(BOOL_PARAMS), "", "bool"
    elif form < 0.93:
        key, values = rng.choice(ENUM_SETS)
        if rng.random() < 0.25:
            values = [lexicons.lex("word", rng, split) for _ in range(3)]
            values = list(dict.fromkeys(values))
        kind, type_ = "", "enum"
        options = [(value, [value]) for value in values]
    else:
        key, kind = rng.choice(LIST_PARAMS)
        type_ = "list"
    if rng.random() < 0.12 and type_ != "enum":
        key = f"{rng.choice(['new', 'old', 'first', 'last', 'main', 'target', 'max', 'min', 'base'])}_{key}"
    if key in taken:
        return None
    taken.add(key)
    label = words_of(key)
    if type_ == "bool":
        description = rng.choice([f"Whether it is {label}", f"True for {label}", f"{upper_first(label)} or not", f"Turn {label} on"])
    elif type_ == "enum":
        description = rng.choice([f"The {label}", f"Which {label}", upper_first(label), f"{upper_first(label)} of the {noun}"])
    else:
        description = rng.choice([f"The {label}", upper_first(label), f"{upper_first(label)} of the {noun}", f"The {label} to use", f"{upper_first(label)} for the {noun}"])
    return Param([key], type_, kind, description, required, options)


def mention(param: Param, rng: random.Random, style: int) -> str:
    """A phrase that gives this parameter, as a template."""
    label, slot = words_of(param.key), "{" + param.key + "}"
    if param.type == "bool":
        if style == 1:
            return f"{param.key}={slot}"
        truth = rng.random() < 0.6
        fix = f"{{!{param.key}={'true' if truth else 'false'}}}"
        if style == 0:
            return f"{param.key} set to {'true' if truth else 'false'}{fix}"
        phrases = [f"with {label} (on|enabled)", f"{label}: yes", f"{label} should be (true|on)", f"with {label} turned on", f"{label} true"] if truth else \
            [f"with {label} (off|disabled)", f"{label}: no", f"{label} should be (false|off)", f"without {label}", f"{label} false", f"not {label}"]
        return rng.choice(phrases) + fix
    if style == 0:
        return rng.choice([f"{param.key} {slot}", f"{param.key} set to {slot}", f"{param.key} = {slot}"])
    if style == 1:
        return f"{param.key}={slot}"
    if param.type == "enum" and rng.random() < 0.4:
        return f"{slot} {label}"
    return rng.choice([f"{label} {slot}", f"with {label} {slot}", f"the {label} is {slot}", f"{label}: {slot}", f"{label} should be {slot}", f"with a {label} of {slot}",
                       f"and {slot} as the {label}", f"using {slot} for the {label}", f"set the {label} to {slot}"])


def synthetic(rng: random.Random, split: str, noun: str | None = None, verbs: list[str] | None = None) -> Tool:
    """A tool that does not exist, with requests made from its own words."""
    thing = noun or _synthetic_noun(rng, split)
    verb = rng.choice(verbs or ACTIONS)
    action = words_of(verb)
    thing_key = _key(thing)
    opaque = rng.random() < 0.12
    base = f"{rng.choice(['op', 'fn', 'x', 'svc', 'act', 'run'])}_{lexicons.alnum(rng, 3, 5).lower().replace('-', '_')}" if opaque else \
        rng.choice([f"{verb}_{thing_key}", f"{verb}_{thing_key}", f"{verb}_{thing_key}", f"{thing_key}_{verb}", f"{verb}_{thing_key}_{rng.choice(['v2', 'entry', 'record', 'now', 'info'])}"])
    descriptions = [f"{upper_first(action)} a {thing}", f"{upper_first(third_person(action))} a {thing}", f"{upper_first(action)} the given {thing}",
                    f"{upper_first(action)} one {thing} of the {rng.choice(['system', 'shop', 'plant', 'site', 'team', 'fleet', 'archive'])}"]
    rng.shuffle(descriptions)
    params: list[Param] = []
    taken: set[str] = set()
    identified = rng.random() < 0.7
    if identified:
        key = rng.choice([f"{thing_key.split('_')[-1]}_id", f"{thing_key.split('_')[-1]}_id", "id", thing_key, f"{thing_key.split('_')[-1]}_name", f"{thing_key.split('_')[-1]}_code", "ref"])
        kind = rng.choice(ID_LIKE)
        params.append(Param([key], "int" if kind.startswith("int") else "str", kind, rng.choice([f"Which {thing}", f"Id of the {thing}", f"The {thing}", f"Identifies the {thing}"]), True))
        taken.add(key)
    for _ in range(rng.choice([1, 1, 2, 2, 3]) if identified else rng.choice([1, 2, 2, 3, 4])):
        made = _synthetic_param(rng, split, thing, taken)
        if made:
            params.append(made)
    if not any(param.required for param in params) and params:
        params[0].required = True
    tool = Tool([base], thing, descriptions, params)
    tool.requests = [_synthetic_request(tool, action, thing, identified, rng) for _ in range(2)]
    if identified and len(params) > 0:
        tool.missing = [(rng.choice([f"{action} a {thing}", f"{action} the {thing}", f"I want to {action} a {thing}", f"please {action} one {thing}"]), params[0].key)] if \
            sum(param.required for param in params) == 1 else []
    result = rng.choice(["status", "result", "count", "ref", "state", "message", "job_id", "value"])
    kind = {"status": "oneof:ok/queued/done/accepted/running", "result": "word", "count": "int:0-900", "ref": "id", "state": "adjective", "message": "sentence", "job_id": "id:JOB", "value": "num:0-500"}[result]
    label = words_of(result)
    tool.answers = [([(result, kind)], rng.choice([f"The {label} is {{{result}}}.", f"Done; the {label} is {{{result}}}.", f"It worked, and the {label} is {{{result}}}.",
                                                   f"The {thing} came back with the {label} {{{result}}}."]))]
    return tool


def _synthetic_request(tool: Tool, action: str, thing: str, identified: bool, rng: random.Random) -> str:
    said = [param for param in tool.params if param.required or rng.random() < 0.6]
    if action in SYNONYMS and rng.random() < 0.22:
        action = rng.choice(SYNONYMS[action])
    style = rng.choices([0, 1, 2], [25, 10, 65])[0]
    if style == 0:
        parts = [mention(param, rng, 0) for param in said]
        lead = rng.choice([f"use {tool.name} with", f"call {tool.name} with", f"run {tool.name} with", f"please use the tool {tool.name}:", f"{tool.name}:", f"invoke {tool.name} with"])
        return f"{lead} {lexicons.enumerate_words(parts, rng)}"
    if style == 1:
        parts = [mention(param, rng, 1) for param in said]
        return rng.choice([f"{tool.name} {', '.join(parts)}", f"call {tool.name}: {', '.join(parts)}", f"{action} {thing}: {', '.join(parts)}", f"run {tool.name} {' '.join(parts)}"])
    rest = said
    if identified:
        slot = "{" + tool.params[0].key + "}"
        rest = said[1:]
        label = words_of(tool.params[0].key)
        lead = rng.choice([f"{action} {thing} {slot}", f"{action} the {thing} {slot}", f"for the {thing} {slot}, do a {action}", f"{action} (the|that) {thing} with the {label} {slot}",
                           f"{slot} is the {thing} I mean, {action} it", f"I need to {action} the {thing} {slot}", f"the {thing} {slot} - {action} it", f"{action} {thing} {slot}"])
    else:
        lead = rng.choice([f"{action} a {thing}", f"{action} the {thing}", f"I want to {action} a {thing}", f"we have to {action} one {thing}", f"{thing}: {action} it"])
    parts = [mention(param, rng, 2) for param in rest]
    if not parts:
        return lead
    joined = ", ".join(parts) if rng.random() < 0.5 else lexicons.enumerate_words(parts, rng).replace(" and and ", " and ")
    if rng.random() < 0.2:
        return f"{lead}. {upper_first(joined) if not joined.startswith('{') else joined}."
    return lead + rng.choice([", ", ", ", " ", ": "]) + joined
