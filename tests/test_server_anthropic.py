"""The server through Anthropic's own client, on the demo model."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import pytest

from .serving import WEATHER, Running, running

QUESTION = [{"role": "user", "content": "What is 6 times 7?"}]
GREEDY = {"temperature": 0}  # the client has no argument for it any more
IMAGE = {"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}}
TOOL = {"name": "get_weather", "description": "Weather", "input_schema": WEATHER}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running() as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Running) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=server.url, api_key="none", max_retries=0)


def test_messages(client: anthropic.Anthropic, server: Running) -> None:
    message = client.messages.create(
        model="any", max_tokens=50, extra_body=GREEDY, system="You are helpful.", messages=QUESTION
    )
    system = {"role": "system", "content": "You are helpful."}
    body = {"messages": [system, *QUESTION], "temperature": 0}
    same = server.post("/v1/chat/completions", body).json()
    assert message.content[0].text == same["choices"][0]["message"]["content"]
    assert message.stop_reason == "end_turn" and message.model == "demo"
    usage = message.usage
    assert usage.input_tokens + usage.cache_read_input_tokens == same["usage"]["prompt_tokens"]


def test_streaming(client: anthropic.Anthropic) -> None:
    ask = {"model": "any", "max_tokens": 50, "extra_body": GREEDY, "messages": QUESTION}
    with client.messages.stream(**ask) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == final.content[0].text == client.messages.create(**ask).content[0].text
    assert final.usage.output_tokens > 0 and final.stop_reason == "end_turn"


def test_tools_in_several_turns(client: anthropic.Anthropic) -> None:
    messages = [{"role": "user", "content": "What is the weather in Oslo?"}]
    ask = {"model": "any", "max_tokens": 100, "extra_body": GREEDY, "tools": [TOOL]}
    with client.messages.stream(**ask, messages=messages) as stream:
        first = stream.get_final_message()
    assert first.stop_reason == "tool_use"
    (call,) = first.content
    assert call.type == "tool_use" and call.input == {"city": "Oslo"}
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "4 degrees, rain"}]}
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = client.messages.create(**ask, messages=messages)
    assert second.stop_reason == "end_turn" and second.content[0].text
    assert second.usage.cache_read_input_tokens > 100


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "get_weather"}])
def test_tool_choice(client: anthropic.Anthropic, choice) -> None:
    message = client.messages.create(
        model="any", max_tokens=100, messages=[{"role": "user", "content": "Hello!"}], tools=[TOOL], tool_choice=choice
    )
    assert {block.type for block in message.content} == {"tool_use"}


def test_an_answer_that_is_begun(client: anthropic.Anthropic) -> None:
    begun = [*QUESTION, {"role": "assistant", "content": "6 x 7"}]
    message = client.messages.create(model="any", max_tokens=20, extra_body=GREEDY, messages=begun)
    assert message.content[0].text.startswith(" =")


def test_stop_sequences_and_lengths(client: anthropic.Anthropic) -> None:
    ask = {"model": "any", "extra_body": GREEDY, "messages": QUESTION}
    stopped = client.messages.create(**ask, max_tokens=50, stop_sequences=["zebra", " ="])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", " =")
    assert client.messages.create(**ask, max_tokens=2).stop_reason == "max_tokens"


def test_counting(client: anthropic.Anthropic) -> None:
    counted = client.messages.count_tokens(model="any", messages=QUESTION, tools=[TOOL]).input_tokens
    usage = client.messages.create(model="any", max_tokens=1, messages=QUESTION, tools=[TOOL]).usage
    assert counted == usage.input_tokens + usage.cache_read_input_tokens


def test_models(client: anthropic.Anthropic) -> None:
    assert [model.id for model in client.models.list()] == ["demo"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": "x " * 3000}]}, "context"),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, "text only"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "only Anthropic"),
        ({"tool_choice": {"type": "any"}}, "no tools"),
    ],
)  # fmt: skip
def test_errors(client: anthropic.Anthropic, change, told: str) -> None:
    ask = {"model": "any", "max_tokens": 10, "messages": QUESTION, **change}
    with pytest.raises(anthropic.BadRequestError, match=told) as raised:
        client.messages.create(**ask)
    assert raised.value.body["type"] == "error"
    assert raised.value.body["error"]["type"] == "invalid_request_error"
