"""Whether an answer is right: the scoring of a `Check` (the README gives its kinds) on the text that a model wrote.

score({"kind": "number", "value": 56}, "7 x 8 is 56.")  ->  True
"""

from __future__ import annotations

import json
import re
from typing import Any

CALL = re.compile(r"<tool_call>\s*<function=([^>\n]+)>\n?(.*?)</function>\s*</tool_call>", re.DOTALL)
PARAMETER = re.compile(r"<parameter=([^>\n]+)>\n?(.*?)\n?</parameter>", re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])(minus |-)?(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(?!\w*\d)")
END = "<|im_end|>"


def parse_calls(text: str, tools: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """The text around the tool calls, and the calls with their arguments typed by the tools' schemas.

    Raises ValueError for a call that is not well formed, names no tool, or misses a required argument.
    """
    functions = [tool.get("function", tool) for tool in tools]
    schemas = {function["name"]: function.get("parameters") or {} for function in functions}
    calls = []
    for name, body in CALL.findall(text):
        if name not in schemas:
            raise ValueError(f"no tool is called '{name}'")
        if PARAMETER.sub("", body).strip():
            raise ValueError(f"the call of '{name}' holds more than parameters")
        properties = schemas[name].get("properties", {})
        arguments = {key: _typed(value, properties.get(key, {})) for key, value in PARAMETER.findall(body)}
        missing = set(schemas[name].get("required", ())) - set(arguments)
        if missing:
            raise ValueError(f"the call of '{name}' misses {sorted(missing)}")
        calls.append({"name": name, "arguments": arguments})
    rest = CALL.sub("", text)
    if "<tool_call>" in rest or "</tool_call>" in rest:
        raise ValueError("a tool call is not well formed")
    return rest.strip(), calls


def _typed(value: str, schema: dict[str, Any]) -> Any:
    if schema.get("type") == "string":
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def same(a: Any, b: Any) -> bool:
    """Equality of JSON values: 2 and 2.0 are the same, true and 1 are not."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, int | float) and isinstance(b, int | float):
        return abs(a - b) <= 1e-9 * max(1.0, abs(a))
    return type(a) is type(b) and a == b


def _occurs(phrase: str, text: str) -> bool:
    phrase = phrase.casefold()
    left = r"(?<!\w)" if phrase[:1].isalnum() else ""
    right = r"(?!\w)" if phrase[-1:].isalnum() else ""
    return re.search(left + re.escape(phrase) + right, text) is not None


def _plain(text: str) -> str:
    for fancy, plain in (("’", "'"), ("‘", "'"), ("“", '"'), ("”", '"'), ("−", "-"), ("\u00a0", " ")):
        text = text.replace(fancy, plain)
    return text.casefold()


def numbers(text: str) -> list[float]:
    """Every number that stands in a text; thousands may be set off by commas."""
    found = NUMBER.findall(_plain(text))
    return [float(whole.replace(",", "") + part) * (-1 if sign else 1) for sign, whole, part in found]


def score(check: dict[str, Any], answer: str, tools: list[dict[str, Any]] | None = None) -> bool:
    """Whether an answer (the assistant's text, tool calls in it) passes a check. Never raises for a bad answer."""
    answer = answer.split(END)[0]
    try:
        text, calls = parse_calls(answer, tools or [])
    except ValueError:
        return False
    kind = check["kind"]
    if kind == "tool":
        wanted = list(check["calls"])
        for made in calls:
            match = next(
                (w for w in wanted if same(made, {"name": w["name"], "arguments": w["arguments"]})), None
            )
            if match is None:
                return False
            wanted.remove(match)
        return not wanted
    if calls:
        return False
    if kind == "contains":
        text = _plain(text)
        return all(any(_occurs(_plain(phrase), text) for phrase in options) for options in check["all"])
    if kind == "number":
        return any(abs(n - check["value"]) <= 1e-9 * max(1.0, abs(n)) for n in numbers(text))
    if kind == "json":
        fenced = re.fullmatch(r"```(?:json)?\n(.*)\n```", text, re.DOTALL)
        try:
            return same(json.loads(fenced[1] if fenced else text), check["value"])
        except json.JSONDecodeError:
            return False
    raise ValueError(f"a check is of an unknown kind: {kind!r}")
