"""The tools written by hand, and which names must never be offered."""

from __future__ import annotations

import json
from pathlib import Path

from ..common import kept_back
from .templates import parse
from .tool import Param, Tool, words_of


def _param(line: str) -> Param:
    head, _, description = line.partition(" | ")
    names, kind, *rest = head.split(" ", 2)
    required = names.endswith("*")
    argument = rest[0].strip() if rest else ""
    options: list[tuple[str, list[str]]] = []
    if kind == "enum":
        for option in argument.split(","):
            value, _, words = option.strip().partition("=")
            options.append((value, words.split("/") if words else [value.replace("_", " ")]))
    return Param(names.rstrip("*").split("/"), kind, argument, description.strip(), required, options)


def _catalogue() -> list[Tool]:
    tools: list[Tool] = []
    domain = ""
    for number, line in enumerate(Path(__file__).with_name("catalogue.txt").read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        mark, _, rest = line.partition(" ")
        try:
            if mark == "@":
                domain = rest.strip()
            elif mark == "tool":
                names, descriptions = rest.split(" | ")
                tools.append(Tool([name.strip() for name in names.split(",")], domain, [text.strip() for text in descriptions.split(" ~ ")], []))
            elif mark == "p":
                tools[-1].params.append(_param(rest))
            elif mark == "r":
                parse(rest)
                tools[-1].requests.append(rest)
            elif mark == "m":
                text, key = rest.rsplit(" | ", 1)
                parse(text)
                tools[-1].missing.append((text, key.strip()))
            elif mark == "a":
                fields, text = rest.split(" => ")
                parse(text)
                tools[-1].answers.append(([tuple(pair.strip().split("=", 1)) for pair in fields.split(", ")], text))
            else:
                raise ValueError(f"unknown mark '{mark}'")
        except (ValueError, IndexError) as error:
            raise ValueError(f"catalogue.txt line {number}: {error}: {line}") from error
    return tools


CATALOGUE = _catalogue()
BUILTIN = {tool.name: tool for tool in CATALOGUE if tool.domain == "builtin"}
OTHERS = [tool for tool in CATALOGUE if tool.domain != "builtin"]
BY_NAME = {tool.name: tool for tool in CATALOGUE}
NEVER = {words_of(tool["function"]["name"]) for line in (Path(__file__).parents[2] / "written" / "test.jsonl").read_text().splitlines()
         for tool in json.loads(line).get("tools") or []} - {words_of(name) for tool in BUILTIN.values() for name in tool.names}


def never(name: str) -> bool:
    """Whether the written test set has a tool of this name, in any style: no conversation may offer it."""
    return words_of(name) in NEVER


def allowed(tool: Tool, name: str) -> str:
    """The name, or another of this tool, or its words in another order, so that the written test set stays unseen."""
    for one in (name, *tool.names, "_".join(reversed(tool.name.split("_"))), f"{tool.name}_tool"):
        if not never(one):
            return one
    raise ValueError(f"the written test set knows every name of '{tool.name}'")


BY_SPLIT = {"train": [tool for tool in OTHERS if not kept_back(tool.name)], "heldout": [tool for tool in OTHERS if kept_back(tool.name)]}
BY_SPLIT["values"] = BY_SPLIT["train"]
