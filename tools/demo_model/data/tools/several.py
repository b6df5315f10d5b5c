"""Two or three calls in one answer."""

from __future__ import annotations

import random

from .. import lexicons, schemas
from ..common import Conversation
from ..schemas import upper_first
from .calculator import evaluate
from .offering import conflicting, offer_all
from .results import result_text
from .single import FILE_TOOLS, plain_request, single, wanted_tool
from .talk import Talk
from .wording import PHRASES

# Two values of one parameter, both said in one request: {x} and {y}.
PAIRS = {name.removeprefix("pair "): lines for name, lines in PHRASES.items() if name.startswith("pair ")}


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


TRIPLES = {name.removeprefix("triple "): lines for name, lines in PHRASES.items() if name.startswith("triple ")}


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
