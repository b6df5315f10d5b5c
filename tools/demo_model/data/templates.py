"""Saying one thing in many ways: a small template language, and banks of templates of which a share is kept back.

A template holds alternatives in square brackets, which nest, and slots in braces:

    expand(rng, "[what is|what's|tell me] the capital of {place}[?|]", place="Peru")

`variants(template)` counts its readings.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from .common import held_out, kept_back
from .textfiles import sections

Node = Any  # str | ("slot", name) | ("or", [Node, …]) | ("seq", [Node, …])


@lru_cache(maxsize=65536)
def _parse(template: str) -> Node:
    def sequence(at: int, inside: bool) -> tuple[Node, int]:
        parts: list[Node] = []
        text = ""
        while at < len(template):
            char = template[at]
            if inside and char in "|]":
                break
            if char == "[":
                parts.append(text)
                text = ""
                options: list[Node] = []
                while True:
                    option, at = sequence(at + 1, True)
                    options.append(option)
                    if at >= len(template):
                        raise ValueError(f"a bracket is not closed in {template!r}")
                    if template[at] == "]":
                        break
                parts.append(("or", options))
            elif char == "{":
                end = template.index("}", at)
                parts += [text, ("slot", template[at + 1 : end])]
                text = ""
                at = end
            else:
                text += char
            at += 1
        parts = [part for part in (*parts, text) if part != ""]
        return (parts[0] if len(parts) == 1 else ("seq", parts)) if parts else "", at

    return sequence(0, False)[0]


def _render(rng: random.Random, node: Node, slots: dict[str, Any]) -> str:
    if isinstance(node, str):
        return node
    kind, body = node
    if kind == "slot":
        return str(slots[body])
    if kind == "or":
        return _render(rng, body[int(rng.random() * len(body))], slots)
    return "".join([_render(rng, part, slots) for part in body])


def expand(rng: random.Random, template: str, **slots: Any) -> str:
    """One reading of a template with its slots filled. What a slot holds is not read as a template."""
    return _render(rng, _parse(template), slots)


def variants(template: str) -> int:
    """How many readings a template has."""

    def count(node: Node) -> int:
        if isinstance(node, str) or node[0] == "slot":
            return 1
        counts = [count(part) for part in node[1]]
        if node[0] == "or":
            return sum(counts)
        product = 1
        for one in counts:
            product *= one
        return product

    return count(_parse(template))


def total_variants(templates: Iterable[str]) -> int:
    return sum(map(variants, templates))


class Bank:
    """Ways to say one thing, of which a share is kept back for evaluation (at least one way is left to each split)."""

    def __init__(self, name: str, ways: Sequence[str]):
        if len(ways) < 2:
            raise ValueError(f"the bank '{name}' needs two ways or more")
        self.ways = list(ways)
        self.train = [way for way in ways if not kept_back(f"{name}: {way}")]
        self.heldout = [way for way in ways if kept_back(f"{name}: {way}")]
        if not self.heldout:
            self.heldout = [self.train.pop()]
        if not self.train:
            self.train = [self.heldout.pop()]

    def pick(self, rng: random.Random, split: str) -> str:
        return rng.choice(self.heldout if held_out(split) else self.train)

    def ask(self, rng: random.Random, split: str, **slots: Any) -> str:
        return expand(rng, self.pick(rng, split), **slots)


def banks(path: Path) -> dict[str, Bank]:
    """A bank of each section of a text file."""
    return {name: Bank(name, ways) for name, ways in sections(path).items()}
