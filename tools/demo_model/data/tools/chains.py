"""A second call that needs a value from the first result."""

from __future__ import annotations

import random

from .. import lexicons, schemas
from ..common import Conversation, kept_back
from ..schemas import Ask, Tool, upper_first, words_of
from .offering import offer_all
from .results import report, result_text
from .single import single
from .talk import JSONish, Talk
from .wording import PHRASES

# A call whose argument comes from the result of another: tool, field of its result, tool, parameter, requests.
CHAINS = [(*name.split()[1:], lines) for name, lines in PHRASES.items() if name.startswith("chain ")]


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
    noun = schemas.synthetic_noun(rng, split)
    key = schemas.key_of(noun)
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
        made = schemas.synthetic_param(rng, split, noun, taken)
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
