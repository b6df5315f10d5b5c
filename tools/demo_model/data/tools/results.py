"""What tools print, and answers that report it."""

from __future__ import annotations

import json
import random
import re

from .. import lexicons, schemas
from ..schemas import Ask, Tool, upper_first, words_of
from .talk import JSONish, Talk
from .wording import PHRASES

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


ERRORS = PHRASES["errors"]
APOLOGIES = PHRASES["apologies"]
EMPTY = ["[]", "", "{}", "null", "no results", "none", '{"results": []}', '{"count": 0, "items": []}', "(empty)", "0 results", "No matches."]
NOTHING = ["Nothing was found.", "There is nothing to report: I found nothing.", "Sorry, I found nothing.", "The search found nothing.", "It came back empty, so I found nothing."]


def error_result(rng: random.Random, split: str) -> tuple[str, str]:
    """What a failing tool prints, and the message in it."""
    message = rng.choice(ERRORS) if rng.random() < 0.8 else lexicons.sentence(rng, split)
    printed = rng.choice((
        lambda: f"Error: {message}",
        lambda: json.dumps({"error": message}),
        lambda: json.dumps({"status": "error", "message": message}),
        lambda: f"ERROR {rng.choice([400, 401, 403, 404, 408, 409, 429, 500, 503])}: {message}",
        lambda: f"failed: {message}",
        lambda: json.dumps({"ok": False, "reason": message}),
        lambda: f"error={rng.randint(1, 99)} message=\"{message}\"",
    ))()  # fmt: skip
    return printed, message


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
    named = sorted(schemas.slots(schemas.parse(template)))

    def say(key: str) -> str:
        if key in fields:
            return str(fields[key])
        value = request.values[key]
        return request.words.get(key, str(value)) if tool.param(key).type in ("enum", "list") else str(value)

    text = upper_first(schemas.render(schemas.parse(template), rng, say, {}))
    numbers = [fields[key] for key in named if key in fields and isinstance(fields[key], int | float) and not isinstance(fields[key], bool)]
    copied = [[str(fields[key])] for key in named if key in fields and isinstance(fields[key], str)]
    talk.says(text, copied or None, None)
    for number in numbers:
        talk.checks.append({"turn": len(talk.messages) - 1, "kind": "number", "value": number})
    return fields
