"""Calling tools: built-in ones, ones written by hand and synthetic ones, in one and several turns, and not calling.

The request, the schema and the values vary independently (`schemas`, `lexicons`), so that the only way to be right is to
read the schema and to copy from the request.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable
from math import sqrt
from pathlib import Path
from typing import Any

from . import extract, lexicons, schemas
from .common import Check, Conversation, Message, assistant, call, kept_back, tool_result, user
from .schemas import Ask, Offered, Tool, upper_first, words_of

MAX_SCHEMA_CHARACTERS = 1900
# Tools of one group could all serve the same request, so they are never offered together.
CONFLICTS = [
    {"send_email", "send_message", "send_sms", "post_message"},
    {"add_reminder", "add_todo", "create_event", "create_note", "set_alarm", "set_timer", "log_expense", "write_file"},
    {"add_to_shopping_list", "place_order", "add_todo", "create_note", "add_reminder"},
    {"search_products", "check_stock", "place_order", "web_search"},
    {"get_order_status", "track_package", "request_refund", "cancel_order"},
    {"define_word", "translate_text", "find_synonyms", "web_search", "wiki_lookup", "spell_check"},
    {"find_places", "get_directions", "search_trains", "book_taxi", "search_flights", "get_weather"},
    {"get_weather", "get_room_temperature", "set_thermostat", "get_air_quality", "get_sensor_value"},
    {"delete_note", "delete_email", "delete_row", "cancel_event", "delete_user", "complete_task"},
    {"calculator", "calculate_tip", "compute_loan", "convert_units", "get_exchange_rate", "compute_statistics"},
    {"search_notes", "search_emails", "web_search", "read_messages", "news_search"},
    {"list_events", "find_free_slot", "list_tasks", "get_weather"},
    {"transfer_money", "create_invoice", "send_message", "calculate_tip"},
    {"recommend_movie", "get_movie_info", "web_search", "wiki_lookup", "play_song", "get_lyrics"},
    {"run_shell", "git_commit", "create_branch", "restart_service", "run_tests", "ping_host", "deploy_app", "kill_process", "install_package"},
]
SYSTEM = ["You are a helpful assistant.", "You are a helpful assistant with tools.", "Use the tools when they help.", "You can call functions to help the user.",
          "You are an assistant that can call tools. Answer briefly.", "Call a tool when the user's request needs one.", "You are a careful assistant.",
          "Help the user with the tools that you have.", "You are a home and office assistant.", "Answer in one or two sentences.", "You have access to tools.",
          "You are flashmoe's demo model.", "Be brief.", "If no tool fits, just answer."]
JSONish = dict[str, Any]


# ---------------------------------------------------------------- offering tools

def conflicting(one: Tool, other: Tool) -> bool:
    return one.name == other.name or any(one.name in group and other.name in group for group in CONFLICTS) or one.domain == other.domain != "builtin" and one.name[:4] != other.name[:4] and \
        any(verb in other.name for verb in ("search", "find", "get", "look")) and any(verb in one.name for verb in ("search", "find", "get", "look"))


SIBLING_VERBS = ["rename", "archive", "export", "print", "lock", "tag", "translate", "rotate", "weigh", "audit", "escalate", "clone", "merge", "polish", "schedule", "reserve", "count", "encrypt"]


def offer_all(rng: random.Random, split: str, wanted: list[tuple[Tool, set[str]]], extra: int | None = None, avoid: set[str] | None = None) -> tuple[list[Offered], list[JSONish]]:
    """Schemas of the wanted tools (with the parameters that the request needs) among distractors, in random order."""
    offered = [schemas.offer(tool, rng, split, needed=needed) for tool, needed in wanted]
    everything = list(offered)
    size = sum(len(str(one.schema)) for one in everything)
    names = {one.name for one in everything}
    count = extra if extra is not None else rng.choices([0, 1, 2, 3, 4], [34, 27, 20, 12, 7])[0]
    made_up = next((tool for tool, _ in wanted if not tool.requests[2:] and tool.name not in schemas.BUILTIN and tool.requests), None)
    for _ in range(count):
        form = rng.random()
        if made_up and form < 0.4:   # another tool for the same thing
            verb = made_up.descriptions[0].split()[0].lower()
            sibling = schemas.synthetic(rng, split, made_up.domain, [action for action in SIBLING_VERBS if action[:4] != verb[:4]])
            one = schemas.offer(sibling, rng, split)
            if one.name not in names and size + len(str(one.schema)) <= MAX_SCHEMA_CHARACTERS:
                names.add(one.name)
                size += len(str(one.schema))
                everything.append(one)
            continue
        if form < 0.3:
            other = rng.choice(list(schemas.BUILTIN.values()))
        elif form < 0.75:
            other = rng.choice(schemas.BY_SPLIT["train" if rng.random() < 0.7 else split])
        else:
            other = schemas.synthetic(rng, split)
        if (avoid and other.name in avoid) or any(conflicting(tool, other) for tool, _ in wanted):
            continue
        one = schemas.offer(other, rng, split)
        if one.name in names or any(one.tool.name == present.tool.name for present in everything) or size + len(str(one.schema)) > MAX_SCHEMA_CHARACTERS:
            continue
        names.add(one.name)
        size += len(str(one.schema))
        everything.append(one)
    rng.shuffle(everything)
    return offered, [one.schema for one in everything]


class Talk:
    """A conversation while it grows, with its checks."""

    def __init__(self, rng: random.Random, tools: list[JSONish], system: float = 0.12) -> None:
        self.messages: list[Message] = []
        self.tools = tools
        self.checks: list[Check] = []
        if rng.random() < system:
            self.messages.append({"role": "system", "content": rng.choice(SYSTEM)})

    def user(self, text: str) -> None:
        self.messages.append(user(text))

    def calls(self, *made: tuple[str, JSONish]) -> None:
        self.checks.append({"turn": len(self.messages), "kind": "tool", "calls": [{"name": name, "arguments": arguments} for name, arguments in made]})
        self.messages.append(call(*made))

    def results(self, *contents: str) -> None:
        self.messages.extend(tool_result(content) for content in contents)

    def says(self, text: str, contains: list[list[str]] | None = None, number: float | None = None, no_call: bool = False) -> None:
        if no_call:
            self.checks.append({"turn": len(self.messages), "kind": "tool", "calls": []})
        if contains:
            self.checks.append({"turn": len(self.messages), "kind": "contains", "all": contains})
        if number is not None:
            self.checks.append({"turn": len(self.messages), "kind": "number", "value": number})
        self.messages.append(assistant(text))

    def done(self) -> Conversation:
        return Conversation("tools", self.messages, self.tools, self.checks)


# ---------------------------------------------------------------- results and answers

NOISE = [("ok", "oneof:true/false"), ("request_id", "hex"), ("took_ms", "int:1-900"), ("source", "host"), ("updated", "isodate"), ("version", "int:1-9"), ("cached", "oneof:yes/no"),
         ("page", "int:1-9"), ("lang", "oneof:en/de/fr"), ("code", "const:200"), ("node", "word")]


def result_text(fields: JSONish, rng: random.Random, split: str) -> str:
    """The fields as a tool would print them."""
    shown = dict(fields)
    if rng.random() < 0.22:
        for key, kind in rng.sample(NOISE, rng.randint(1, 2)):
            if key not in shown:
                shown[key] = lexicons.value(kind, rng, split)
        if rng.random() < 0.5:
            pairs = list(shown.items())
            rng.shuffle(pairs)
            shown = dict(pairs)
    form = rng.random()
    if form < 0.5:
        return json.dumps(shown, ensure_ascii=False)
    if form < 0.58:
        return json.dumps({rng.choice(["result", "data", "response"]): shown}, ensure_ascii=False)
    if form < 0.64:
        return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
    text = {key: json.dumps(value) if isinstance(value, bool) else str(value) for key, value in shown.items()}
    if form < 0.74:
        return "\n".join(f"{key}: {value}" for key, value in text.items())
    if form < 0.82:
        return ", ".join(f"{words_of(key)}: {value}" for key, value in text.items())
    if form < 0.9 or len(fields) > 1:
        return " ".join(f'{key}="{value}"' if " " in value else f"{key}={value}" for key, value in text.items())
    return next(iter(str(value) for value in fields.values()))


ERRORS = ["not found", "timeout", "permission denied", "connection refused", "invalid id", "service unavailable", "rate limit exceeded", "access denied", "no such file or directory",
          "network unreachable", "internal server error", "missing credentials", "unknown city", "quota exceeded", "the server did not answer", "invalid argument", "file is locked",
          "not authorized", "disk full", "device offline", "already exists", "out of range", "bad request", "no connection", "maintenance in progress", "too many requests", "host unreachable"]
APOLOGIES = ["Sorry, that did not work: {e}.", "That failed: {e}.", "I'm sorry, the tool reported an error: {e}.", "It did not work. The error is: {e}.", "Sorry, I could not do it: {e}.",
             "Unfortunately there was an error: {e}.", "I could not do that, because of this error: {e}.", "Sorry, the answer was an error: {e}. Shall I try again?"]
EMPTY = ["[]", "", "{}", "null", "no results", "none", '{"results": []}', '{"count": 0, "items": []}', "(empty)", "0 results", "No matches."]
NOTHING = ["Nothing was found.", "There is nothing to report: I found nothing.", "Sorry, I found nothing.", "The search found nothing.", "It came back empty, so I found nothing."]


def error_result(rng: random.Random, split: str) -> tuple[str, str]:
    """What a failing tool prints, and the message in it."""
    message = rng.choice(ERRORS) if rng.random() < 0.8 else lexicons.sentence(rng, split)
    form = rng.randrange(7)
    if form == 0:
        return f"Error: {message}", message
    if form == 1:
        return json.dumps({"error": message}), message
    if form == 2:
        return json.dumps({"status": "error", "message": message}), message
    if form == 3:
        return f"ERROR {rng.choice([400, 401, 403, 404, 408, 409, 429, 500, 503])}: {message}", message
    if form == 4:
        return f"failed: {message}", message
    if form == 5:
        return json.dumps({"ok": False, "reason": message}), message
    return f"error={rng.randint(1, 99)} message=\"{message}\"", message


WET = ("rain", "drizzle", "shower", "thunderstorm", "sleet")
DRY = ("sunny", "clear", "dry")


def report_weather(talk: Talk, rng: random.Random, split: str, request: Ask) -> JSONish:
    """Weather as services print it, and an answer that gives the temperature and the sky."""
    place, sky = request.values["city"], lexicons.value("weather", rng, split)
    degrees = rng.randint(-15, 39) if rng.random() < 0.7 else round(rng.uniform(-9, 39), 1)
    scale = "fahrenheit" if request.values.get("unit") == "fahrenheit" else "celsius"
    letter = scale[0].upper()
    if scale == "fahrenheit":
        degrees = rng.randint(5, 104)
    wind, humid = rng.randint(2, 80), rng.randint(15, 99)
    key = rng.choice(["temperature", "temp", "degrees", f"temp_{letter.lower()}", f"temperature_{scale}", "t"])
    sky_key = rng.choice(["condition", "conditions", "sky", "weather", "description", "summary"])
    fields: JSONish = {key: degrees, sky_key: sky}
    if rng.random() < 0.3:
        fields[rng.choice(["wind_kmh", "wind"])] = wind
    if rng.random() < 0.25:
        fields["humidity"] = humid
    if rng.random() < 0.3:
        fields = {rng.choice(["city", "location", "place"]): place, **fields}
    if rng.random() < 0.15:
        fields["unit"] = rng.choice([letter, scale])
    form = rng.random()
    if form < 0.55:
        printed = result_text(fields, rng, split)
    else:
        printed = rng.choice([f"{degrees}°{letter}, {sky}", f"{sky}, {degrees} degrees", f"{place}: {degrees}°{letter} and {sky}", f"{upper_first(sky)}, {degrees}°{letter}, wind {wind} km/h", f"{degrees} {letter}; {sky}; humidity {humid}%",
                              f"The weather in {place} is {sky} with {degrees}°{letter}.", f"{place} {degrees}{letter} {sky}", f"temp={degrees} sky={sky}", f"now {degrees}°, {sky}", f"It is {sky} and {degrees} degrees {scale}.",
                              json.dumps({"main": {"temp": degrees, "humidity": humid}, "weather": sky}), json.dumps({"current": {"temperature": degrees, "sky": sky}})])
    talk.results(printed)
    day = request.words.get("day", "")
    when = f" {day}" if day and rng.random() < 0.7 else ""
    unit = f" degrees {scale.capitalize()}" if "unit" in request.values else " degrees"
    lead = ""
    if re.search(r"umbrella|raincoat|rain", request.text.lower()):
        lead = "Yes. " if any(word in sky for word in WET) else "No. " if any(word in sky for word in DRY) else ""
    verb = "will be" if when and "today" not in when and rng.random() < 0.6 else "is"
    text = rng.choice([f"It {verb} {degrees}{unit} and {sky} in {place}{when}.", f"In {place} it {verb} {degrees}{unit}{when}, {sky}.", f"{place}: {degrees}{unit}, {sky}.", f"The weather in {place}{when}: {sky}, {degrees}{unit}.",
                       f"It {verb} {sky} in {place}{when}, with {degrees}{unit}.", f"{upper_first(sky)} and {degrees}{unit} in {place}{when}."])
    talk.says(lead + text, [[sky], *([[lead[:-2]]] if lead else [])], degrees)
    return fields


def report(talk: Talk, rng: random.Random, split: str, tool: Tool, request: Ask) -> JSONish | None:
    """The result of a call and the answer to it. Returns the fields of the result, None after an error."""
    form = rng.random()
    if tool.name == "get_weather" and form > 0.25:
        return report_weather(talk, rng, split, request)
    if form < 0.1 or not tool.answers:
        printed, message = error_result(rng, split)
        talk.results(printed)
        talk.says(rng.choice(APOLOGIES).format(e=message), [[message]])
        return None
    specs, template = rng.choice(tool.answers)
    usable = [(fields, text) for fields, text in tool.answers if all(key in request.values for key in schemas.slots(schemas.parse(text)) - {name for name, _ in fields})]
    if not usable:
        talk.results("ok")
        talk.says("Done.")
        return None
    specs, template = rng.choice(usable)
    if form < 0.14 and any(word in tool.name for word in ("search", "find", "list")):
        talk.results(rng.choice(EMPTY))
        talk.says(rng.choice(NOTHING), [["nothing"]])
        return None
    fields: JSONish = {}
    for key, kind in specs:
        fields[key] = request.values[kind[4:]] if kind.startswith("arg:") else True if kind == "const:true" else lexicons.value(kind, rng, split)
    talk.results(result_text(fields, rng, split))
    named = schemas.slots(schemas.parse(template))

    def say(key: str) -> str:
        if key in fields:
            return str(fields[key])
        value = request.values[key]
        return request.words.get(key, str(value)) if tool.param(key).type in ("enum", "list") else str(value)

    text = upper_first(schemas.render(schemas.parse(template), rng, say, {}))
    numbers = [fields[key] for key in named if key in fields and isinstance(fields[key], int | float) and not isinstance(fields[key], bool)]
    copied = [[str(fields[key])] for key in sorted(named) if key in fields and isinstance(fields[key], str)]
    talk.says(text, copied or None, None)
    for number in numbers:
        talk.checks.append({"turn": len(talk.messages) - 1, "kind": "number", "value": number})
    return fields


# ---------------------------------------------------------------- calculator

CALCULATE = ["what is {e}?", "what's {e}?", "calculate {e}", "compute {e}", "how much is {e}?", "work out {e}", "{e} = ?", "{e}", "evaluate {e}", "use the calculator for {e}", "please solve {e}",
             "what does {e} come to?", "can you calculate {e}?", "I need the result of {e}", "tell me {e}", "give me {e}", "{e}, please", "what do I get for {e}?", "do the math: {e}",
             "figure out {e}", "what's the answer to {e}?", "could you work out {e} for me?", "quick: {e}", "result of {e}?", "run {e} through the calculator", "{e} is how much?", "{e} makes?",
             "my homework says {e}, what is it?", "the value of {e}, please", "put {e} into the calculator", "check {e} for me", "let me know what {e} is"]
# What is said, and the expression that is meant; a, b, c are numbers.
WORDED = """what is {a} times {b}? => {a} * {b}
what is {a} x {b}? => {a} * {b}
{a} × {b} => {a} * {b}
{a} ÷ {b} => {a} / {b}
what is {a} multiplied by {b}? => {a} * {b}
multiply {a} by {b} => {a} * {b}
multiply {a} and {b} => {a} * {b}
the product of {a} and {b} => {a} * {b}
what is {a} plus {b}? => {a} + {b}
add {a} and {b} => {a} + {b}
add {a} to {b} => {b} + {a}
the sum of {a} and {b}? => {a} + {b}
sum up {a}, {b} and {c} => {a} + {b} + {c}
add up {a}, {b} and {c} => {a} + {b} + {c}
what is {a} minus {b}? => {a} - {b}
subtract {b} from {a} => {a} - {b}
take {b} away from {a} => {a} - {b}
the difference between {a} and {b} => {a} - {b}
what is {a} divided by {b}? => {a} / {b}
divide {a} by {b} => {a} / {b}
{a} over {b}? => {a} / {b}
the quotient of {a} and {b} => {a} / {b}
what is {a} plus {b} times {c}? => {a} + {b} * {c}
{a} times {b} plus {c} => {a} * {b} + {c}
{a} times {b} minus {c}, what is that? => {a} * {b} - {c}
{a} plus {b} minus {c}? => {a} + {b} - {c}
what is {a} times {b} times {c}? => {a} * {b} * {c}
{a} divided by {b} plus {c} => {a} / {b} + {c}
what is {p} percent of {a}? => {p} / 100 * {a}
what is {p}% of {a}? => {p} / 100 * {a}
calculate {p} % of {a} => {p} / 100 * {a}
how much is {p} percent of {a}? => {p} / 100 * {a}
what is {n} squared? => {n} ** 2
the square of {n} => {n} ** 2
{n} to the power of {k}? => {n} ** {k}
what is {n}^{k}? => {n} ** {k}
what is the square root of {n}? => sqrt({n})
square root of {n} => sqrt({n})
what is half of {a}? => {a} / 2
what is twice {a}? => {a} * 2
double {a} => {a} * 2
the average of {a} and {b} => ({a} + {b}) / 2
what is the average of {a}, {b} and {c}? => ({a} + {b} + {c}) / 3
{k} boxes cost {a} each. What do I pay? => {k} * {a}
I buy {k} tickets at {a} each, how much is that? => {k} * {a}
one bottle is {a}, I need {k}. Total? => {a} * {k}
{k} people each pay {a}, what is the total? => {k} * {a}
I had {a} and spent {b}. What is left? => {a} - {b}
I had {a} and got {b} more, how much do I have now? => {a} + {b}
we share {a} among {k} people, how much does each get? => {a} / {k}
split {a} between {k} friends => {a} / {k}
a room is {a} m by {b} m, what is its area? => {a} * {b}
a field measures {a} by {b} metres. Area? => {a} * {b}
I drove {a} km in {k} hours. What was my average speed? => {a} / {k}
{k} bags of {a} kg, how heavy is that in all? => {k} * {a}
I earn {a} an hour and worked {b} hours, what do I get? => {a} * {b}
rent is {a} a month, what is that for {k} months? => {a} * {k}
{k} items at {a} plus {b} for shipping, how much? => {k} * {a} + {b}
I pay {a} for the hotel and {b} for food. Together? => {a} + {b}
the bill is {a} and I pay with {b}, what is the change? => {b} - {a}
add {a} and {b}, then multiply by {c} => ({a} + {b}) * {c}
subtract {b} from {a} and divide by {c} => ({a} - {b}) / {c}
take {a}, add {b}, and divide everything by {c} => ({a} + {b}) / {c}
how many minutes are {k} hours? => {k} * 60
how many hours are {k} days? => {k} * 24
{a} litres shared by {k} buckets, how much goes into each? => {a} / {k}
each of {k} shelves holds {n} books, how many is that? => {k} * {n}
my car uses {a} litres per 100 km, how much for {n} km? => {a} / 100 * {n}""".splitlines()
CALCULATED = ["{e} = {r}", "{e} is {r}.", "The result is {r}.", "That is {r}.", "It comes to {r}.", "The answer is {r}.", "That makes {r}.", "You get {r}."]


def _number(rng: random.Random) -> str:
    form = rng.random()
    if form < 0.35:
        return str(rng.randint(2, 99))
    if form < 0.55:
        return str(rng.randint(100, 9999))
    return str(lexicons.decimal(rng, 0.2, rng.choice([20, 100, 900])))


def ask_calculator(rng: random.Random, split: str) -> Ask:
    if rng.random() < 0.5:
        expression = lexicons.value("expression", rng, split)
        form = rng.random()
        if form < 0.2:
            expression = expression.replace(" ", "")
        template = rng.choice(CALCULATE)
        text = schemas.dress(template.replace("{e}", expression), template, rng, {"e": expression})
        return Ask(text, {"expression": expression}, {"expression": expression})
    said, meant = rng.choice(WORDED).split(" => ")
    numbers = {"a": _number(rng), "b": _number(rng), "c": _number(rng), "p": str(rng.choice([rng.randint(1, 99), rng.choice([2.5, 7.5, 12.5, 17.5, 0.5])])), "n": str(rng.randint(2, 400)),
               "k": str(rng.randint(2, 12))}
    text, expression = said.format(**numbers), meant.format(**numbers)
    return Ask(schemas.dress(text, said, rng, numbers), {"expression": expression}, {"expression": expression})


def evaluate(expression: str) -> float | int | None:
    try:
        found = eval(expression, {"__builtins__": {}, "sqrt": sqrt})
    except (ZeroDivisionError, SyntaxError, OverflowError, ValueError):
        return None
    if abs(found) > 1e12 or isinstance(found, complex):
        return None
    rounded = round(found, 4)
    return int(rounded) if rounded == int(rounded) else rounded


def report_calculation(talk: Talk, rng: random.Random, split: str, expression: str) -> None:
    found = evaluate(expression)
    if found is None or rng.random() < 0.04:
        printed, message = error_result(rng, split)
        if found is None:
            message = "division by zero" if "/" in expression else "result too large"
            printed = f"Error: {message}"
        talk.results(printed)
        talk.says(rng.choice(APOLOGIES).format(e=message), [[message]])
        return
    form = rng.random()
    number = f"{found:.4f}".rstrip("0").rstrip(".") if isinstance(found, float) else str(found)
    if number in ("-0", ""):
        number = "0"
    printed = number if form < 0.5 else json.dumps({"result": found}) if form < 0.7 else f"result: {number}" if form < 0.8 else f"{expression} = {number}" if form < 0.9 else f"= {number}"
    shown = number
    if form < 0.1 and isinstance(found, int):
        printed = f"{found}.0"
    talk.results(printed)
    expression = expression if rng.random() < 0.7 or len(expression) < 30 else ""
    template = rng.choice([text for text in CALCULATED if expression or "{e}" not in text])
    talk.says(template.format(e=expression, r=shown), number=float(number))


# ---------------------------------------------------------------- shell

def _commands() -> list[tuple[str, list[str]]]:
    found = []
    for line in Path(__file__).with_suffix(".txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            command, requests = line.split(" => ", 1)
            found.append((command, requests.split(" | ")))
    return found


COMMANDS = _commands()
# What the file tools cannot do, so that a request for it means the shell even beside them.
NO_FILE_COMMANDS = [(command, requests) for command, requests in COMMANDS if command.split()[0] not in {
    "ls", "cat", "head", "tail", "less", "touch", "echo", "nano", "tree", "find", "grep", "sed", "cut", "file", "stat", "sort", "cd"}]
SHELL_KINDS = {"dir": "dir", "n": "int:2-60", "n5": "int:100-99999", "n1": "int:1-9", "mode": "oneof:644/755/600/700/640/400/777/444", "target": "oneof:clean/install/test/all/docs/lint/release/check/format/run",
               "program": "oneof:python/git/node/gcc/clang/docker/curl/vim/ffmpeg/htop/jq/tmux/make/cmake/java/go/rustc/ruby/perl/npm/tree/ripgrep/wget/nano", "stem": "stem"}
DICTATED = ["run {c}", "run `{c}`", "execute {c}", "execute `{c}`", "please run \"{c}\" in the shell", "run the command {c}", "run this command: {c}", "in the terminal: {c}", "{c}", "$ {c}", "type {c} into the shell",
            "shell: {c}", "can you run `{c}`?", "use the shell to run {c}", "what does `{c}` print?", "what is the output of `{c}`?", "execute the command `{c}` for me", "I want you to run `{c}`", "bash: {c}",
            "try `{c}`", "run {c} please", "do a {c}", "show me the output of {c}", "start {c} in the terminal", "the command is {c}, run it", "could you execute {c} and tell me the output?", "launch `{c}`"]
ODD_COMMANDS = ["./{stem}.sh", "./{stem}.sh --{word}", "bash {stem}.sh {word}", "{program} --help", "python3 {stem}.py --{word} {n}", "python -m {word}", "{word} --{noun1}={n}", "./bin/{word} -v -n {n}", "node {stem}.js",
                "cat {file} | grep {word}", "ls {folder} | head -n {n}", "ps aux | grep {program}", "echo \"{sentence}\"", "export {identifier}={id}", "make {word}", "{word} {id}", "git show {sha}",
                "docker exec -it {service} sh", "kubectl get pods", "kubectl logs {service}", "ffmpeg -i {file} {file2}", "gcc {stem}.c -o {word}", "rm -rf {dir}", "date +%s", "du -sh *", "ls *.{ext}",
                "find {folder} -mtime -{n1}", "awk '{print $1}' {file}", "xargs -n {n1} echo", "flashmoe --memory {n}MiB", "python -m flashmoe", "redis-cli get {word}", "psql -c \"{sql}\"", "curl -X POST {url}"]


def _filled(template: str, rng: random.Random, split: str, known: dict[str, str]) -> str:
    def slot(match: re.Match[str]) -> str:
        key = match[1]
        if key not in known:
            known[key] = _shell_value(key, rng, split)
        return known[key]
    return re.sub(r"\{([a-z0-9]+)\}", slot, template)


def _shell_value(key: str, rng: random.Random, split: str) -> str:
    base = key if key in ("n5", "n1") else key.rstrip("123")
    if base in ("dir", "stem", "ext"):
        return lexicons.directory(rng, split) if base == "dir" else lexicons.stem(rng, split) if base == "stem" else lexicons.lex("ext", rng, split)
    return str(lexicons.value(SHELL_KINDS.get(base, base), rng, split))


def ask_shell(rng: random.Random, split: str, files_offered: bool) -> Ask:
    known: dict[str, str] = {}
    if rng.random() < (0.45 if files_offered else 0.3):
        template = rng.choice(ODD_COMMANDS) if rng.random() < 0.5 else rng.choice(COMMANDS)[0]
        command = _filled(template, rng, split, known)
        while "|" in command and rng.random() < 0.7:
            command = _filled(rng.choice(ODD_COMMANDS), rng, split, {})
        spoken = rng.choice(DICTATED)
        if spoken in ("{c}", "do a {c}") and " " in command and rng.random() < 0.5:
            spoken = "run `{c}`"
        text = spoken.replace("{c}", command)
        if rng.random() < 0.4 and spoken[0] not in "{$":
            text = upper_first(text)
        return Ask(text, {"command": command}, {"command": command})
    command_template, requests = rng.choice(NO_FILE_COMMANDS if files_offered else COMMANDS)
    command = _filled(command_template, rng, split, known)
    template = rng.choice(requests)
    text = schemas.render(schemas.parse(template), rng, lambda key: known.setdefault(key, _shell_value(key, rng, split)), {})
    question = re.match(r"(what|which|how|where|who|is|are|when|on which|in which|why)\b", text)
    if question and not text.endswith("?") and "," not in text[-12:] and rng.random() < 0.8:
        text += "?"
    dressed = schemas.dress(text, template, rng, known)
    if rng.random() < 0.06:
        dressed = rng.choice(["In the shell: ", "Terminal: ", "Use the shell. ", "On this machine: "]) + dressed
    return Ask(dressed, {"command": command}, {"command": command})


def report_shell(talk: Talk, rng: random.Random, split: str, command: str) -> None:
    """The output of a command and the answer: known commands get their own, others a line or a number."""
    if rng.random() < 0.1:
        printed, message = error_result(rng, split)
        if rng.random() < 0.5:
            program = command.split()[0]
            message = rng.choice(["command not found", "permission denied", "no such file or directory", "operation not permitted"])
            printed = f"{rng.choice(['bash: ', 'sh: ', ''])}{program}: {message}"
        talk.results(printed)
        talk.says(rng.choice(APOLOGIES).format(e=message), [[message]])
        return
    program = command.split()[0]
    value: str
    if command == "pwd":
        value = lexicons.value("folder", rng, split)
        printed, text = value, rng.choice([f"You are in {value}.", f"The current folder is {value}.", f"The working directory is {value}."])
    elif command == "whoami":
        value = lexicons.value("username", rng, split)
        printed, text = value, rng.choice([f"You are {value}.", f"The user is {value}."])
    elif command == "hostname":
        value = lexicons.value("host", rng, split)
        printed, text = value, f"This machine is called {value}."
    elif command == "nproc":
        value = str(rng.choice([1, 2, 4, 6, 8, 12, 16, 24, 32, 64, 96, 128]))
        printed, text = value, f"There are {value} cores."
    elif command.startswith("wc -"):
        value = str(rng.randint(0, 9999))
        unit = {"-l": "lines", "-w": "words", "-c": "bytes"}[command.split()[1]]
        printed, text = f"{value} {command.split()[-1]}", rng.choice([f"{command.split()[-1]} has {value} {unit}.", f"There are {value} {unit}."])
    elif command.startswith("df"):
        free, total = f"{rng.randint(1, 400)}G", f"{rng.randint(401, 999)}G"
        percent = f"{rng.randint(1, 99)}%"
        value = free
        printed, text = f"Filesystem Size Used Avail Use% Mounted on\n/dev/sda1 {total} {rng.randint(1, 400)}G {free} {percent} /", f"{free} of {total} are free."
    elif command.startswith("du -sh"):
        value = f"{rng.randint(1, 999)}{rng.choice('KMG')}"
        printed, text = f"{value}\t{command.split()[-1]}", f"It takes {value}."
    elif command == "git branch":
        value = lexicons.value("branch", rng, split)
        printed, text = f"  {lexicons.value('branch', rng, split)}\n* {value}", f"You are on the branch {value}."
    elif command == "git status":
        value = lexicons.value("path", rng, split)
        printed, text = f"On branch main\nmodified: {value}", f"{value} was modified."
        if rng.random() < 0.4:
            value = "clean"
            printed, text = "On branch main\nnothing to commit, working tree clean", "There is nothing to commit; the working tree is clean."
    elif program in ("ls", "find") or command == "docker ps":
        names = lexicons.several("file" if program != "docker" else "service", rng, split, 1, 5)
        value = names[-1]
        printed = rng.choice(["\n", "\n", "  "]).join(names)
        what = "file" if program != "docker" else "container"
        text = rng.choice([f"There {'is' if len(names) == 1 else 'are'} {len(names)} {what}{'' if len(names) == 1 else 's'}: {lexicons.enumerate_words(names, random.Random(1))}.", f"I see {lexicons.enumerate_words(names, random.Random(1))}."])
    elif command.endswith("--version"):
        value = lexicons.value("version", rng, split).lstrip("v")
        printed, text = f"{program} {rng.choice(['', 'version '])}{value}", f"{program} is at version {value}."
    elif program in ("mkdir", "rm", "cp", "mv", "touch", "cd", "rmdir", "chmod", "chown", "ln", "kill", "clear", "sleep"):
        printed = rng.choice(["", "", "(no output)", "exit code 0", "ok"])
        talk.results(printed)
        talk.says(rng.choice(["Done.", f"Done: {command}", "That worked.", "It worked without any output."]), None)
        return
    elif program == "date":
        value = f"{lexicons.value('time', rng, split)}"
        printed, text = f"{rng.choice(lexicons.WEEKDAYS)[:3]} {rng.choice(lexicons.MONTHS)[:3]} {rng.randint(1, 28)} {value} UTC {rng.randint(2023, 2031)}", f"It is {value}."
        if command != "date":
            value = str(rng.randint(1000000000, 1999999999))
            printed, text = value, f"The output is {value}."
    elif program == "uptime":
        value = f"{rng.randint(1, 400)} days"
        printed, text = f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d} up {value}, {rng.randint(1, 9)} users", f"The machine has been up for {value}."
    else:
        value = lexicons.value(rng.choice(["sentence", "id", "path", "int:0-9999", "version", "text"]), rng, split)
        value = str(value)
        printed, text = value, rng.choice([f"The output is: {value}", f"It prints: {value}", f'The command printed "{value}".'])
    talk.results(printed)
    talk.says(text, [[value]])


# ---------------------------------------------------------------- cases

def wanted_tool(rng: random.Random, split: str) -> Tool:
    form = rng.random()
    if form < 0.4:
        return rng.choice(list(schemas.BUILTIN.values()))
    if form < 0.74:
        return rng.choice(schemas.BY_SPLIT[split])
    return schemas.synthetic(rng, split)


def request_for(tool: Tool, rng: random.Random, split: str, files_offered: bool = False) -> Ask:
    if tool.name == "calculator":
        return ask_calculator(rng, split)
    if tool.name == "run_shell":
        return ask_shell(rng, split, files_offered)
    return schemas.ask(tool, rng, split)


FILE_TOOLS = {"read_file", "write_file", "list_files"}


def start(rng: random.Random, split: str, tool: Tool | None = None, extra: int | None = None) -> tuple[Talk, Offered, Ask]:
    """A request and the call for it."""
    tool = tool or wanted_tool(rng, split)
    avoid: set[str] = set()
    files_offered = False
    if tool.name == "run_shell":
        files_offered = rng.random() < 0.3
        if not files_offered:
            avoid = FILE_TOOLS
    request = request_for(tool, rng, split, files_offered)
    if tool.name in FILE_TOOLS and rng.random() < 0.6:
        avoid = {"run_shell"}
    offered, tools = offer_all(rng, split, [(tool, set(request.values))], extra, avoid)
    talk = Talk(rng, tools)
    talk.user(request.text)
    talk.calls((offered[0].name, offered[0].arguments(request.values)))
    return talk, offered[0], request


def answer(talk: Talk, rng: random.Random, split: str, tool: Tool, request: Ask) -> JSONish | None:
    if tool.name == "calculator":
        report_calculation(talk, rng, split, request.values["expression"])
        return None
    if tool.name == "run_shell":
        report_shell(talk, rng, split, request.values["command"])
        return None
    return report(talk, rng, split, tool, request)


THANKS = [("Thanks!", "You're welcome!"), ("Thank you.", "You're welcome."), ("Great, thanks.", "Glad to help!"), ("Perfect.", "Glad that worked."), ("ok", "Let me know if you need anything else."),
          ("Cool, thank you!", "You're welcome!"), ("Nice.", "Glad to help."), ("thx", "You're welcome!"), ("That's all, bye.", "Goodbye!"), ("Good, that was all.", "Glad to help. Goodbye!")]


def single(rng: random.Random, split: str) -> Conversation:
    talk, one, request = start(rng, split)
    if rng.random() < 0.5:
        answer(talk, rng, split, one.tool, request)
        form = rng.random()
        if form < 0.1:
            said, reply = rng.choice(THANKS)
            talk.user(said)
            talk.says(reply, no_call=True)
        elif form < 0.35:
            follow(talk, rng, split, one, request)
        elif form < 0.45:
            second_request(talk, rng, split, one)
    return talk.done()


def second_request(talk: Talk, rng: random.Random, split: str, one: Offered) -> None:
    """The same tool once more, in other words."""
    request = request_for(one.tool, rng, split)
    if all(key in one.keys for key in request.values):
        talk.user(request.text)
        talk.calls((one.name, one.arguments(request.values)))
        if rng.random() < 0.4:
            answer(talk, rng, split, one.tool, request)


FOLLOW_PLAIN = ["And {v}?", "and {v}?", "What about {v}?", "Now {v}.", "The same for {v}, please.", "And for {v}?", "How about {v}?", "{v} too, please.", "Do the same with {v}.", "ok, and {v}", "Same for {v}", "Then {v}.",
                "Now the same with {v}", "Again, but {v}.", "And now {v}?", "Also {v}."]
FOLLOW_INSTEAD = ["Sorry, I meant {v}.", "Make that {v} instead.", "No, {v}.", "{v} instead, please.", "Change it to {v}.", "Actually, {v}.", "I meant {v}, not {old}.", "Not {old}, {v}!", "Oops, {v} instead of {old}.",
                  "Better {v}.", "Could you do {v} instead of {old}?"]
FOLLOW_LABEL = ["Now with {l} {v}.", "Change the {l} to {v}.", "Same again, but with {l} {v}.", "And with the {l} {v}?", "Set the {l} to {v} instead.", "The {l} should be {v}.", "Again, with {v} as the {l}.", "Use {v} for the {l}.",
                "The same, but the {l} is {v}.", "Make the {l} {v}.", "Once more with {l}: {v}", "{l}: {v} instead", "Sorry, the {l} is {v}.", "Repeat it with {l} {v}."]
FOLLOW_CITY = ["And in {v}?", "and in {v}?", "What about {v}?", "How is it in {v}?", "And {v}?", "Now in {v}.", "the same for {v}", "And over in {v}?", "How about {v}?", "Now {v}, please.", "Is it any better in {v}?"]


def follow(talk: Talk, rng: random.Random, split: str, one: Offered, request: Ask) -> bool:
    """A turn that changes one argument."""
    tool = one.tool
    if tool.name in ("run_shell", "calculator"):
        return False
    changeable = [param for param in tool.params if param.key in request.values and param.type in ("str", "int", "num", "enum")]
    addable = [param for param in tool.params if param.key in one.keys and param.key not in request.values and param.type in ("str", "int", "num", "enum")]
    if not changeable:
        return False
    adding = bool(addable) and rng.random() < 0.3
    param = rng.choice(addable if adding else changeable)
    words, value = schemas.sample(param, rng, split)
    if value == request.values.get(param.key):
        return False
    old = request.words.get(param.key, "")
    twins = [other for other in tool.params if other.key in request.values and other.kind == param.kind and other.type == param.type and other.key != param.key]
    typed_twins = [other for other in tool.params if other.key in request.values and other.type == param.type and other.key != param.key]
    if tool.name == "get_weather" and param.key == "unit":
        text = rng.choice([f"And in {words}?", f"In {words}, please.", f"Can I have that in {words}?", f"What is that in {words}?", f"Give it to me in {words}.", f"{words}, please."])
    elif tool.name == "get_weather" and param.key == "day":
        text = rng.choice([f"And {words}?", f"What about {words}?", f"How will it be {words}?", f"And the weather {words}?", f"Is it better {words}?"])
    elif tool.name == "get_weather":
        text = rng.choice(FOLLOW_CITY).format(v=words)
    elif param.type == "str" and not adding and not twins and (not typed_twins or len(request.values) == 1 or param.kind in ("city", "email", "name", "path", "isodate", "url", "phone")) and param.kind not in schemas.FREE_TEXT:
        text = rng.choice(FOLLOW_PLAIN if rng.random() < 0.6 or not old else FOLLOW_INSTEAD).format(v=words, old=old)
    else:
        text = rng.choice(FOLLOW_LABEL).format(v=f'"{words}"' if param.kind in schemas.FREE_TEXT and '"' not in words else words, l=one.label(param.key))
    values = {**request.values, param.key: value}
    talk.user(text)
    talk.calls((one.name, one.arguments(values)))
    if rng.random() < 0.3:
        answer(talk, rng, split, tool, Ask(text, values, {**request.words, param.key: words}))
    return True


def follow_up(rng: random.Random, split: str) -> Conversation:
    tool = schemas.BUILTIN["get_weather"] if rng.random() < 0.35 else None
    while tool is None or tool.name in ("calculator", "run_shell"):
        tool = wanted_tool(rng, split)
    talk, one, request = start(rng, split, tool)
    report(talk, rng, split, one.tool, request)
    follow(talk, rng, split, one, request)
    return talk.done()


# Two values of one parameter, both said in one request: {x} and {y}.
PAIRS: dict[str, list[str]] = {
    "get_weather": ["what's the weather in {x} and {y}?", "weather in {x} and in {y}", "compare the weather in {x} and {y}", "is it warmer in {x} or in {y}?", "check the weather for {x} and also for {y}", "how is the weather in {x}, and in {y}?",
                    "{x} and {y}: weather please", "I need the forecast for both {x} and {y}", "is it raining in {x}? And in {y}?", "get me the weather of {x} and {y}", "which is colder, {x} or {y}?", "I travel from {x} to {y}. What's the weather in both?",
                    "temperature in {x} and {y}, please"],
    "read_file": ["read {x} and {y}", "show me {x} and {y}", "open {x} and then {y}", "what's in {x} and in {y}?", "compare {x} with {y}", "I need the contents of both {x} and {y}", "cat {x} and {y}", "what do {x} and {y} say?", "print {x}, then {y}",
                  "look into {x} and {y}", "{x} and {y}: show me both", "open both files, {x} and {y}"],
    "list_files": ["list {x} and {y}", "what's in {x} and {y}?", "show the files in {x} and in {y}", "which files are in {x}, and which in {y}?", "list the folders {x} and {y}", "look into {x} and {y}"],
    "calculator": ["what is {x} and what is {y}?", "calculate {x} and {y}", "compute {x}, then {y}", "{x} and {y}, please", "work out both {x} and {y}", "I need {x} and also {y}"],
    "run_shell": ["run `{x}` and `{y}`", "first run {x}, then {y}", "execute {x} and after that {y}", "run `{x}`, then `{y}`", "please run both: {x} and {y}"],
}


def pair(rng: random.Random, split: str) -> Conversation:
    """Two calls in one answer: two values for one tool, or two requests."""
    if rng.random() < 0.08:
        return triple(rng, split)
    if rng.random() < 0.45:
        name = rng.choices(list(PAIRS), [40, 25, 10, 13, 12])[0]
        tool = schemas.BUILTIN[name]
        param = next(param for param in tool.params if param.required)
        kind = {"run_shell": ""}.get(name, param.kind)
        if name == "run_shell":
            first, second = ({"c": rng.choice(["ls", "pwd", "whoami", "df -h", "git status", "date", "uptime", "free -h", f"cat {lexicons.file(rng, split)}", f"mkdir {lexicons.directory(rng, split)}", f"cd {lexicons.directory(rng, split)}",
                                                 f"python {lexicons.stem(rng, split)}.py", "make", "git pull", "npm install", f"pip install {lexicons.value('package', rng, split)}", f"ls {lexicons.folder(rng, split)}"])}["c"] for _ in range(2))
        else:
            first, second = lexicons.value(kind, rng, split), lexicons.value(kind, rng, split)
        if first == second:
            return single(rng, split)
        template = rng.choice(PAIRS[name])
        words = {"x": str(first), "y": str(second)}
        text = schemas.dress(template.format(x=first, y=second), template, rng, words)
        offered, tools = offer_all(rng, split, [(tool, {param.key})], avoid={"run_shell"} if name in FILE_TOOLS else FILE_TOOLS if name == "run_shell" else None)
        talk = Talk(rng, tools)
        talk.user(text)
        talk.calls(*((offered[0].name, offered[0].arguments({param.key: value})) for value in (first, second)))
        if name == "get_weather" and rng.random() < 0.5:
            degrees = [rng.randint(-9, 35), rng.randint(-9, 35)]
            skies = [lexicons.value("weather", rng, split) for _ in range(2)]
            talk.results(*(result_text({"temperature": degree, "condition": sky}, rng, split) for degree, sky in zip(degrees, skies, strict=True)))
            talk.says(rng.choice([f"It is {degrees[0]} degrees in {first} and {degrees[1]} degrees in {second}.", f"{first}: {degrees[0]} degrees, {skies[0]}. {second}: {degrees[1]} degrees, {skies[1]}."]), [[str(degrees[0])], [str(degrees[1])]])
        elif name == "read_file" and rng.random() < 0.4:
            texts = [lexicons.text(rng, split) for _ in range(2)]
            talk.results(*texts)
            talk.says(f'{first} says "{texts[0]}" and {second} says "{texts[1]}".', [[texts[0]], [texts[1]]])
        elif name == "calculator" and rng.random() < 0.5:
            found = [evaluate(expression) for expression in (first, second)]
            if None not in found:
                talk.results(*(str(number) for number in found))
                talk.says(f"{first} is {found[0]} and {second} is {found[1]}.", [[str(number).lstrip("-")] for number in found])
        return talk.done()
    if rng.random() < 0.5:   # one tool, twice, from two full requests
        tool = wanted_tool(rng, split)
        requests = [plain_request(tool, rng, split) for _ in range(2)]
        wanted = [(tool, set(requests[0].values) | set(requests[1].values))]
    else:
        tool, other = wanted_tool(rng, split), wanted_tool(rng, split)
        if conflicting(tool, other) or {tool.name, other.name} & FILE_TOOLS and "run_shell" in (tool.name, other.name):
            return single(rng, split)
        requests = [plain_request(tool, rng, split), plain_request(other, rng, split)]
        wanted = [(tool, set(requests[0].values)), (other, set(requests[1].values))]
    if requests[0].text == requests[1].text:
        return single(rng, split)
    avoid = FILE_TOOLS if any(tool.name == "run_shell" for tool, _ in wanted) else {"run_shell"} if any(tool.name in FILE_TOOLS for tool, _ in wanted) else None
    offered, tools = offer_all(rng, split, wanted, rng.choice([0, 0, 1, 2]), avoid)
    if len({one.name for one in offered}) < len(offered):
        return single(rng, split)
    talk = Talk(rng, tools)
    first_text, second_text = requests[0].text, requests[1].text
    stop = "" if first_text[-1] in ".?!" else "."
    joins = [f"{first_text}{stop} And {second_text[:1].lower() + second_text[1:] if second_text[:2].istitle() and not second_text.startswith('I') else second_text}", f"{first_text}{stop} {upper_first(second_text)}",
             f"Two things: {first_text}{stop} {upper_first(second_text)}", f"1. {first_text}\n2. {second_text}", f"{first_text}{stop} Also: {second_text}", f"{first_text}{stop} Then {second_text[:1].lower() + second_text[1:] if second_text[:2].istitle() and not second_text.startswith('I') else second_text}",
             f"- {first_text}\n- {second_text}"]
    talk.user(rng.choice(joins))
    pairs = [(offered[min(index, len(offered) - 1)], request) for index, request in enumerate(requests)]
    talk.calls(*((one.name, one.arguments(request.values)) for one, request in pairs))
    return talk.done()


TRIPLES = {"get_weather": ["what's the weather in {x}, {y} and {z}?", "weather for {x}, {y}, {z}", "compare {x}, {y} and {z}: which is warmest?", "check {x}, {y} and also {z}, weather please", "is it raining in {x}, {y} or {z}?", "how is the weather in {x}, in {y} and in {z}?"],
           "read_file": ["read {x}, {y} and {z}", "show me {x}, {y} and {z}", "what's in {x}, {y} and {z}?", "open these files: {x}, {y}, {z}", "I need {x}, {y} and {z}, print all three"]}


def triple(rng: random.Random, split: str) -> Conversation:
    """Three values for one tool."""
    name = rng.choice(list(TRIPLES))
    tool = schemas.BUILTIN[name]
    param = next(param for param in tool.params if param.required)
    values = lexicons.several(param.kind, rng, split, 3, 3)
    template = rng.choice(TRIPLES[name])
    words = dict(zip("xyz", map(str, values), strict=False))
    if len(words) < 3:
        return single(rng, split)
    offered, tools = offer_all(rng, split, [(tool, {param.key})], avoid={"run_shell"})
    talk = Talk(rng, tools)
    talk.user(schemas.dress(template.format(**words), template, rng, words))
    talk.calls(*((offered[0].name, offered[0].arguments({param.key: value})) for value in values))
    return talk.done()


RECORD_VERBS = ["get", "fetch", "lookup", "find", "read", "show", "load", "query"]


def record_question(rng: random.Random, split: str) -> Conversation:
    """A tool returns a whole record; the question is about one or two of its fields, later ones need no new call."""
    domain = rng.choice(extract.usable(split))
    noun = words_of(domain.name)
    thing = domain.name
    verb = rng.choice(RECORD_VERBS)
    id_kind = rng.choice(["id", "id", "hex", "int:10-99999", "code"])
    key = rng.choice([f"{thing}_id", "id", f"{thing}_number", "ref", f"{thing}_code"])
    tool = Tool([f"{verb}_{thing}"], noun, [f"Get the data of a {noun}", f"Look up a {noun} by its id", f"Returns everything that is known about a {noun}"], [schemas.Param([key], "int" if id_kind.startswith("int") else "str", id_kind, f"Which {noun}", True)])
    names, words, values = {}, {}, {}
    for one in rng.sample(domain.fields, min(len(domain.fields), rng.randint(3, 6))):
        names[one.key] = one.key if rng.random() < 0.6 else rng.choice(one.keys)
        words[one.key], values[one.key] = extract.sample(one, rng, split)
    if len(set(names.values())) < len(names):
        names = {key_: key_ for key_ in names}
    askable = [one.key for one in domain.fields if one.key in values and one.type != "bool" and key not in (names[one.key], one.key)]
    if len(askable) < 2:
        return single(rng, split)
    asked = rng.sample(askable, 2)
    target_words, target = schemas.sample(tool.params[0], rng, split)
    labels = [words_of(names[one]) for one in asked]
    template = rng.choice(["what is the {l} of {n} {t}?", "what's the {l} of the {n} {t}?", "tell me the {l} of {n} {t}", "I need the {l} for the {n} {t}", "{n} {t}: {l}?", "look up the {l} of {n} {t}", "which {l} does the {n} {t} have?",
                           "can you find the {l} of {n} {t}?", "find {n} {t} and tell me the {l}", "give me the {l} of the {n} with the id {t}", "check {n} {t}, what is its {l}?"])
    both = rng.random() < 0.25
    text = template.format(l=" and the ".join(labels) if both else labels[0], n=noun, t=target_words)
    offered, tools = offer_all(rng, split, [(tool, {key})], rng.choice([0, 0, 1, 2]))
    talk = Talk(rng, tools)
    talk.user(schemas.dress(text, template if not template.startswith("{n}") else "record", rng, {"t": target_words, "l": labels[0], "m": labels[1]}))
    talk.calls((offered[0].name, offered[0].arguments({key: target})))
    shown = {names[one]: value for one, value in values.items()}
    if rng.random() < 0.3:
        shown = {key: target, **shown}
    form = rng.random()
    printed = json.dumps(shown, ensure_ascii=False) if form < 0.6 else json.dumps({thing: shown}, ensure_ascii=False) if form < 0.7 else "\n".join(f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}" for name, value in shown.items())
    talk.results(printed)

    def say(index: int) -> None:
        value = values[asked[index]]
        spoken = lexicons.enumerate_words(value, random.Random(1)) if isinstance(value, list) else str(value)
        reply = rng.choice(["The {l} is {v}.", "The {l} of {n} {t} is {v}.", "It is {v}.", "{n} {t} has the {l} {v}.", "Its {l} is {v}."]).format(l=labels[index], v=spoken, n=noun, t=target)
        if isinstance(value, list):
            talk.says(upper_first(reply), [[str(item)] for item in value])
        elif isinstance(value, int | float):
            talk.says(upper_first(reply), None, value)
        else:
            talk.says(upper_first(reply), [[value]])

    if both:
        spoken = [lexicons.enumerate_words(values[one], random.Random(1)) if isinstance(values[one], list) else str(values[one]) for one in asked]
        talk.says(f"The {labels[0]} is {spoken[0]} and the {labels[1]} is {spoken[1]}.", [[text] for text in spoken if not text.startswith("-")] or None)
        return talk.done()
    say(0)
    if rng.random() < 0.35:
        talk.user(rng.choice(["And the {l}?", "What about the {l}?", "and its {l}?", "Which {l}?", "Thanks. And the {l}?", "What is the {l}?", "I also need the {l}."]).format(l=labels[1]))
        say(1)
    elif rng.random() < 0.3:
        words2, other = schemas.sample(tool.params[0], rng, split)
        talk.user(rng.choice(["And for {v}?", "What about {v}?", "The same for {v}.", "and {v}?", "Now {v}, please."]).format(v=words2))
        talk.calls((offered[0].name, offered[0].arguments({key: other})))
    return talk.done()


def plain_request(tool: Tool, rng: random.Random, split: str) -> Ask:
    """A request without greetings around it."""
    request = request_for(tool, rng, split)
    for _ in range(4):
        if len(request.text) < 110 and not any(request.text.startswith(context) for context in schemas.CONTEXTS):
            break
        request = request_for(tool, rng, split)
    return request


ASK_BACK = ["Which {l} do you mean?", "What is the {l}?", "Please tell me the {l}.", "Which {l} should I use?", "Could you tell me the {l}?", "I need the {l} for that.", "What {l} should it be?", "Sure, which {l}?", "Which {l}?",
            "Can you give me the {l}?", "For that I need to know the {l}.", "Happy to. What is the {l}?"]
REPLIES = ["{v}", "{v}", "{v}, please", "Sorry, {v}.", "It's {v}", "{v}.", "Oh, {v}", "Use {v}", "I mean {v}", "Let's say {v}.", "{v} please", "The {l} is {v}.", "{l}: {v}", "Right, I forgot: {v}", "Take {v}."]


def missing(rng: random.Random, split: str) -> Conversation:
    """A required value was not said: ask for it; then it is said."""
    form = rng.random()
    tool: Tool | None = None
    for _ in range(12):
        tool = rng.choice([schemas.BUILTIN["get_weather"], schemas.BUILTIN["read_file"], schemas.BUILTIN["write_file"], schemas.BUILTIN["list_files"]]) if form < 0.3 else \
            rng.choice(schemas.BY_SPLIT[split]) if form < 0.72 else schemas.synthetic(rng, split)
        if tool.missing:
            break
    if not tool or not tool.missing:
        return single(rng, split)
    template, key = rng.choice(tool.missing)
    request = schemas.ask(tool, rng, split, template)
    offered, tools = offer_all(rng, split, [(tool, {*request.values, key})], avoid={"run_shell"})
    one = offered[0]
    talk = Talk(rng, tools)
    talk.user(request.text)
    label = one.label(key) if rng.random() < 0.5 and len(one.keys[key]) > 3 else words_of(key)
    labels = list(dict.fromkeys([label, words_of(key), one.label(key), *(words_of(name) for name in tool.param(key).keys)]))
    talk.says(rng.choice(ASK_BACK).format(l=label), [labels], no_call=True)
    if rng.random() < 0.6:
        words, value = schemas.sample(tool.param(key), rng, split)
        talk.user(rng.choice(REPLIES).format(v=words, l=label))
        values = {**request.values, key: value}
        talk.calls((one.name, one.arguments(values)))
        if rng.random() < 0.3:
            answer(talk, rng, split, tool, Ask("", values, {**request.words, key: words}))
    return talk.done()


SMALL_TALK = [("Hi!", "Hello! How can I help you?"), ("hello", "Hello! What can I do for you?"), ("Hey there", "Hi! What can I do for you?"), ("Good morning", "Good morning! How can I help?"), ("How are you?", "I'm fine, thanks. How can I help?"),
              ("Thanks for your help", "You're welcome!"), ("Thank you so much!", "You're welcome!"), ("bye", "Goodbye!"), ("See you tomorrow!", "See you!"), ("What's your name?", "I am flashmoe's small demonstration model."),
              ("Who are you?", "I am flashmoe's small demonstration model."), ("You are great", "Thank you, that is kind of you."), ("Are you a robot?", "I am a small language model, the demonstration model of flashmoe."),
              ("I'm tired today", "I'm sorry to hear that. I hope you can rest soon."), ("I had a great day", "That is lovely to hear!"), ("lol", "Glad you are having fun!"), ("Never mind", "No problem."), ("ok", "Okay. Let me know if you need anything."),
              ("Nothing, just testing", "All right, everything works."), ("Good night", "Good night, sleep well!"), ("Sorry", "No problem at all."), ("I'm bored", "Maybe a walk or a good book would help."), ("Tell me a joke", "Why did the bicycle fall over? It was two-tired."),
              ("That was wrong", "I'm sorry about that. Tell me how it should be."), ("Yes", "Okay."), ("What do you think of cats?", "Cats are lovely, quiet animals."), ("I feel sad", "I'm sorry that you feel sad. I hope it gets better soon."),
              ("Wish me luck!", "Good luck!"), ("It's my birthday", "Happy birthday!"), ("Merry Christmas!", "Merry Christmas to you too!"), ("You're funny", "Thank you!"), ("Do you like music?", "I cannot hear it, but I like to talk about it."),
              ("I don't understand", "Sorry, tell me what is unclear and I will try again."), ("What's up?", "Not much, I'm ready to help."), ("Please wait a moment", "Of course, take your time.")]
FACTS = [("What is the capital of France?", "The capital of France is Paris.", "Paris"), ("What is the capital of Japan?", "The capital of Japan is Tokyo.", "Tokyo"), ("capital of Italy?", "The capital of Italy is Rome.", "Rome"),
         ("What is the capital of Spain?", "The capital of Spain is Madrid.", "Madrid"), ("Which city is the capital of Germany?", "Berlin is the capital of Germany.", "Berlin"), ("What's the capital of Norway?", "The capital of Norway is Oslo.", "Oslo"),
         ("Tell me the capital of Egypt.", "The capital of Egypt is Cairo.", "Cairo"), ("What is the capital of Canada?", "The capital of Canada is Ottawa.", "Ottawa"), ("What is the opposite of hot?", "The opposite of hot is cold.", "cold"),
         ("What is the opposite of big?", "The opposite of big is small.", "small"), ("How many days are in a week?", "A week has seven days.", "seven"), ("How many months does a year have?", "A year has twelve months.", "twelve"),
         ("How many hours are in a day?", "A day has 24 hours.", "24"), ("How many legs does a spider have?", "A spider has eight legs.", "eight"), ("What color is the sky on a clear day?", "On a clear day the sky is blue.", "blue"),
         ("What is H2O?", "H2O is water.", "water"), ("Which planet do we live on?", "We live on Earth.", "Earth"), ("What is the largest planet?", "Jupiter is the largest planet in our solar system.", "Jupiter"), ("Which animal barks?", "A dog barks.", "dog"),
         ("What language do people speak in Brazil?", "People in Brazil speak Portuguese.", "Portuguese"), ("What do bees make?", "Bees make honey.", "honey"), ("What comes after Monday?", "Tuesday comes after Monday.", "Tuesday"),
         ("How do you spell necessary?", "It is spelled n-e-c-e-s-s-a-r-y.", "n-e-c-e-s-s-a-r-y"), ("What is the currency of Japan?", "The currency of Japan is the yen.", "yen"), ("Who wrote Hamlet?", "William Shakespeare wrote Hamlet.", "Shakespeare"),
         ("Where is the Eiffel Tower?", "The Eiffel Tower is in Paris.", "Paris"), ("What is the chemical symbol of gold?", "The symbol of gold is Au.", "Au"), ("On which continent is Kenya?", "Kenya is in Africa.", "Africa"), ("Is water wet?", "Yes, water is wet.", "yes")]
CANNOT = ["I don't have a tool for that.", "Sorry, none of my tools can do that.", "I can't do that with the tools I have.", "That is not possible with my tools.", "Sorry, I have no tool for that.", "I have no tool that can do this.", "None of my tools fits that, sorry."]
CANNOT_ALT = ["no tool", "don't have a tool", "none of my tools", "can't do that", "cannot do that", "not possible", "have no tool", "can't", "cannot", "unable"]


def ability(tool: Tool) -> str:
    text = tool.descriptions[0]
    return text[:1].lower() + text[1:]


def no_fit(rng: random.Random, split: str) -> Conversation:
    """No tool fits: talk, or say that it cannot be done."""
    form = rng.random()
    tools = [(tool, set()) for tool in {id(t): t for t in (wanted_tool(rng, split) for _ in range(rng.choice([1, 1, 2, 3])))}.values()]
    distinct = list({tool.name: (tool, needed) for tool, needed in tools}.values())
    if form < 0.4:
        said, reply, wanted = *rng.choice(SMALL_TALK), None
    elif form < 0.62:
        said, reply, wanted = rng.choice(FACTS)
    elif form < 0.72:
        distinct = [(tool, needed) for tool, needed in distinct if tool.name != "calculator" and "calc" not in tool.name and "stat" not in tool.name and tool.domain != "finance"] or [(schemas.BUILTIN["get_weather"], set())]
        a, b = rng.randint(1, 12), rng.randint(1, 12)
        op = rng.choice("+x-")
        result = a + b if op == "+" else a * b if op == "x" else a - b
        said = rng.choice([f"What is {a} {op} {b}?", f"{a} {op} {b}?", f"how much is {a} {op} {b}"])
        reply, wanted = rng.choice([f"{a} {op} {b} = {result}", f"{a} {op} {b} is {result}."]), str(abs(result))
    else:
        other = rng.choice(schemas.BY_SPLIT[split])
        distinct = [(tool, needed) for tool, needed in distinct if not conflicting(tool, other) and tool.domain != other.domain and tool.name != "run_shell"] or [(schemas.BUILTIN["get_weather"], set())]
        if conflicting(distinct[0][0], other) or other.domain in ("translation", "math", "text"):
            return no_fit(rng, split)
        said = schemas.ask(other, rng, split).text
        reply, wanted = rng.choice(CANNOT), None
        if rng.random() < 0.4:
            known = [ability(tool) for tool, _ in distinct if tool.domain != "builtin" and len(tool.requests) > 2 or tool.name in ("read_file",)]
            if known:
                reply += f" I can only {lexicons.enumerate_words(known[:2], rng, 'or')}."
        offered, schema = offer_all(rng, split, distinct, 0)
        talk = Talk(rng, schema)
        talk.user(said)
        talk.says(reply, [CANNOT_ALT], no_call=True)
        return talk.done()
    offered, schema = offer_all(rng, split, distinct, 0)
    if len({one["function"]["name"] for one in schema}) < len(schema):
        schema = schema[:1]
    talk = Talk(rng, schema)
    talk.user(schemas.dress(said, "X", rng, {}) if rng.random() < 0.3 and wanted else said)
    talk.says(reply, [[wanted]] if wanted else None, no_call=True)
    if rng.random() < 0.35 and distinct:   # and now a request that does fit
        tool = distinct[0][0]
        one = next(one for one in offered if one.tool.name == tool.name)
        request = request_for(tool, rng, split)
        if all(key in one.keys for key in request.values) and one.schema in schema:
            talk.user(request.text)
            talk.calls((one.name, one.arguments(request.values)))
    return talk.done()


NEEDS_TOOL = {"calendar", "email", "messages", "home", "reminders", "orders", "music", "devices", "servers", "payments"}
WITHOUT = ["I have no tools here, so I can't {a}.", "I can't do that: I have no tool to {a}.", "Sorry, I have no tool to {a} here.", "I would need a tool to {a}, and I have none here.", "Without a tool I can't {a}.",
           "Sorry, I cannot {a}, because no tool for it is connected."]


def no_tools(rng: random.Random, split: str) -> Conversation:
    """Something only a tool could do, without any tools."""
    form = rng.random()
    if form < 0.45:
        request = schemas.ask(schemas.BUILTIN["get_weather"], rng, split)
        place = request.words.get("city", "")
        reply = rng.choice(["I have no tool to look up the weather, so I don't know.", "Sorry, I have no weather tool here, so I cannot check that.", "I can't see the weather: I have no tool for it here.", "I don't have a tool for the weather, sorry.",
                            f"I have no tool to check the weather in {place}, sorry.", f"I can't look up the weather in {place}, because I have no tool for it."])
    elif form < 0.65:
        request = schemas.ask(schemas.BUILTIN[rng.choice(["read_file", "list_files", "write_file"])], rng, split)
        reply = rng.choice(["I can't reach files here: I have no tool for it.", "Sorry, I have no tool to work with files here.", "I have no file tool here, so I can't do that.", "I don't have a tool that reaches your files."])
    else:
        tools = [tool for tool in schemas.BY_SPLIT[split] if tool.domain in NEEDS_TOOL]
        tool = rng.choice(tools or schemas.BY_SPLIT["train"][:1])
        request = schemas.ask(tool, rng, split)
        reply = rng.choice(WITHOUT).format(a=ability(tool))
    talk = Talk(rng, [])
    talk.user(request.text)
    talk.says(reply, [["tool", "tools"]], no_call=True)
    return talk.done()


# A call whose argument comes from the result of another: tool, field of its result, tool, parameter, request.
CHAINS = [
    ("find_contact", "phone=phone", "send_sms", "phone", ["look up {name} and text them \"{text}\"", "find the number of {name} and send an SMS: {text}", "send {name} an SMS saying \"{text}\", the number is in my contacts", "text {name} \"{text}\" (look up the number first)"]),
    ("find_contact", "email=email", "send_email", "to", ["find the address of {name} and e-mail them about {subject}", "look up {name} and send an e-mail with the subject \"{subject}\"", "e-mail {name} about {subject}; the address is in the contacts"]),
    ("find_contact", "phone=phone", "call_phone", "number", ["look up {name} and call", "find {name} in my contacts and ring them", "call {name}, the number is in my contacts", "get the number of {name}, then call it"]),
    ("list_files", "file=path", "read_file", "path", ["list {path} and read the file in there", "see what is in {path} and open it", "find the file in {path} and show me its content", "look into {path} and read whatever file is there"]),
    ("search_flights", "flight=flight", "get_flight_status", "flight_number", ["find the flight from {origin} to {destination} on {date} and check if it is on time", "look up the flight {origin} to {destination}, {date}, and tell me its status"]),
    ("find_user", "user_id=id:U", "delete_user", "user_id", ["find the user {query} and delete the account", "look up {query} and remove that user", "delete the user called {query}"]),
    ("find_user", "user_id=id:U", "reset_password", "user_id", ["find the user {query} and reset the password", "look up {query}, then reset the password", "{query} forgot the password: find the user and reset it"]),
    ("search_products", "sku=id:SKU", "check_stock", "sku", ["find a {query} and check the stock", "search for {query} and see how many are left", "look up {query} in the shop and check if it is in stock"]),
    ("find_free_slot", "start=time", "create_event", "time", ["find a free {duration_minutes} minute slot on {date} and put {title} there", "when am I free for {duration_minutes} minutes on {date}? Add {title} at that time"]),
    ("search_notes", "note_id=id:N", "delete_note", "note_id", ["find my note about {query} and delete it", "look for the note on {query}, then remove it"]),
    ("search_emails", "message_id=id:MSG", "forward_email", "message_id", ["find the mail about {query} and forward it to {to}", "search my mail for {query} and pass it on to {to}"]),
    ("search_emails", "message_id=id:MSG", "delete_email", "message_id", ["find the e-mail about {query} and delete it", "search for {query} in my mail and trash it"]),
    ("search_tickets", "ticket_id=id:TCK", "close_ticket", "ticket_id", ["find the ticket about {query} and close it", "search the tickets for {query}, then close it"]),
    ("search_recipes", "recipe_id=id:RC", "get_recipe", "recipe_id", ["find a recipe for {dish} and show it", "search for {dish} recipes and open the first one"]),
    ("create_ticket", "ticket_id=id:TCK", "assign_ticket", "ticket_id", ["open a ticket \"{title}\" and assign it to {assignee}", "create a ticket called \"{title}\", then give it to {assignee}"]),
    ("run_sql", "user_id=id:U", "delete_user", "user_id", ["run \"{query}\" and delete the user it returns", "execute the query \"{query}\", then delete that user"]),
]


def chain(rng: random.Random, split: str) -> Conversation:
    """A second call that needs a value from the first result."""
    if rng.random() < 0.5:
        return synthetic_chain(rng, split)
    options = [entry for entry in CHAINS if entry[0] in schemas.BY_NAME and entry[2] in schemas.BY_NAME and (split == "heldout" or not any(kept_back(name) and name not in schemas.BUILTIN for name in (entry[0], entry[2])))]
    first_name, result, second_name, target, templates = rng.choice(options)
    first, second = schemas.BY_NAME[first_name], schemas.BY_NAME[second_name]
    template = rng.choice(templates)
    keys = [(first, {}, {}), (second, {}, {})]
    words: dict[str, str] = {}

    def say(key: str) -> str:
        if key not in words:
            index = 0 if any(param.key == key for param in first.params) else 1
            tool, values, _ = keys[index]
            words[key], values[key] = schemas.sample(tool.param(key), rng, split)
            if first_name == "find_free_slot" and key == "date":
                keys[1][1]["date"] = values[key]
        return words[key]

    text = schemas.dress(schemas.render(schemas.parse(template), rng, say, {}), template, rng, words)
    if not all(param.key in keys[0][1] for param in first.params if param.required):
        return synthetic_chain(rng, split)
    field, kind = result.split("=", 1)
    found = lexicons.value(kind, rng, split)
    values = {**keys[1][1], target: found}
    if not all(param.key in values for param in second.params if param.required):
        return synthetic_chain(rng, split)
    offered, tools = offer_all(rng, split, [(first, set(keys[0][1])), (second, set(values))], rng.choice([0, 0, 1, 2]), {"run_shell"})
    if offered[0].name == offered[1].name:
        return single(rng, split)
    talk = Talk(rng, tools)
    talk.user(text)
    talk.calls((offered[0].name, offered[0].arguments(keys[0][1])))
    extra = {} if rng.random() < 0.5 else {rng.choice(["name", "title", "label"]): lexicons.value("made", rng, split)}
    talk.results(result_text({field: found, **extra}, rng, split))
    talk.calls((offered[1].name, offered[1].arguments(values)))
    if rng.random() < 0.4:
        report(talk, rng, split, second, Ask("", values, {**words, target: str(found)}))
    return talk.done()


def synthetic_chain(rng: random.Random, split: str) -> Conversation:
    """find_widget gives an id that delete_widget needs."""
    noun = schemas._synthetic_noun(rng, split)
    key = schemas._key(noun)
    look = rng.choice(["find", "lookup", "search", "get", "query", "locate"])
    act = rng.choice([verb for verb in schemas.ACTIONS if verb not in ("get", "fetch", "find", "lookup", "check", "list", "count", "read", "show", "query")])
    by_kind = rng.choice(["made", "word", "person", "city", "id", "email", "company", "product"])
    by = {"made": "title", "word": "name", "person": "owner", "city": "city", "id": "code", "email": "email", "company": "company", "product": "model"}[by_kind]
    field = rng.choice([f"{key}_id", "id", f"{key}_ref", "ref"])
    id_kind = rng.choice(["id", "hex", "int:100-99999", "code"])
    first = Tool([f"{look}_{key}"], noun, [f"Find a {noun} by its {by}", f"Look up the id of a {noun}"], [schemas.Param([by], "str", by_kind, f"The {by} of the {noun}", True)])
    param = rng.choice([f"{key}_id", "id", f"{key}_ref", "target"])
    extras: list[schemas.Param] = []
    taken = {param, by}
    if rng.random() < 0.5:
        made = schemas._synthetic_param(rng, split, noun, taken)
        if made and made.type != "bool":
            extras.append(made)
    second = Tool([f"{act}_{key}"], noun, [f"{upper_first(act)} a {noun}", f"{upper_first(schemas.third_person(act))} a {noun} by id"],
                  [schemas.Param([param], "int" if id_kind.startswith("int") else "str", id_kind, f"Id of the {noun}", True), *extras], answers=[([("status", "oneof:ok/done/accepted/queued")], "Done, the status is {status}.")])
    name_words, name_value = schemas.sample(first.params[0], rng, split)
    values: JSONish = {}
    words = {"n": name_words}
    tail = ""
    if extras:
        words["e"], values[extras[0].key] = schemas.sample(extras[0], rng, split)
        tail = rng.choice([f" with {words_of(extras[0].key)} {words['e']}", f", {words_of(extras[0].key)}: {words['e']}"])
    template = rng.choice(["find the {noun} with the {by} {n} and {act} it{t}", "{act} the {noun} whose {by} is {n}{t}", "look up the {noun} {n}, then {act} it{t}", "the {noun} with {by} {n}: {act} it{t}", "I want to {act} the {noun} {n}{t}, but I don't know its id",
                           "get the id of the {noun} {n} ({by}) and {act} it{t}", "{act} the {noun} {n}{t} (find it by {by} first)"])
    text = schemas.dress(template.format(noun=noun, by=by, n=name_words, act=act, t=tail), template if not template.startswith("{") else "do it", rng, words)
    offered, tools = offer_all(rng, split, [(first, {by}), (second, {param, *values})], rng.choice([0, 0, 1, 2]))
    if offered[0].name == offered[1].name:
        return single(rng, split)
    talk = Talk(rng, tools)
    talk.user(text)
    talk.calls((offered[0].name, offered[0].arguments({by: name_value})))
    found = lexicons.value(id_kind, rng, split)
    talk.results(result_text({field: found} if rng.random() < 0.6 else {by: name_value, field: found}, rng, split))
    values[param] = found
    talk.calls((offered[1].name, offered[1].arguments(values)))
    if rng.random() < 0.4:
        report(talk, rng, split, second, Ask("", values, {}))
    return talk.done()


SETTINGS = [("port", "int:1024-65535"), ("host", "host"), ("name", "made"), ("version", "version"), ("timeout", "int:1-300"), ("user", "username"), ("debug", "oneof:true/false"), ("color", "color"), ("language", "language"), ("max_size", "size"),
            ("author", "person"), ("date", "isodate"), ("city", "city"), ("email", "email"), ("url", "url"), ("level", "oneof:info/warning/debug/error"), ("workers", "int:1-64"), ("rate", "num:0-9"), ("token", "hex"), ("license", "oneof:MIT/Apache-2.0/GPL-3.0/BSD-3-Clause")]


def file_question(rng: random.Random, split: str) -> Conversation:
    """A question about what is in a file or a folder: call, then answer from the result."""
    reading = rng.random() < 0.6
    tool = schemas.BUILTIN["read_file" if reading else "list_files"]
    target = lexicons.value("path" if reading else "folder", rng, split)
    offered, tools = offer_all(rng, split, [(tool, {"path"})], avoid={"run_shell"})
    talk = Talk(rng, tools)
    if reading:
        settings = rng.sample(SETTINGS, rng.randint(2, 5))
        values = {key: lexicons.value(kind, rng, split) for key, kind in settings}
        key = rng.choice(list(values))
        label = words_of(key)
        template = rng.choice([f"which {label} is set in {target}?", f"what is the {label} in {target}?", f"look into {target} and tell me the {label}", f"read {target}. What is the {label}?", f"I need the {label} from {target}", f"{target}: what's the {label}?",
                               f"find out the {label} in the file {target}", f"what {label} does {target} have?", f"open {target} and find the {label}", f"check the {label} in {target}"])
        form = rng.randrange(5)
        content = "\n".join(f"{name} = {value}" for name, value in values.items()) if form == 0 else "\n".join(f"{name}: {value}" for name, value in values.items()) if form == 1 else json.dumps(values, ensure_ascii=False) if form == 2 else \
            "\n".join(f"{name}={value}" for name, value in values.items()) if form == 3 else "\n".join(f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}" for name, value in values.items())
        text = rng.choice([f"The {label} is {values[key]}.", f"The {label} in {target} is {values[key]}.", f"{target} sets the {label} to {values[key]}.", f"It says that the {label} is {values[key]}."])
        contains = [[str(values[key])]]
        if rng.random() < 0.1:
            content, text, contains = "", rng.choice([f"{target} is empty.", "The file is empty."]), [["empty"]]
    else:
        names = lexicons.several("file", rng, split, 1, 6)
        form = rng.random()
        content = rng.choice(["\n", "\n", ", ", "  "]).join(names) if rng.random() < 0.6 else json.dumps(names if rng.random() < 0.6 else {"files": names})
        if form < 0.4:
            template = rng.choice([f"how many files are in {target}?", f"count the files in {target}", f"what is the number of files in {target}?", f"look into {target}. How many files are there?"])
            text = rng.choice([f"There {'is' if len(names) == 1 else 'are'} {len(names)} file{'' if len(names) == 1 else 's'} in {target}.", f"{target} has {len(names)} file{'' if len(names) == 1 else 's'}."])
            contains = [[str(len(names))]]
        elif form < 0.8:
            wanted = rng.choice(names) if rng.random() < 0.5 else lexicons.file(rng, split)
            template = rng.choice([f"is there a {wanted} in {target}?", f"does {target} contain {wanted}?", f"look in {target} if there is a file {wanted}", f"do I have {wanted} in {target}?", f"check whether {wanted} is in {target}"])
            there = wanted in names
            text = rng.choice([f"Yes, {wanted} is there.", f"Yes, {target} contains {wanted}."]) if there else rng.choice([f"No, there is no {wanted} in {target}.", f"No, {wanted} is not there."])
            contains = [["yes" if there else "no"]]
        else:
            template = rng.choice([f"what's in {target}?", f"list {target}", f"which files are in {target}?", f"show me what {target} holds"])
            text = rng.choice([f"{target} holds {lexicons.enumerate_words(names, random.Random(1))}.", f"There {'is' if len(names) == 1 else 'are'} {lexicons.enumerate_words(names, random.Random(1))}."])
            contains = [[name] for name in names]
            if rng.random() < 0.15:
                content, text, contains = rng.choice(["", "[]", "(empty)"]), rng.choice([f"{target} is empty.", "The folder is empty."]), [["empty"]]
    talk.user(schemas.dress(template, template if target != template[:len(target)] else "{path}", rng, {"path": target}))
    talk.calls((offered[0].name, offered[0].arguments({"path": target})))
    talk.results(content)
    talk.says(text, contains)
    return talk.done()


CASES: list[tuple[Callable[[random.Random, str], Conversation], int]] = [
    (single, 42), (follow_up, 8), (pair, 11), (missing, 8), (no_fit, 10), (no_tools, 3), (chain, 7), (file_question, 5), (record_question, 6),
]


def generate(rng: random.Random, split: str) -> Conversation:
    case = rng.choices([case for case, _ in CASES], [weight for _, weight in CASES])[0]
    return case(rng, split)


def _reference(message: Message) -> str:
    """A reference answer as the model would write it, for the scoring in `checks`."""
    text = message["content"]
    for made in message.get("tool_calls", ()):
        function = made["function"]
        parameters = "".join(f"<parameter={key}>\n{value if isinstance(value, str) else json.dumps(value)}\n</parameter>\n" for key, value in function["arguments"].items())
        text += f"<tool_call>\n<function={function['name']}>\n{parameters}</function>\n</tool_call>"
    return text


def check_conversation(conversation: Conversation) -> None:
    """Raises AssertionError when a reference answer fails its own check, or a call does not fit its schema."""
    from ..checks import score
    for check in conversation.checks:
        message = conversation.messages[check["turn"]]
        assert message["role"] == "assistant", (check, message)
        assert score(check, _reference(message), conversation.tools), (check, message, conversation)
    functions = {tool["function"]["name"]: tool["function"]["parameters"] for tool in conversation.tools}
    assert len(functions) == len(conversation.tools), conversation
    kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list}
    for message in conversation.messages:
        for made in message.get("tool_calls", ()):
            parameters = functions[made["function"]["name"]]
            given = made["function"]["arguments"]
            assert set(parameters.get("required", [])) <= set(given), (given, parameters)
            for key, value in given.items():
                assert isinstance(value, kinds[parameters["properties"][key]["type"]]), (key, value, parameters)
                if "enum" in parameters["properties"][key]:
                    assert value in parameters["properties"][key]["enum"], (key, value)


if __name__ == "__main__":
    source = random.Random(3)
    for tool in schemas.CATALOGUE:   # every request gives what is required; every request that lacks something lacks only that
        required = {param.key for param in tool.params if param.required}
        for _ in range(40):
            for template in tool.requests:
                assert tool.name in ("calculator", "run_shell") or required <= set(schemas.ask(tool, source, "train", template).values), (tool.name, template)
            for template, key in tool.missing:
                assert required - {key} <= set(schemas.ask(tool, source, "train", template).values), (tool.name, template)
                assert key in required, (tool.name, key)
                assert key not in schemas.slots(schemas.parse(template)), (tool.name, template)
        for fields, text in tool.answers:
            assert schemas.slots(schemas.parse(text)) <= {key for key, _ in fields} | {param.key for param in tool.params}, (tool.name, text)
    for number in range(40):
        shown = generate(source, "train" if number % 4 else "heldout")
        print(f"--- {number} tools: {', '.join(json.dumps(one['function'])[:300 if number % 5 == 0 else 60] for one in shown.tools)}")
        for message in shown.messages:
            calls = " ".join(f"{made['function']['name']}({json.dumps(made['function']['arguments'], ensure_ascii=False)})" for made in message.get("tool_calls", ()))
            print(f"{message['role']:>9}: {message['content']}{calls}")
    lengths = []
    for split in ("train", "heldout"):
        for _ in range(6000):
            conversation = generate(source, split)
            check_conversation(conversation)
            lengths.append(len(json.dumps(conversation.tools)) + sum(len(_reference(message)) for message in conversation.messages))
    began = time.process_time()
    for _ in range(4000):
        generate(source, "train")
    lengths.sort()
    print(f"{4000 / (time.process_time() - began):.0f} conversations/s; characters: median {lengths[len(lengths) // 2]}, 95 % {lengths[len(lengths) * 95 // 100]}, most {lengths[-1]}")
    print(f"{len(schemas.CATALOGUE)} tools by hand with {sum(len(tool.requests) for tool in schemas.CATALOGUE)} requests in {len({tool.domain for tool in schemas.CATALOGUE})} domains, "
          f"{len(schemas.BY_SPLIT['heldout'])} of them held out; {len(COMMANDS)} shell commands with {sum(len(requests) for _, requests in COMMANDS)} requests")
