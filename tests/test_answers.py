"""The parser of answers: calls, reasoning and text, over every cut of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashmoe.text.toolcalls import AnswerParser, Part, Reasoning, Text, ToolCall

from .texts import cuts

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer"},
                "factor": {"type": "number"},
                "wind": {"type": "boolean"},
                "hours": {"type": "array", "items": {"type": "integer"}},
                "where": {"anyOf": [{"type": "object"}, {"type": "null"}]},
                "unit": {"enum": ["c", "f"]},
                "zip": {"type": ["string", "integer"]},
            },
            "required": ["city"],
        },
    },
}
PLAIN = {"name": "save", "parameters": {"type": "object", "properties": {"text": {"type": "string"}}}}
TOOLS = [WEATHER, PLAIN]


def xml(name: str, **arguments: str) -> str:
    body = "".join(f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in arguments.items())
    return f"<tool_call>\n<function={name}>\n{body}</function>\n</tool_call>"


def parse(pieces: list[str], thinking: bool = False, tools: Any = TOOLS) -> list[Part]:
    """The parts, with neighbouring text joined."""
    parser = AnswerParser(tools, thinking)
    parts: list[Part] = []
    for part in [*(part for piece in pieces for part in parser.push(piece)), *parser.finish()]:
        last = parts[-1] if parts else None
        if isinstance(part, Text) and isinstance(last, Text):
            parts[-1] = Text(last.text + part.text)
        elif isinstance(part, Reasoning) and isinstance(last, Reasoning):
            parts[-1] = Reasoning(last.text + part.text)
        else:
            parts.append(part)
    return parts


def the_call(text: str) -> ToolCall:
    (call,) = parse([text])
    assert isinstance(call, ToolCall)
    return call


def test_xml_calls_are_typed_by_the_schema() -> None:
    call = the_call(
        xml(
            "get_weather",
            city="Oslo",
            days="3",
            factor="1.5",
            wind="True",
            hours="[1, 2]",
            where="null",
            unit="c",
            zip="x",
        )
    )
    assert call.error == ""
    assert call.arguments == {
        "city": "Oslo",
        "days": 3,
        "factor": 1.5,
        "wind": True,
        "hours": [1, 2],
        "where": None,
        "unit": "c",
        "zip": "x",
    }


def test_strings_stay_as_written() -> None:
    for text in (
        "3",
        "null",
        '"quoted"',
        " indented\n\n  lines ",
        "",
        "</tool_call>",
        "<parameter=x>",
        "a</parameter>b",
    ):
        call = the_call(xml("save", text=text))
        assert (call.arguments, call.error) == ({"text": text}, ""), text


def test_json_calls() -> None:
    call = the_call(
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "a </tool_call> b", "days": 2}}\n</tool_call>'
    )
    assert call.arguments == {"city": "a </tool_call> b", "days": 2}
    assert not call.error
    assert the_call('<tool_call>{"name": "save", "arguments": "{\\"text\\": \\"x\\"}"}</tool_call>').arguments == {
        "text": "x"
    }


def test_several_calls_with_text_and_reasoning() -> None:
    calls = f"{xml('get_weather', city='Oslo')}\n{xml('save', text='x')}"
    text = f"<think>\nhm\n</think>\n\nLet me see.\n\n{calls}\nDone.\n"
    kinds = [part.text if isinstance(part, Text | Reasoning) else part.name for part in parse([text])]
    assert kinds == ["hm", "Let me see.", "get_weather", "save", "Done.\n"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("<tool_call>\nget_weather(city='Oslo')\n</tool_call>", "neither JSON nor"),
        ('<tool_call>\n{"name": "save", "arguments": {"text": \\text\\}}\n</tool_call>', "no valid JSON"),
        ('<tool_call>{"name": "save", "arguments": {"text": "x}}</tool_call>', "no valid JSON"),
        ('<tool_call>{"arguments": {}}</tool_call>', "names no function"),
        ('<tool_call>{"name": "save", "arguments": [1]}</tool_call>', "no JSON object"),
        ('<tool_call>{"name": "save", "arguments": {"text": NaN}}</tool_call>', "NaN"),
        ("<tool_call>" + '{"a":' * 100_000 + "</tool_call>", "nested too deeply"),
        ("<tool_call>\n<function=save>\n<parameter=text>\nx\n</tool_call>", "not well formed"),
        ("<tool_call>\n<function=save>\n<parameter=text>\nx\n", "not finished"),
        ("<tool_call>", "not finished"),
        (xml("launch", city="x"), "no tool named launch; there are get_weather, save"),
        (xml("get_weather", days="2"), "lacks city"),
        (
            xml("get_weather", city="x", days="soon"),
            "days of get_weather should be of type integer, not 'soon'",
        ),
    ],
)
def test_malformed_calls_are_events(text: str, wanted: str) -> None:
    call = the_call(text)
    assert wanted in call.error
    assert call.raw or text == "<tool_call>"
    before, after, *rest = parse(["Look: " + text + ("</tool_call>" if "not finished" in wanted else "") + " end"])[::2]
    assert before == Text("Look:")
    assert after == Text("end")
    assert not rest


def test_without_tools_a_call_is_text() -> None:
    assert parse([xml("save", text="x")], tools=None) == [Text(xml("save", text="x"))]


def test_thinking_that_the_prompt_opened() -> None:
    assert parse(["\nhm</think>\n\nYes"], thinking=True) == [Reasoning("hm"), Text("Yes")]
    assert parse(["hm, no end "], thinking=True) == [Reasoning("hm, no end ")]


def test_a_think_tag_amid_text_is_text() -> None:
    assert parse(["Write <think> to think."]) == [Text("Write <think> to think.")]


pieces_of_answers = st.lists(
    st.sampled_from(
        [
            *(
                "<think>",
                "</think>",
                "<tool_call>",
                "</tool_call>",
                "<function=save>",
                "</function>",
                "<parameter=text>",
            ),
            *(
                "</parameter>",
                "{",
                "}",
                '"',
                "\\",
                '"name": "save"',
                '"arguments": {',
                "\n",
                "  ",
                "hello",
                "<",
                "<tool",
            ),
            xml("get_weather", city="Oslo", days="2"),
            xml("save", text="a </tool_call> b"),
            '<tool_call>\n{"name": "save", "arguments": {"text": "x"}}\n</tool_call>',
        ]
    )
    | st.text(max_size=5),
    max_size=14,
).map("".join)


@given(pieces_of_answers, st.booleans(), st.booleans(), st.data())
@settings(max_examples=1000, deadline=None)
def test_answers_parse_the_same_over_every_split(text: str, thinking: bool, tools: bool, data: st.DataObject) -> None:
    given_tools = TOOLS if tools else None
    whole = parse([text], thinking, given_tools)
    assert parse(cuts(text, data), thinking, given_tools) == whole
    assert parse(list(text), thinking, given_tools) == whole


@given(pieces_of_answers, st.data())
@settings(max_examples=300, deadline=None)
def test_no_answer_is_lost(text: str, data: st.DataObject) -> None:
    """Whatever letters an answer has, they come out in some part, in order."""
    parts = parse(cuts(text, data))
    out = "".join(part.raw if isinstance(part, ToolCall) else part.text for part in parts)
    letters = [c for c in text.replace("<think>", "").replace("</think>", "") if c.isalnum()]
    kept = [c for c in out.replace("<think>", "").replace("</think>", "") if c.isalnum()]
    calls = text.count("<tool_call>") + text.count("</tool_call>")
    assert len(letters) - len(kept) <= 8 * calls
    assert json.dumps([str(part) for part in parts])
