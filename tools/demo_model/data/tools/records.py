"""A tool returns a whole record; later questions need no new call."""

from __future__ import annotations

import json
import random

from .. import extract, lexicons, schemas
from ..common import Conversation
from ..schemas import Tool, upper_first, words_of
from .offering import offer_all
from .single import single
from .talk import Talk

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
