"""Where no call is right: a value is missing, no tool fits, there are no tools."""

from __future__ import annotations

import random

from .. import lexicons, schemas
from ..common import Conversation
from ..schemas import Ask, Tool, words_of
from .offering import conflicting, offer_all
from .single import answer, request_for, single, wanted_tool
from .talk import Talk
from .wording import PHRASES

ASK_BACK = PHRASES["ask_back"]
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


SMALL_TALK = [line.split(" => ") for line in PHRASES["small_talk"]]  # what is said, and the answer
FACTS = [line.split(" => ") for line in PHRASES["facts"]]  # a question, the answer, and what it must hold
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
WITHOUT = PHRASES["without"]


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
