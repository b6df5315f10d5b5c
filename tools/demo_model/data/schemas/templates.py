"""The template language of requests: values, words for values, what may be left out, alternatives."""

from __future__ import annotations

import functools
import json
import random
import re
from typing import Any

OPTIONAL_SHARE = 0.45  # of what may be left out is said

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
