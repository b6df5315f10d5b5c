"""Tools that do not exist, with requests made from their own words."""

from __future__ import annotations

import random
import re

from .. import lexicons
from .tool import Param, Tool, upper_first, words_of
from .wording import PHRASES

ACTIONS = PHRASES["actions"]
THIRD = {"fetch": "fetches", "launch": "launches", "publish": "publishes", "refresh": "refreshes", "compress": "compresses",
         "polish": "polishes", "dispatch": "dispatches", "copy": "copies", "notify": "notifies", "verify": "verifies", "query": "queries"}
STRING_PARAMS = PHRASES["string_params"]
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

SYNONYMS = {name.removeprefix("synonyms "): lines for name, lines in PHRASES.items() if name.startswith("synonyms ")}


def third_person(verb: str) -> str:
    return THIRD.get(verb, verb + "s")


def synthetic_noun(rng: random.Random, split: str) -> str:
    form = rng.random()
    if form < 0.16:
        return lexicons.syllables(rng)
    noun = lexicons.lex("noun", rng, split)
    if form < 0.4:
        return f"{lexicons.lex('adjective', rng, split)} {noun}"
    if form < 0.55:
        return f"{lexicons.lex('word', rng, split)} {noun}"
    return noun


def key_of(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower().translate(lexicons.PLAIN)).strip("_")


def synthetic_param(rng: random.Random, split: str, noun: str, taken: set[str]) -> Param | None:
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
    thing = noun or synthetic_noun(rng, split)
    verb = rng.choice(verbs or ACTIONS)
    action = words_of(verb)
    thing_key = key_of(thing)
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
        made = synthetic_param(rng, split, thing, taken)
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
