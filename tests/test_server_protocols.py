"""What clients of other servers rely on: reasoning in each protocol, the fields that agents send, turns in the queue,
limits of time, signs of life, and responses that are kept. The words are written beforehand; the rest is real."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import anthropic
import openai
import pytest

from flashmoe.server.fair import FairQueue

from .fake_model import FakeModel, FakeSession
from .serving import WEATHER, Running, running

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
QUESTION = [{"role": "user", "content": "What is the answer?"}]
THOUGHT, ANSWER = "Let me see. Is it 42?", "The answer is 42."
CALL = "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>"
FUNCTION = {"name": "get_weather", "description": "Weather", "parameters": WEATHER}


class SlowModel(FakeModel):
    """pause: seconds that each evaluation takes. gate: evaluations wait until it is open."""

    def __init__(self, replies: list[str], pause: float = 0.0) -> None:
        super().__init__(replies)
        self.pause, self.gate = pause, threading.Event()
        self.gate.set()

    def session(self) -> FakeSession:
        session = super().session()
        evaluate = session.eval

        def slowly(*args, **options):
            assert self.gate.wait(20)
            time.sleep(self.pause)
            return evaluate(*args, **options)

        session.eval = slowly  # type: ignore[method-assign]
        return session


@pytest.fixture(scope="module")
def thinker() -> Iterator[Running]:
    with running(
        FakeModel([f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}", f"<think>\nAgain.\n</think>\n\n{CALL}"])
    ) as server:
        yield server


@pytest.fixture(scope="module")
def plain() -> Iterator[Running]:
    with running(FakeModel([ANSWER, "Bye."])) as server:
        yield server


def events(text: str) -> list[dict]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]


# ---- reasoning


def test_reasoning_in_chat(thinker: Running) -> None:
    for name in ("reasoning_effort", "chat_template_kwargs"):
        body = {"messages": QUESTION, name: "high" if name == "reasoning_effort" else {"enable_thinking": True}}
        reply = thinker.post(CHAT, body).json()
        message = reply["choices"][0]["message"]
        assert (message["reasoning_content"].strip(), message["content"].strip()) == (THOUGHT, ANSWER)
        assert 0 < reply["usage"]["completion_tokens_details"]["reasoning_tokens"] < reply["usage"]["completion_tokens"]
        deltas = [each["choices"][0]["delta"] for each in events(thinker.post(CHAT, {**body, "stream": True}).text)]
        assert "".join(each.get("reasoning_content", "") for each in deltas).strip() == THOUGHT
        assert "".join(each.get("content") or "" for each in deltas).strip() == ANSWER


def test_reasoning_in_messages(thinker: Running) -> None:
    client = anthropic.Anthropic(base_url=thinker.url, api_key="none", max_retries=0)
    ask = {
        "model": "any",
        "max_tokens": 2000,
        "messages": QUESTION,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    whole = client.messages.create(**ask)
    with client.messages.stream(**ask) as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_message()
    for message in (whole, streamed):
        thought, answer = message.content
        assert (thought.type, thought.thinking.strip()) == ("thinking", THOUGHT)
        assert (answer.type, answer.text.strip()) == ("text", ANSWER)
    assert "thinking" in kinds and "signature" in kinds
    again = [*QUESTION, {"role": "assistant", "content": whole.content}, {"role": "user", "content": "And in Oslo?"}]
    tool = {"name": "get_weather", "input_schema": WEATHER}
    second = client.messages.create(**{**ask, "messages": again}, tools=[tool])
    assert [block.type for block in second.content] == ["thinking", "tool_use"] and second.stop_reason == "tool_use"


def test_reasoning_in_responses(thinker: Running) -> None:
    client = openai.OpenAI(base_url=f"{thinker.url}/v1", api_key="none", max_retries=0)
    ask = {"model": "any", "input": "What is the answer?", "reasoning": {"effort": "medium"}}
    whole = client.responses.create(**ask)
    with client.responses.stream(**ask) as stream:
        deltas = [event.delta for event in stream if event.type == "response.reasoning_text.delta"]
        streamed = stream.get_final_response()
    assert "".join(deltas).strip() == THOUGHT
    for response in (whole, streamed):
        thought, message = response.output
        assert (thought.type, thought.content[0].text.strip()) == ("reasoning", THOUGHT)
        assert message.type == "message" and response.output_text.strip() == ANSWER
        assert response.usage.output_tokens_details.reasoning_tokens > 0
    follow = [*whole.output, {"role": "user", "content": "And in Oslo?"}]
    tool = {"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": False}
    second = client.responses.create(
        **{**ask, "input": [{"role": "user", "content": ask["input"]}, *follow]}, tools=[tool]
    )
    assert [item.type for item in second.output] == ["reasoning", "function_call"]


def test_a_budget_ends_the_thought(thinker: Running) -> None:
    body = {"max_tokens": 40, "messages": QUESTION, "thinking": {"type": "enabled", "budget_tokens": 2}}
    first = thinker.post(MESSAGES, body).json()["content"][0]
    assert first["type"] == "thinking" and len(first["thinking"]) < len(THOUGHT) // 2


# ---- what agents send


AGENT = {
    "model": "gpt-4o", "temperature": 0, "parallel_tool_calls": False, "user": "me", "metadata": {"a": "b"},
    "store": False, "service_tier": "auto", "reasoning_effort": None, "verbosity": "low", "prediction": None,
    "prompt_cache_key": "x", "safety_identifier": "y", "tool_choice": "auto", "stream_options": None, "logit_bias": {},
    "presence_penalty": 0.1, "frequency_penalty": 0.1, "top_logprobs": None, "logprobs": False, "stop": None,
    "seed": None, "n": 1, "response_format": {"type": "text"}, "top_p": 0, "top_k": -1, "options": {"num_ctx": 5},
    "tools": [{"type": "function", "function": {**FUNCTION, "strict": None}}], "max_completion_tokens": 50,
}  # fmt: skip
CALLED = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "developer", "content": "Be brief."}, *QUESTION],
        [{"role": "system", "content": [{"type": "text", "text": "Be brief."}]}, *QUESTION],
        [{"role": "user", "name": "me", "content": [{"type": "text", "text": "Wh"}, {"type": "text", "text": "at?"}]}],
    ],
)  # fmt: skip
def test_fields_of_agents_are_honoured_or_ignored(plain: Running, messages) -> None:
    reply = plain.post(CHAT, {**AGENT, "messages": messages})
    assert reply.status_code == 200, reply.text
    assert reply.json()["choices"][0]["message"]["content"] == ANSWER


@pytest.mark.parametrize("result", ["4 degrees", [{"type": "text", "text": "4 degrees"}], None])
def test_results_of_tools_as_agents_send_them(plain: Running, result) -> None:
    past = {"role": "assistant", "content": None, "refusal": None, "audio": None, "function_call": None,
            "annotations": [], "tool_calls": [CALLED]}  # fmt: skip
    messages = [*QUESTION, past, {"role": "tool", "tool_call_id": "c1", "content": result}]
    reply = plain.post(CHAT, {**AGENT, "messages": messages})
    assert reply.status_code == 200, reply.text
    assert reply.json()["choices"][0]["message"]["content"] == "Bye."


def test_usage_at_the_end_of_a_stream_of_several(plain: Running) -> None:
    body = {"messages": QUESTION, "n": 3, "stream": True, "stream_options": {"include_usage": True}}
    *chunks, last = events(plain.post(CHAT, body).text)
    texts = ["", "", ""]
    for chunk in chunks:
        choice = chunk["choices"][0]
        texts[choice["index"]] += choice["delta"].get("content") or ""
    assert texts == [ANSWER] * 3 and last["choices"] == []
    single = plain.post(CHAT, {"messages": QUESTION}).json()["usage"]
    assert last["usage"]["completion_tokens"] == 3 * single["completion_tokens"]
    assert last["usage"]["prompt_tokens"] == single["prompt_tokens"]


def test_a_grammar(plain: Running) -> None:
    for grammar in ('root ::= "yes" | "no"', 'start: "yes" | "no"'):
        body = {"messages": QUESTION, "grammar": grammar, "temperature": 0}
        assert plain.post(CHAT, body).json()["choices"][0]["message"]["content"] in ("yes", "no")
        body = {"prompt": "The answer is", "grammar": grammar, "temperature": 0}
        assert plain.post("/v1/completions", body).json()["choices"][0]["text"] in ("yes", "no")
    for wrong in ({"grammar": "root ::= ("}, {"grammar": "root ::= x", "response_format": {"type": "json_object"}}):
        assert plain.post(CHAT, {"messages": QUESTION, **wrong}).status_code == 400


def test_fields_of_agents_in_messages(plain: Running) -> None:
    cached = {"cache_control": {"type": "ephemeral"}}
    body = {
        "model": "claude", "max_tokens": 60, "stop_sequences": [], "temperature": 0, "top_p": 0.9, "top_k": 5,
        "system": [{"type": "text", "text": "Be", **cached}, {"type": "text", "text": "brief."}],
        "metadata": {"user_id": "me"}, "service_tier": "auto", "thinking": None, "container": None,
        "tools": [{"name": "get_weather", "description": "Weather", "input_schema": WEATHER, **cached}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    }  # fmt: skip
    asked = [{"role": "user", "content": [{"type": "text", "text": "What is it?", **cached}]}]
    reply = plain.post(MESSAGES, {**body, "messages": asked})
    assert reply.status_code == 200 and reply.json()["content"] == [{"type": "text", "text": ANSWER}]
    use = {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Oslo"}}
    past = [{"type": "thinking", "thinking": "Hm.", "signature": ""}, {"type": "redacted_thinking", "data": "x"}, use]
    result = {"type": "tool_result", "tool_use_id": "t1", "is_error": True, "content": "no such city", **cached}
    more = [*asked, {"role": "assistant", "content": past}, {"role": "user", "content": [result]}]
    reply = plain.post(MESSAGES, {**body, "messages": more})
    assert reply.status_code == 200 and reply.json()["content"] == [{"type": "text", "text": "Bye."}]
    counted = plain.post(
        f"{MESSAGES}/count_tokens", {"messages": more, "system": body["system"], "tools": body["tools"]}
    )
    usage = reply.json()["usage"]
    assert counted.json()["input_tokens"] == usage["input_tokens"] + usage["cache_read_input_tokens"]


# ---- kept responses


def test_responses_are_kept_until_they_are_deleted(plain: Running) -> None:
    client = openai.OpenAI(base_url=f"{plain.url}/v1", api_key="none", max_retries=0)
    first = client.responses.create(model="any", input="What is it?")
    assert client.responses.retrieve(first.id).output_text == first.output_text == ANSWER
    second = client.responses.create(model="any", input="And?", previous_response_id=first.id)
    assert second.output_text == "Bye." and second.previous_response_id == first.id
    client.responses.delete(first.id)
    for use in (
        lambda: client.responses.retrieve(first.id),
        lambda: client.responses.delete(first.id),
        lambda: client.responses.create(model="any", input="And?", previous_response_id=first.id),
    ):
        with pytest.raises(openai.NotFoundError, match="no response"):
            use()
    assert client.responses.retrieve(second.id).output_text == "Bye."
    unkept = client.responses.create(model="any", input="What is it?", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(unkept.id)
    for field in ("conversation", "prompt"):
        assert plain.post(RESPONSES, {"input": "Hello", field: {"id": "x"}}).status_code == 400


# ---- turns and time


def test_clients_take_turns() -> None:
    queue: FairQueue[int] = FairQueue()
    for client, item in [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6)]:
        queue.push(client, item)
    assert queue.first() == 1 and queue.pop() == 1
    queue.put_back("a", 1)
    assert [queue.pop() for _ in range(len(queue))] == [1, 4, 5, 2, 6, 3]


def test_one_client_does_not_keep_others_waiting() -> None:
    model = SlowModel([ANSWER])
    with running(model, parallel=1) as server, ThreadPoolExecutor(8) as pool:
        engine, order = server.service.engine, []

        def ask(user: str) -> None:
            assert server.post(CHAT, {"messages": QUESTION, "user": user}).status_code == 200
            order.append(user)

        model.gate.clear()
        asked = [pool.submit(ask, "greedy")]
        until(lambda: engine.running == 1)
        for i, user in enumerate(["greedy"] * 4 + ["modest"]):
            asked.append(pool.submit(ask, user))
            until(lambda i=i: engine.waiting == i + 1)
        model.gate.set()
        for each in asked:
            each.result(20)
        assert order.index("modest") <= 2


def test_who_waits_too_long_is_told_so() -> None:
    model = SlowModel([ANSWER], pause=0.03)
    with running(model, parallel=1, max_wait=0.1) as server, ThreadPoolExecutor(2) as pool:
        first = pool.submit(server.post, CHAT, {"messages": QUESTION})
        until(lambda: server.service.engine.running == 1)
        second = server.post(MESSAGES, {"messages": QUESTION, "max_tokens": 9})
        assert second.status_code == 503 and int(second.headers["retry-after"]) >= 1
        assert second.json()["error"]["type"] == "overloaded_error" and "waited" in second.text
        assert first.result(20).status_code == 200


def test_an_answer_ends_when_its_time_is_over() -> None:
    with running(SlowModel([ANSWER * 20], pause=0.02), max_seconds=0.3) as server:
        choice = server.chat("What is it?")
        assert choice["finish_reason"] == "length" and (ANSWER * 20).startswith(choice["message"]["content"])
    with running(SlowModel([ANSWER], pause=0.3), max_seconds=0.1) as server:
        long = [{"role": "user", "content": "What is it? " * 200}]  # more than one slice
        reply = server.post(CHAT, {"messages": long})
        assert reply.status_code == 503 and "not read within" in reply.text


def test_signs_of_life_while_a_prompt_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flashmoe.server.sse.KEEP_ALIVE_SECONDS", 0.05)
    model = SlowModel([ANSWER])
    with running(model) as server:
        for path, sign in ((CHAT, ": keep-alive"), (MESSAGES, "event: ping"), (RESPONSES, ": keep-alive")):
            model.gate.clear()
            body = {"messages": QUESTION, "max_tokens": 50} if path != RESPONSES else {"input": "What is it?"}
            with server.client.stream("POST", path, json={**body, "stream": True}) as stream:
                lines = stream.iter_lines()
                seen = [next(line for line in lines if line.startswith(sign)) for _ in range(3)]
                model.gate.set()
                assert seen == [sign] * 3 and " answer" in "".join(lines)


def until(condition, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
