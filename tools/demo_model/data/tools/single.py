"""One request and the call for it, and what may follow: another value, the same tool once more."""

from __future__ import annotations

import random

from .. import schemas
from ..common import Conversation
from ..schemas import Ask, Offered, Tool
from .calculator import ask_calculator, report_calculation
from .offering import offer_all
from .results import report
from .shell import ask_shell, report_shell
from .talk import JSONish, Talk
from .wording import PHRASES


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
FOLLOW_LABEL = PHRASES["follow_label"]
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


def plain_request(tool: Tool, rng: random.Random, split: str) -> Ask:
    """A request without greetings around it."""
    request = request_for(tool, rng, split)
    for _ in range(4):
        if len(request.text) < 110 and not any(request.text.startswith(context) for context in schemas.CONTEXTS):
            break
        request = request_for(tool, rng, split)
    return request
