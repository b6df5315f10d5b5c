"""`flashmoe serve` as a process, the examples of docs/server.md, and an agent that works with a shell."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import openai
import pytest

from .fake_model import FakeModel
from .serving import running

DOCS = Path(__file__).parents[1] / "docs"
QUESTION = {"messages": [{"role": "user", "content": "What is 6 times 7?"}], "temperature": 0}


@contextmanager
def serve(*options: str, **environment: str) -> Iterator[tuple[subprocess.Popen, str]]:
    command = [sys.executable, "-m", "flashmoe", "serve", "--port", "0", "--memory", "64MiB", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, **environment})  # fmt: skip
    try:
        url = process.stdout.readline().split()[-1]
        assert url.startswith("http://")
        yield process, url
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_it_goes_on_from_the_states_it_kept(tmp_path: Path, how: signal.Signals) -> None:
    """Whether it was told to stop or killed: the state is on disk soon after the answer."""
    with serve("--prefix-dir", str(tmp_path)) as (process, url):
        reply = httpx.post(f"{url}/v1/chat/completions", json=QUESTION, timeout=60).json()
        end = time.monotonic() + 10
        while how == signal.SIGKILL and not any(tmp_path.glob("*.session")) and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(how)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == (0 if how == signal.SIGTERM else -how), errors
        assert "Traceback" not in errors
    assert any(tmp_path.glob("*.session"))
    with serve("--prefix-dir", str(tmp_path)) as (_, url):
        more = [*QUESTION["messages"], reply["choices"][0]["message"], {"role": "user", "content": "And 7 times 8?"}]
        second = httpx.post(f"{url}/v1/chat/completions", json={**QUESTION, "messages": more}, timeout=60).json()
        assert second["usage"]["prompt_tokens_details"]["cached_tokens"] >= reply["usage"]["prompt_tokens"]


def test_it_refuses_to_listen_to_others_without_a_key() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "FLASHMOE_API_KEY"}
    command = [sys.executable, "-m", "flashmoe", "serve", "--host", "0.0.0.0"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2 and "FLASHMOE_API_KEY" in done.stderr


def test_the_examples_of_the_docs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = (DOCS / "server.md").read_text("utf-8")
    with running() as server:
        for name in ("openai", "anthropic"):
            code = re.search(rf"<!-- test: {name} -->\n```python\n(.*?)```", text, re.DOTALL)[1]
            exec(compile(code.replace("http://127.0.0.1:8080", server.url), name, "exec"), {})
            assert "42" in capsys.readouterr().out, name
        shell = re.search(r"^    (curl .*\\\n.*)$", text, re.MULTILINE)[1].replace("http://127.0.0.1:8080", server.url)
        reply = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, timeout=30)
        assert "42" in json.loads(reply.stdout)["choices"][0]["message"]["content"]


def call(command: str) -> str:
    return f"<tool_call>\n<function=shell>\n<parameter=command>\n{command}\n</parameter>\n</function>\n</tool_call>"


def test_an_agent_finishes_a_task_with_a_shell(tmp_path: Path) -> None:
    """The words are written beforehand; everything between them is real: template, parser, protocol, shell."""
    replies = [
        "Let me look.\n\n" + call("ls"),
        call("wc -w < notes.txt"),
        call("echo 5 > count.txt && cat count.txt"),
        "The notes have 5 words; count.txt says so.",
    ]
    (tmp_path / "notes.txt").write_text("five words are in here\n")
    shell = {
        "type": "function",
        "function": {
            "name": "shell",
            "parameters": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
        },
    }
    with running(FakeModel(replies)) as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
        messages: list = [{"role": "user", "content": "Count the words of notes.txt into count.txt."}]
        seen = []
        for _ in range(10):
            reply = client.chat.completions.create(model="any", messages=messages, tools=[shell], temperature=0)
            choice = reply.choices[0]
            messages.append(choice.message)
            if choice.finish_reason != "tool_calls":
                break
            for made in choice.message.tool_calls:
                command = json.loads(made.function.arguments)["command"]
                done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=10)
                seen.append(done.stdout.strip())
                messages.append({"role": "tool", "tool_call_id": made.id, "content": done.stdout})
        assert choice.message.content == replies[-1]
        assert seen == ["notes.txt", "5", "5"] and (tmp_path / "count.txt").read_text() == "5\n"
        assert reply.usage.prompt_tokens_details.cached_tokens > 0
