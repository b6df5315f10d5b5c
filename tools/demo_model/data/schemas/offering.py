"""One concrete schema of a tool: names, descriptions, order and constraints vary."""

from __future__ import annotations

import random
from typing import Any

from .. import lexicons, wide
from .catalogue import allowed
from .tool import Offered, Param, Tool, upper_first, words_of

FREE_TEXT = {"text", "message", "sentence", "task", "event", "commit", "query", "song", "book", "movie", "made", "product"}
JSON_TYPES = {"str": "string", "enum": "string", "int": "integer", "num": "number", "bool": "boolean", "list": "array"}


def shuffled(rng: random.Random, pairs: list[tuple[str, Any]], share: float) -> dict[str, Any]:
    if rng.random() < share:
        pairs = pairs[:]
        rng.shuffle(pairs)
    return dict(pairs)


def restyle(identifier: str, style: str) -> str:
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
    name = allowed(tool, restyle(name, style))
    key_style = style if style == "camel" else "snake"
    described = rng.random() * (0.8 if opaque else 1)
    params = [param for param in tool.params if param.required or all_params or param.key in needed or rng.random() < 0.7]
    if rng.random() < 0.3:
        rng.shuffle(params)
    keys: dict[str, str] = {}
    properties: dict[str, Any] = {}
    for param in params:
        key = param.key if rng.random() < 0.5 else rng.choice(param.keys)
        key = restyle(key, key_style)
        if opaque and param.description and rng.random() < 0.5:
            key = wide.identifier(rng) if rng.random() < 0.5 else f"{key}_{wide.word(rng)}"
        if key in properties:
            key = restyle(param.key, key_style)
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
        properties[key] = shuffled(rng, entry, 0.15)
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
    head.append(("parameters", shuffled(rng, body, 0.1)))
    return Offered(tool, name, keys, {"type": "function", "function": shuffled(rng, head, 0.05)})


OPAQUE_SHARE = 0.2  # of the tools offered in training have names without sense: what was never seen must be copied
