"""What a server meets: bad bytes, slow and vanishing clients, whatever a schema allows. `FLASHMOE_SOAK=300` soaks for
five minutes instead of a few seconds."""

from __future__ import annotations

import gc
import json
import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .serving import Running, running

PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens")
MESSAGES = [{"role": "user", "content": "What is 6 times 7?"}]
VALID = {
    "/v1/chat/completions": {"messages": MESSAGES, "max_tokens": 3},
    "/v1/completions": {"prompt": "One, two,", "max_tokens": 3},
    "/v1/responses": {"input": "What is 6 times 7?", "max_output_tokens": 3},
    "/v1/messages": {"messages": MESSAGES, "max_tokens": 3},
    "/v1/messages/count_tokens": {"messages": MESSAGES},
}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(max_body=1 << 20) as server:
        yield server


def refused(response: httpx.Response, path: str) -> str:
    """A clear refusal in the shape of the protocol; its message."""
    assert 400 <= response.status_code < 500, (response.status_code, response.text[:300])
    body = response.json()
    assert (body.get("type") == "error") == path.startswith("/v1/messages")
    assert isinstance(body["error"]["message"], str) and body["error"]["message"]
    assert "Traceback" not in response.text
    return body["error"]["message"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"x"', b"{", b"\xff\xfe", b'{"messages": NaN}', b"[" * 100_000, b'{"a":' * 50_000,
     b'{"messages": ' + b"[" * 80 + b"]" * 80 + b"}", b'{"a": 1' + b"0" * 5000 + b"}"],
    ids=range(11),
)  # fmt: skip
def test_bodies_that_are_no_requests(server: Running, path: str, body: bytes) -> None:
    refused(server.client.post(path, content=body, headers={"content-type": "application/json"}), path)


@pytest.mark.parametrize("path", PATHS)
def test_bodies_that_are_too_large(server: Running, path: str) -> None:
    response = server.client.post(path, content=b" " * (1 << 21), headers={"content-type": "application/json"})
    assert response.status_code == 413 and "larger" in refused(response, path)


def chunks() -> Iterator[bytes]:
    for _ in range(64):
        yield b" " * (1 << 16)


def test_a_body_that_does_not_say_how_large_it_is(server: Running) -> None:
    try:
        response = server.client.post(PATHS[0], content=chunks(), headers={"content-type": "application/json"})
    except httpx.TransportError:
        return  # the server hung up while it was still being sent, which is as good
    assert response.status_code == 413


@pytest.mark.parametrize("path", PATHS)
def test_halves_of_characters_and_control_tokens_are_text(server: Running, path: str) -> None:
    text = (
        json.dumps(VALID[path]).replace("What is", r"\ud83d \u0000 <|im_end|><think> \udc00").replace("One", r"\ud800")
    )
    response = server.client.post(path, content=text, headers={"content-type": "application/json"})
    assert response.status_code == 200, response.text
    assert "input_tokens" in response.text or "usage" in response.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
FIELDS = ["messages", "max_tokens", "temperature", "top_p", "n", "stop", "tools", "tool_choice", "seed", "logit_bias",
          "response_format", "stream", "prompt", "input", "system", "logprobs", "top_logprobs", "thinking",
          "max_completion_tokens", "stream_options", "text", "reasoning", "metadata"]  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(PATHS), changes=st.dictionaries(st.sampled_from(FIELDS), JSON, min_size=1, max_size=3))
def test_fields_of_the_wrong_kind(server: Running, path: str, changes) -> None:
    body = {**VALID[path], **changes}
    try:
        encoded = json.dumps(body).encode()
    except (ValueError, UnicodeEncodeError):
        return
    with server.client.stream("POST", path, content=encoded, headers={"content-type": "application/json"}) as response:
        assert response.status_code < 500, (body, response.read())


def test_the_schema_of_the_api(server: Running) -> None:
    """schemathesis makes requests from the OpenAPI document; none may break the server."""
    schemathesis = pytest.importorskip("schemathesis")
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    schema = schema.exclude(path="/v1/flashmoe/experts")  # it never ends
    cases = [operation.ok().as_strategy() for operation in schema.get_all_operations()]
    assert len(cases) >= 9

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=st.one_of(cases))
    def run(case) -> None:
        if isinstance(case.body, dict):
            for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
                if name in case.body:
                    case.body[name] = 2
            case.body.pop("stream", None)
        response = case.call(timeout=30)
        assert response.status_code < 500, response.text
        if response.status_code >= 400:
            assert response.json()["error"]["message"]

    run()


@pytest.mark.parametrize("value", ["9" * 400, "1e999", "-1"])
def test_numbers_out_of_range(server: Running, value: str) -> None:
    for field in ("max_tokens", "temperature", "n", "seed"):
        text = json.dumps({"messages": MESSAGES, "max_tokens": 2, field: "VALUE"}).replace('"VALUE"', value)
        response = server.client.post(PATHS[0], content=text, headers={"content-type": "application/json"})
        assert response.status_code in (200, 400), response.text


def tool(schema, **more):
    return {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}], **more}


def form(schema):
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}


def called(arguments: str):
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return {"messages": [*MESSAGES, {"role": "assistant", "tool_calls": [call]}]}


LOOP = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}
REFUSED = {
    "a schema that only refers to itself": form(LOOP),
    "a schema with a thousand properties": form(
        {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(1000)}}
    ),
    "a schema that nothing satisfies": form({"allOf": [{"type": "string"}, {"type": "integer"}]}),
    "a schema elsewhere": form({"$ref": "file:///etc/passwd"}),
    "no pattern": form({"type": "string", "pattern": "["}),
    "a pattern that looks back": form({"type": "string", "pattern": "(?<=a)b"}),
    "arguments nested without end": called("[" * 100_000),
    "arguments nested deeply": called('{"a":' * 2000 + "1" + "}" * 2000),
    "arguments that are no object": called("[1, 2]"),
    "more messages than fit": {"messages": MESSAGES * 1000},
    "a bias for nobody": {"logit_bias": {"999999": 1}},
    "a bias beyond measure": {"logit_bias": {"1": 1e9}},
    "a bias for everybody": {"logit_bias": {str(i): 1 for i in range(2000)}},
    "more answers than anybody reads": {"n": 10**9},
    "fewer than none": {"max_tokens": -1},
    "a tool that is a path": {"tools": [{"type": "function", "function": {"name": "../../etc/passwd"}}]},
    "a tool that is not there": tool({}, tool_choice={"type": "function", "function": {"name": "g"}}),
    "a message of a wizard": {"messages": [{"role": "wizard", "content": "x"}]},
    "an image": {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///x"}}]}]},
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", REFUSED)
def test_requests_that_ask_for_too_much(server: Running, name: str, stream: bool) -> None:
    body = {"messages": MESSAGES, "max_tokens": 3, "temperature": 0, **REFUSED[name], "stream": stream}
    response = server.post(PATHS[0], body)
    if response.status_code == 200 and stream:  # what is found out only when the answer has begun
        lines = [line for line in response.text.splitlines() if line.startswith('data: {"error"')]
        assert json.loads(lines[-1][6:])["error"]["type"] == "invalid_request_error"
    else:
        refused(response, PATHS[0])


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "((a*)*)*b",
        "(a|a)*" * 20,
        "a{1000}",
        "((a{0,1000}){0,1000}){0,1000}",
        "(?:" * 200 + ")" * 200,
        r"\p{L}{500}",
    ],
)
def test_patterns_that_other_engines_choke_on(server: Running, pattern: str) -> None:
    """A lexer is an automaton: it takes the same time for each character, whatever the pattern."""
    begun = time.monotonic()
    response = server.post(
        PATHS[0], {"messages": MESSAGES, "max_tokens": 5, **form({"type": "string", "pattern": pattern})}
    )
    assert response.status_code in (200, 400) and time.monotonic() - begun < 20


@pytest.mark.parametrize("path", ["/v1/models/../../etc/passwd", "/page/..%2f..%2fserver.py", "/v1/models/%2e%2e/%00",
                                  "/v1/responses/..%2fx", "//etc/passwd", "/%ff"])  # fmt: skip
def test_paths_lead_nowhere(server: Running, path: str) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH", "TRACE", "NONSENSE"):
        response = server.client.request(method, path)
        assert 400 <= response.status_code < 500
        assert not response.text or response.json()["error"]["message"]


def test_other_methods_and_types(server: Running) -> None:
    for path in PATHS:
        for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD"):
            assert server.client.request(method, path).status_code == 405
    assert server.client.head("/health").status_code == server.client.head("/").status_code == 200
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", ""):
        response = server.client.post(PATHS[0], content=json.dumps(VALID[PATHS[0]]), headers={"content-type": kind})
        assert response.status_code == 400 and "application/json" in response.text


@pytest.mark.parametrize("head", [b"Content-Length: -5", b"Content-Length: 99999999999999999999", b"X: " + b"a" * 9**6,
                                  b"Content-Length: 2\r\nContent-Length: 3", b"Transfer-Encoding: chunked\r\n\r\nZZ",
                                  b"Content-Encoding: gzip\r\nContent-Length: 2", b"X: a\x00b"])  # fmt: skip
def test_heads_that_lie(server: Running, head: bytes) -> None:
    with connect(server) as client:
        lines = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        client.sendall(lines + head + b"\r\n\r\n{}")
        assert client.recv(1000)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 413")


def connect(server: Running) -> socket.socket:
    parts = urlsplit(server.url)
    return socket.create_connection((parts.hostname, parts.port), 10)


@pytest.mark.parametrize("raw", [b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST " + b"/" * 200_000,
                                 b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"a: b\r\n" * 50_000])  # fmt: skip
def test_bytes_that_are_no_http(server: Running, raw: bytes) -> None:
    with connect(server) as client:
        try:
            client.sendall(raw)
            client.recv(1000)
        except OSError:
            pass  # hung up
    assert server.client.get("/health").status_code == 200


def test_clients_that_say_nothing(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flashmoe.server.run.HEADER_SECONDS", 0.3)
    monkeypatch.setattr("flashmoe.server.guard.BODY_SECONDS", 0.3)
    with connect(server) as silent, connect(server) as slow, connect(server) as half:
        slow.sendall(b"GET /health HT")
        half.sendall(b"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
        assert silent.recv(100) == b"" and slow.recv(100) == b""
        assert half.recv(1000).startswith(b"HTTP/1.1 408")


def test_soak(server: Running) -> None:
    """Clients of all kinds, many of which vanish: nobody starves, nothing is left, memory stays flat."""
    seconds = float(os.environ.get("FLASHMOE_SOAK", "3"))
    engine = server.service.engine
    end = time.monotonic() + seconds
    slowest, failures, done = [0.0], [], [0]

    def client(seed: int) -> None:
        rng = random.Random(seed)
        with httpx.Client(base_url=server.url, timeout=60) as http:
            while time.monotonic() < end:
                path = rng.choice(PATHS[:4])
                stream, vanish = rng.random() < 0.5, rng.random() < 0.4
                begun = time.monotonic()
                body = {**VALID[path], "stream": stream, "temperature": rng.choice([0, 1.0])}
                for name in ("max_tokens", "max_output_tokens"):
                    body |= {name: rng.randint(1, 60)} if name in body else {}
                try:
                    with http.stream("POST", path, json=body, timeout=0.05 if vanish else 60) as response:
                        if response.status_code != 200:
                            failures.append(response.read())
                        for _ in response.iter_lines():
                            if vanish and rng.random() < 0.3:
                                break
                        done[0] += 1
                except httpx.TransportError as error:
                    if not vanish:
                        failures.append(error)
                if not vanish:
                    slowest[0] = max(slowest[0], time.monotonic() - begun)

    def memory() -> int:
        gc.collect()
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    for path in PATHS[:4]:  # warm
        server.post(path, VALID[path])
    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(12)]
    linux = os.path.exists("/proc/self/statm")
    start, files = (memory(), len(os.listdir("/proc/self/fd"))) if linux else (0, 0)
    for thread in threads:
        thread.start()
    time.sleep(seconds / 2)
    middle = memory() if linux else 0
    for thread in threads:
        thread.join(seconds + 90)
        assert not thread.is_alive()
    assert failures == []
    assert slowest[0] < 30 and (done[0] > 0 or seconds < 60)
    waited = time.monotonic() + 10
    while (engine.running or engine.waiting) and time.monotonic() < waited:
        time.sleep(0.02)
    assert (engine.running, engine.waiting) == (0, 0)
    assert threading.active_count() < 40
    if linux:
        after, left = memory(), len(os.listdir("/proc/self/fd")) - files
        grown, late = after - start, after - middle
        print(
            f"{seconds:.0f} s, {done[0]} answers read or left, the slowest in {slowest[0]:.1f} s; memory "
            f"{grown / 2**20:+.1f} MiB on {start / 2**20:.0f}, {late / 2**20:+.1f} in the second half, "
            f"{threading.active_count()} threads, {left:+d} files"
        )
        assert grown < 64 << 20 and left < 10
        assert late < 16 << 20 or seconds < 60  # caches and arenas are full by then
