"""An answer as it streams, taken apart into text, reasoning and tool calls.

Qwen models write a call in one of two forms:

    <tool_call>                            <tool_call>
    <function=get_weather>                 {"name": "get_weather", "arguments": {"city": "Oslo"}}
    <parameter=city>                       </tool_call>
    Oslo
    </parameter>
    </function>
    </tool_call>

The first says nothing about types, so values are read as the tool's JSON schema has them. A call that cannot
be used is handed on as it was written, with a sentence that says what is wrong with it. However the stream is
cut, the parts are the same, apart from where text and reasoning are cut.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

THINK, END_THINK = "<think>", "</think>"
CALL, END_CALL = "<tool_call>", "</tool_call>"

_XML_CALL = re.compile(r"\s*<function=\s*([^>\n]+?)\s*>(.*)", re.DOTALL)
_XML_FUNCTION_END = re.compile(r"\s*(?:</function>\s*)?\Z")
_XML_PARAMETER = re.compile(
    r"\s*<parameter=\s*([^>\n]+?)\s*>\n?(.*?)\n?</parameter>(?=\s*(?:<parameter=|</function>|\Z))", re.DOTALL
)


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Reasoning:
    text: str


@dataclass(frozen=True)
class ToolCall:
    """error: why the call cannot be carried out, "" if it can. raw: what the model wrote between the tags."""

    name: str
    arguments: dict[str, Any] = field(hash=False)
    raw: str
    error: str = ""


Part = Text | Reasoning | ToolCall


class AnswerParser:
    """Takes an answer apart while it streams.

    >>> parser = AnswerParser()
    >>> [*parser.push("<think>so</think>"), *parser.push("Yes"), *parser.finish()]
    [Reasoning(text='so'), Text(text='Yes')]

    tools: schemas as in the OpenAI API; without any, `<tool_call>` is text like any other.
    thinking: the prompt has opened a `<think>` span.
    """

    def __init__(self, tools: Iterable[Mapping[str, Any]] | None = None, thinking: bool = False) -> None:
        self._tools = {name: schema for name, schema in map(named_schema, tools or ())}
        self._state = THINK if thinking else ""  # the tag that we are inside of
        self._held = ""  # not yet given out
        self._scanned = 0  # of a held call: how far its end was looked for
        self._fresh = True  # nothing but reasoning and white space so far, so a <think> would count
        self._trim = thinking  # white space that comes next belongs to a tag

    def push(self, text: str) -> list[Part]:
        """The parts that this text completes."""
        self._held += text
        return self._parts(final=False)

    def finish(self) -> list[Part]:
        """What was held back, at the end of the answer."""
        return self._parts(final=True)

    def _parts(self, final: bool) -> list[Part]:
        parts: list[Part] = []
        while self._step(parts, final):
            pass
        return parts

    def _step(self, parts: list[Part], final: bool) -> bool:
        """One span of the held text; False when more of the stream is needed."""
        if self._state == THINK:
            return self._span(parts, Reasoning, {END_THINK: ""}, final)
        if self._state == CALL:
            return self._call(parts, final)
        tags = {CALL: CALL} if self._tools else {}
        if self._fresh:
            tags[THINK] = THINK
        return self._span(parts, Text, tags, final)

    def _span(
        self, parts: list[Part], kind: type[Text] | type[Reasoning], tags: dict[str, str], final: bool
    ) -> bool:
        """Gives text out up to the next of the tags; each tag leads to a state."""
        if self._trim:
            self._held = self._held.lstrip()
        start, tag = min(((at, tag) for tag in tags if (at := self._held.find(tag)) >= 0), default=(-1, ""))
        if tag == THINK and self._held[:start].strip():  # a tag that the text merely mentions
            self._fresh = False
            return True
        # White space before a tag is the tag's; until it is known what follows, it is held back with what may
        # be one.
        known = self._held[:start] if tag else self._held if final else _without_beginning(self._held, tags)
        given = known.rstrip() if tag or not final else known
        if given:
            parts.append(kind(given))
            self._trim = False
            self._fresh &= kind is Reasoning
        if not tag:
            self._held = "" if final else self._held[len(given) :]
            return False
        self._held = self._held[start + len(tag) :]
        self._state, self._trim, self._scanned = tags[tag], True, 0
        self._fresh &= tag != CALL
        return True

    def _call(self, parts: list[Part], final: bool) -> bool:
        """Reads a call once its end is here."""
        end = self._call_end(final)
        if end < 0 and not final:
            return False
        if end < 0:
            parts.append(ToolCall("", {}, self._held.strip("\n"), "the tool call was not finished"))
            self._held = ""
        else:
            parts.append(read_call(self._held[:end], self._tools))
            self._held = self._held[end + len(END_CALL) :]
        self._state, self._trim = "", True
        return bool(self._held)

    def _call_end(self, final: bool) -> int:
        """Where the `</tool_call>` is that ends the held call, -1 if it has not come. One inside a value is
        no end."""
        at = self._held.find(END_CALL, self._scanned)
        while at >= 0 and _inside_value(self._held[:at]):
            at = self._held.find(END_CALL, at + 1)
        self._scanned = max(0, len(self._held) - len(END_CALL) + 1)
        # A call that is never properly closed ends at the first tag, so that what follows is not lost.
        return self._held.find(END_CALL) if at < 0 and final else at


def read_call(raw: str, tools: Mapping[str, Mapping[str, Any]]) -> ToolCall:
    """One call from what stands between the tags. tools: JSON schema of the parameters by name; may be
    empty."""
    text = raw.strip("\n")
    if xml := _XML_CALL.fullmatch(text):
        return _read_xml(xml[1], xml[2], text, tools)
    if not text.lstrip().startswith("{"):
        return ToolCall("", {}, text, "the tool call is neither JSON nor <function=…>")
    try:
        call = _loads(text)
    except ValueError as error:
        return ToolCall("", {}, text, f"the tool call is no valid JSON: {error}")
    name, arguments = call.get("name"), call.get("arguments", call.get("parameters", {}))
    if not isinstance(name, str) or not name:
        return ToolCall("", {}, text, "the tool call names no function")
    if isinstance(arguments, str):
        with contextlib.suppress(ValueError):
            arguments = _loads(arguments)
    if not isinstance(arguments, dict):
        return ToolCall(name, {}, text, f"the arguments of {name} are no JSON object")
    return ToolCall(name, arguments, text, _check(name, arguments, tools))


def _read_xml(name: str, body: str, raw: str, tools: Mapping[str, Mapping[str, Any]]) -> ToolCall:
    schemas = tools.get(name, {}).get("properties")
    arguments: dict[str, Any] = {}
    errors = []
    position = 0
    while parameter := _XML_PARAMETER.match(body, position):
        key, text = parameter[1], parameter[2]
        schema = schemas.get(key) if isinstance(schemas, Mapping) else None
        try:
            arguments[key] = _typed(text, schema if isinstance(schema, Mapping) else {})
        except ValueError as error:
            arguments[key] = text
            errors.append(f"the argument {key} of {name} should be {error}")
        position = parameter.end()
    if not _XML_FUNCTION_END.match(body, position):
        errors.append(
            f"the parameters of {name} are not well formed from {body[position:].strip()[:40]!r} on"
        )
    return ToolCall(name, arguments, raw, "; ".join(errors) or _check(name, arguments, tools))


def _check(name: str, arguments: Mapping[str, Any], tools: Mapping[str, Mapping[str, Any]]) -> str:
    if name not in tools:
        return f"there is no tool named {name}; there are {', '.join(tools)}" if tools else ""
    required = tools[name].get("required")
    missing = [key for key in required if key not in arguments] if isinstance(required, list) else []
    return f"the call of {name} lacks {', '.join(map(str, missing))}" if missing else ""


def _typed(text: str, schema: Mapping[str, Any]) -> Any:
    """A parameter's text as the schema has it; ValueError with what it should have been."""
    kinds = json_types(schema)
    if not kinds or kinds == {"string"}:
        return text
    word = text.strip()
    try:
        value = _loads(word)
    except ValueError:
        value = {"True": True, "False": False, "None": None}.get(word, text)
    if isinstance(value, bool):
        kind = "boolean"
    elif isinstance(value, int | float):
        if isinstance(value, float) and value.is_integer() and "number" not in kinds:
            value = int(value)
        kind = "integer" if isinstance(value, int) and "integer" in kinds else "number"
    else:
        kind = {dict: "object", list: "array", type(None): "null"}.get(type(value), "string")
    if kind in kinds:
        return text if kind == "string" else value
    if "string" in kinds:
        return text
    raise ValueError(f"of type {' or '.join(sorted(kinds))}, not {text!r}")


def json_types(schema: Mapping[str, Any]) -> set[str]:
    """The JSON types that a schema allows; none if it does not say."""
    kinds: set[str] = set()
    named = schema.get("type")
    kinds.update([named] if isinstance(named, str) else named if isinstance(named, list) else [])
    for key in ("anyOf", "oneOf"):
        for option in schema.get(key) or ():
            kinds |= json_types(option) if isinstance(option, Mapping) else set()
    choices = [*(schema.get("enum") or ()), *([schema["const"]] if "const" in schema else [])]
    if not kinds:
        for choice in choices:
            if isinstance(choice, bool):
                kinds.add("boolean")
            else:
                kinds.add(
                    {str: "string", int: "integer", float: "number", type(None): "null"}.get(type(choice), "")
                )
    return kinds - {""}


def named_schema(tool: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Name and parameter schema of a tool."""
    function = tool.get("function", tool)
    if not isinstance(function, Mapping):
        return "", {}
    parameters = function.get("parameters")
    return str(function.get("name", "")), parameters if isinstance(parameters, Mapping) else {}


def _without_beginning(text: str, tags: Iterable[str]) -> str:
    """The text less an end that may be the beginning of a tag."""
    for length in range(min(max(map(len, tags), default=1) - 1, len(text)), 0, -1):
        if any(tag.startswith(text[-length:]) for tag in tags):
            return text[:-length]
    return text


def _inside_value(call: str) -> bool:
    """Whether the beginning of a call ends inside a parameter or a JSON string."""
    call = call.strip()
    if call.startswith("<function="):
        return not call.endswith(("</function>", "</parameter>"))
    if call.startswith("{"):
        return re.sub(r"\\.", "", call, flags=re.DOTALL).count('"') % 2 == 1
    return False


def _loads(text: str) -> Any:
    """JSON, strictly; ValueError for whatever is wrong with it."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON value")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
