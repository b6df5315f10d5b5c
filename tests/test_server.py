"""The server through OpenAI's own client, on the demo model."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2 as httpx
import openai
import pytest

from flashmoe import Sampling
from flashmoe.errors import UsageError
from flashmoe.server.settings import Settings

from .serving import WEATHER, Running, demo, running

QUESTION = [{"role": "user", "content": "What is 6 times 7?"}]
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": WEATHER}}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running() as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


def alone(text: str, **options) -> str:
    """The answer of the library itself."""
    sampling = Sampling.recommended(demo().path).with_(**options)
    answer = demo().chat([{"role": "user", "content": text}], sampling=sampling)
    return "".join(getattr(event, "text", "") for event in answer)


def wait_until(condition, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# ---- chat


def test_chat(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="demo", messages=QUESTION, temperature=0)
    choice = reply.choices[0]
    assert choice.message.content == alone("What is 6 times 7?", temperature=0) != ""
    assert choice.finish_reason == "stop"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply.model == "demo"


def test_streaming(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="demo", messages=QUESTION, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == alone("What is 6 times 7?", temperature=0)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert last.choices == [] and last.usage.completion_tokens > 0


def test_seeds_make_answers_repeatable_and_each_choice_has_its_own(client: openai.OpenAI) -> None:
    ask = {"model": "demo", "messages": [{"role": "user", "content": "Tell me about experts."}], "temperature": 1.5}
    both = client.chat.completions.create(**ask, seed=5, n=2, max_tokens=30)
    texts = [choice.message.content for choice in both.choices]
    single = [client.chat.completions.create(**ask, seed=5 + i, max_tokens=30) for i in range(2)]
    assert texts == [reply.choices[0].message.content for reply in single]
    assert client.chat.completions.create(**ask, seed=-1, max_tokens=2).choices


def test_lengths_and_stops(client: openai.OpenAI) -> None:
    short = client.chat.completions.create(model="demo", messages=QUESTION, temperature=0, max_completion_tokens=2)
    assert short.choices[0].finish_reason == "length" and short.usage.completion_tokens == 2
    stopped = client.chat.completions.create(model="demo", messages=QUESTION, temperature=0, stop=[" ="])
    assert stopped.choices[0].finish_reason == "stop" and " =" not in stopped.choices[0].message.content


def test_logprobs(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="demo", messages=QUESTION, temperature=0, logprobs=True, top_logprobs=3, max_tokens=4
    )
    content = reply.choices[0].logprobs.content
    assert "".join(token.token for token in content) == reply.choices[0].message.content
    for token in content:
        assert [token.token, token.logprob] == [token.top_logprobs[0].token, token.top_logprobs[0].logprob]
        assert bytes(token.bytes).decode() == token.token
        assert token.top_logprobs[0].logprob >= token.top_logprobs[1].logprob >= token.top_logprobs[2].logprob


def test_a_logit_bias_forbids_a_token(server: Running) -> None:
    (six,) = demo().tokenizer.encode("6")
    assert server.chat("What is 6 times 7?")["message"]["content"].startswith("6")
    biased = server.chat("What is 6 times 7?", logit_bias={str(six): -100})
    assert "6" not in biased["message"]["content"]


def test_tools_in_several_turns(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "What is the weather in Oslo?"}]
    reply = client.chat.completions.create(model="demo", messages=messages, tools=[TOOL], temperature=0)
    choice = reply.choices[0]
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert call.function.name == "get_weather" and json.loads(call.function.arguments) == {"city": "Oslo"}
    messages += [choice.message, {"role": "tool", "tool_call_id": call.id, "content": "4 degrees and rain"}]
    reply = client.chat.completions.create(model="demo", messages=messages, tools=[TOOL], temperature=0)
    assert reply.choices[0].finish_reason == "stop" and reply.choices[0].message.content
    assert reply.usage.prompt_tokens_details.cached_tokens > 100  # all of the first turn


def test_streamed_tool_calls(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "What is the weather in Oslo?"}]
    stream = client.chat.completions.create(model="demo", messages=messages, tools=[TOOL], temperature=0, stream=True)
    calls = [call for chunk in stream for call in chunk.choices[0].delta.tool_calls or ()]
    assert [call.index for call in calls] == [0]
    assert json.loads(calls[0].function.arguments) == {"city": "Oslo"}


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_tool_choice_makes_it_call(client: openai.OpenAI, choice) -> None:
    other = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
    reply = client.chat.completions.create(
        model="demo", messages=[{"role": "user", "content": "Hello!"}], tools=[TOOL, other], tool_choice=choice,
        temperature=0, max_tokens=100,
    )  # fmt: skip
    names = [call.function.name for call in reply.choices[0].message.tool_calls]
    assert names and (choice == "required" or names == ["get_weather"])


def test_tool_choice_none_hides_the_tools(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "What is the weather in Oslo?"}]
    reply = client.chat.completions.create(
        model="demo", messages=messages, tools=[TOOL], tool_choice="none", temperature=0, max_tokens=60
    )
    assert reply.choices[0].message.tool_calls is None and reply.usage.prompt_tokens < 30


def test_json(client: openai.OpenAI) -> None:
    ask = {"model": "demo", "messages": QUESTION, "temperature": 1.8, "seed": 3, "max_tokens": 200}
    schema = {
        "type": "object",
        "properties": {"answer": {"type": "integer"}, "unit": {"enum": ["m", "s"]}},
        "required": ["answer", "unit"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema, "strict": True}}
    value = json.loads(client.chat.completions.create(**ask, response_format=form).choices[0].message.content)
    assert isinstance(value["answer"], int) and value["unit"] in ("m", "s")
    with pytest.raises(openai.BadRequestError, match="schema"):
        client.chat.completions.create(**ask, response_format={"type": "json_schema", "json_schema": {"name": "a"}})


def test_a_second_turn_evaluates_only_what_is_new(client: openai.OpenAI) -> None:
    messages = [{"role": "system", "content": "You are a careful assistant. " * 8}, *QUESTION]
    first = client.chat.completions.create(model="demo", messages=messages, temperature=0)
    messages += [first.choices[0].message, {"role": "user", "content": "And 7 times 8?"}]
    second = client.chat.completions.create(model="demo", messages=messages, temperature=0)
    cached = second.usage.prompt_tokens_details.cached_tokens
    assert cached >= first.usage.prompt_tokens + first.usage.completion_tokens - 1


# ---- the other endpoints


def test_completions(client: openai.OpenAI) -> None:
    ids = demo().tokenizer.encode("The experts are")
    for prompt in ("The experts are", ids):
        reply = client.completions.create(model="demo", prompt=prompt, temperature=0, max_tokens=5, logprobs=2)
        expected = [token.text for token in demo().generate(ids, max_tokens=5, sampling=Sampling(temperature=0))]
        assert reply.choices[0].text == "".join(expected)
        assert "".join(reply.choices[0].logprobs.tokens) == reply.choices[0].text
    many = client.completions.create(model="demo", prompt=["One,", "Two,"], temperature=0, n=2, max_tokens=3, echo=True)
    assert [choice.index for choice in many.choices] == [0, 1, 2, 3]
    assert [choice.text[:4] for choice in many.choices] == ["One,", "One,", "Two,", "Two,"]
    stream = client.completions.create(model="demo", prompt=["One,", "Two,"], temperature=0, max_tokens=3, stream=True)
    texts = {0: "", 1: ""}
    for chunk in stream:
        texts[chunk.choices[0].index] += chunk.choices[0].text
    assert texts[0] == many.choices[0].text[4:] and texts[1] == many.choices[2].text[4:]


def test_responses(client: openai.OpenAI) -> None:
    first = client.responses.create(model="demo", input="What is 6 times 7?", temperature=0)
    assert first.output_text == alone("What is 6 times 7?", temperature=0) and first.status == "completed"
    second = client.responses.create(
        model="demo", input="And 7 times 8?", previous_response_id=first.id, temperature=0, max_output_tokens=2
    )
    assert second.status == "incomplete" and second.usage.input_tokens > first.usage.input_tokens
    assert second.usage.input_tokens_details.cached_tokens > 0
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="demo", input="Hello", previous_response_id="resp_none")


def test_streamed_responses(client: openai.OpenAI) -> None:
    with client.responses.stream(model="demo", input="What is 6 times 7?", temperature=0) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text == alone("What is 6 times 7?", temperature=0)


def test_tools_in_responses(client: openai.OpenAI) -> None:
    tool = {"type": "function", "name": "get_weather", "description": "Weather", "parameters": WEATHER, "strict": None}
    ask = {"model": "demo", "tools": [tool], "temperature": 0}
    first = client.responses.create(**ask, input="What is the weather in Oslo?")
    (call,) = first.output
    assert call.type == "function_call" and json.loads(call.arguments) == {"city": "Oslo"}
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "4 degrees and rain"}
    second = client.responses.create(**ask, input=[result], previous_response_id=first.id)
    assert second.output_text


def test_models_health_and_metrics(client: openai.OpenAI, server: Running) -> None:
    assert [model.id for model in client.models.list()] == ["demo"]
    assert client.models.retrieve("demo").id == "demo"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt")
    assert server.client.get("/health").json()["status"] == "ok"
    lines = server.client.get("/metrics").text.splitlines()
    assert (
        float(next(line for line in lines if line.startswith('flashmoe_tokens_total{kind="completion"}')).split()[1])
        > 0
    )


# ---- many at once


def test_answers_do_not_depend_on_company(server: Running) -> None:
    questions = [
        "What is 6 times 7?",
        "What is a Mixture of Experts?",
        "Who are you?",
        "What is the capital of Norway?",
    ]
    asks = [(text, seed) for text in questions for seed in (1, 2)]

    def ask(text: str, seed: int) -> str:
        return server.chat(text, temperature=1.0, seed=seed, max_tokens=40)["message"]["content"]

    single = [ask(*each) for each in asks]
    with ThreadPoolExecutor(len(asks)) as pool:
        together = list(pool.map(lambda each: ask(*each), asks))
    assert together == single
    assert single[0] == alone(asks[0][0], temperature=1.0, seed=1)


def test_a_client_that_goes_ends_its_request(server: Running) -> None:
    body = {"messages": [{"role": "user", "content": "Tell me a story."}], "logit_bias": {}, "temperature": 100,
            "top_k": 0, "top_p": 1, "max_tokens": 900}  # fmt: skip
    engine = server.service.engine
    for stream in (True, False):
        with pytest.raises(httpx.ReadTimeout):
            hang_up(server, {**body, "stream": stream})
        wait_until(lambda: engine.running == 0)
    assert server.chat("What is 6 times 7?")["message"]["content"]


def hang_up(server: Running, body) -> None:
    """Goes away while the answer is written."""
    with server.client.stream("POST", "/v1/chat/completions", json=body, timeout=0.2) as response:
        for _ in response.iter_lines():
            raise httpx.ReadTimeout("that is enough")


def test_a_full_queue() -> None:
    with running(parallel=1, max_queue=1) as server:
        slow = {"messages": QUESTION, "temperature": 100, "top_k": 0, "top_p": 1, "stream": True}
        with server.client.stream("POST", "/v1/chat/completions", json=slow) as first:
            lines = first.iter_lines()  # kept: what is thrown away closes the connection
            next(lines)
            with ThreadPoolExecutor(1) as pool:
                second = pool.submit(server.chat, "What is 6 times 7?")
                wait_until(lambda: server.service.engine.waiting == 1)
                third = server.post("/v1/chat/completions", {"messages": QUESTION})
                assert third.status_code == 429 and int(third.headers["retry-after"]) >= 1
                assert third.json()["error"]["code"] == "queue_full"
                first.close()
                assert second.result(20)["message"]["content"]


def test_stopping_ends_what_runs() -> None:
    with running() as server:
        slow = {"messages": QUESTION, "temperature": 100, "top_k": 0, "top_p": 1, "stream": True, "max_tokens": 1000}
        with server.client.stream("POST", "/v1/chat/completions", json=slow) as stream:
            lines = stream.iter_lines()
            next(lines)
            server.service.engine.cancel_all()
            assert "the server is stopping" in "".join(lines)
        server.service.stop()
        assert server.post("/v1/chat/completions", {"messages": QUESTION}).status_code == 503


# ---- who may come in


def test_a_key() -> None:
    with running(api_key="correct-horse") as server:
        assert server.client.get("/v1/models").status_code == 200
        assert httpx.get(f"{server.url}/v1/models").status_code == 401
        assert httpx.get(f"{server.url}/metrics").status_code == 401
        assert httpx.get(f"{server.url}/health").status_code == 200
        wrong = openai.OpenAI(base_url=f"{server.url}/v1", api_key="incorrect", max_retries=0)
        with pytest.raises(openai.AuthenticationError):
            wrong.models.list()
        wrong = httpx.post(f"{server.url}/v1/messages", json={}, headers={"x-api-key": b"\xff"})
        assert wrong.status_code == 401 and wrong.json()["type"] == "error"
        assert httpx.get(f"{server.url}/v1/models", headers={"x-api-key": "correct-horse"}).status_code == 200


def test_other_machines_need_a_key() -> None:
    with pytest.raises(UsageError, match="needs a key"):
        Settings(host="0.0.0.0")
    with pytest.raises(UsageError, match="shorter"):
        Settings(host="0.0.0.0", api_key="abc")
    assert not Settings(host="0.0.0.0", api_key="correct-horse").local


def test_web_pages_of_others_are_kept_out(server: Running) -> None:
    for headers in ({"Host": "evil.example"}, {"Host": "127.0.0.1@evil.example"}, {"Origin": "http://evil.example"},
                    {"Origin": "null"}):  # fmt: skip
        refused = server.client.get("/v1/models", headers=headers)
        assert refused.status_code == 403, headers
        assert "access-control-allow-origin" not in refused.headers
    assert server.client.get("/v1/models", headers={"Origin": server.url}).status_code == 200
    with running(origins=("https://chat.example",)) as open_server:
        ok = open_server.client.get("/v1/models", headers={"Origin": "https://chat.example"})
        assert ok.headers["access-control-allow-origin"] == "https://chat.example"
        preflight = open_server.client.options(
            "/v1/chat/completions",
            headers={"Origin": "https://chat.example", "Access-Control-Request-Method": "POST"},
        )
        assert preflight.status_code == 204


def test_a_form_of_another_page_cannot_post(server: Running) -> None:
    body = json.dumps({"messages": QUESTION})
    response = server.client.post("/v1/chat/completions", content=body, headers={"content-type": "text/plain"})
    assert response.status_code == 400


def test_a_taken_port() -> None:
    from flashmoe.server.run import listen

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="--port"):
            listen(Settings(port=taken.getsockname()[1]))
