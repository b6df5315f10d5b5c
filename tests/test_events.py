"""Events of an answer: however its stream is cut, they are the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashmoe.events import EventParser, FinishEvent, ReasoningEvent, TextEvent, ToolCallEvent
from flashmoe.generate import Usage

from .serving import WEATHER
from .texts import cuts

TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}]
XML_CALL = "<tool_call>\n<function=get_weather>\n<parameter=city>\n{}\n</parameter>\n</function>\n</tool_call>"
JSON_CALL = '<tool_call>\n{{"name": "get_weather", "arguments": {{"city": "{}"}}}}\n</tool_call>'
STREAMS = {
    "reasoning and calls": f"Hm, <b>\n</think>\n\nSure.\n\n{XML_CALL.format('Oslo')}\n{XML_CALL.format('a</param')}",
    "calls in JSON": f"two < three\n</think>\n\n{JSON_CALL.format('Oslo')}\n{JSON_CALL.format('}}</tool')}",
    "a call that is cut off": f"x\n</think>\n\n{XML_CALL.format('Oslo')}\n{XML_CALL.format('Rome')[:-30]}",
    "a call of nobody": "x</think>" + XML_CALL.format("Oslo").replace("get_weather", "launch") + " Well.",
    "no end of the thought": "I wonder </thin",
    "text like markup": "</think>a <tool_cal> b <function=x> c </tool_call> d",
}


def events_of(pieces: Iterable[str], tools: Any) -> list[Any]:
    """Events, with texts that follow each other joined."""
    parser = EventParser(tools, thinking=True)
    out: list[Any] = []
    for event in [*(event for piece in pieces for event in parser.feed(piece)), *parser.finish("stop", Usage())]:
        if out and type(event) is type(out[-1]) and isinstance(event, TextEvent | ReasoningEvent):
            out[-1] = replace(event, text=out[-1].text + event.text)
        else:
            out.append(event)
    return [*out, parser.message.get("content"), parser.message.get("reasoning_content")]


@pytest.mark.parametrize("name", STREAMS)
def test_events_over_every_split_of_a_stream(name: str) -> None:
    """In two at every place, letter by letter, and (hypothesis) in any pieces."""
    text = STREAMS[name]
    for tools in (TOOLS, None):
        whole = events_of([text], tools)
        assert isinstance(whole[-3], FinishEvent)
        assert sum(isinstance(event, ToolCallEvent) for event in whole) >= (tools is not None and "call" in name)
        assert all(events_of([text[:i], text[i:]], tools) == whole for i in range(len(text) + 1))
        assert events_of(text, tools) == whole


@given(st.lists(st.sampled_from(list(STREAMS.values())), min_size=1, max_size=3).map("\n".join), st.data())
@settings(max_examples=200, deadline=None)
def test_events_over_any_split_of_any_stream(text: str, data: st.DataObject) -> None:
    for tools in (TOOLS, None):
        assert events_of(cuts(text, data), tools) == events_of([text], tools)
