"""The tools that come along, MCP servers, and the loop that carries calls out."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmoe.chat import Chat, FinishEvent, TextEvent
from flashmoe.errors import FlashMoeError, UsageError
from flashmoe.tools import Toolbox
from flashmoe.tools.agent import DECLINED, STOPPED, LimitEvent, ToolResultEvent, converse
from flashmoe.tools.calculator import calculate
from flashmoe.tools.chosen import chosen_tools, functions_of
from flashmoe.tools.files import file_tools
from flashmoe.tools.shell import shell_tool

from .fake_model import FakeModel

# ---- calculator


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2 + 3 * 4", "14"),
        ("(2 + 3) ^ 2", "25"),
        ("17 × 23", "391"),
        ("6 ÷ 4", "1.5"),
        ("-7 // 2", "-4"),
        ("0.1 + 0.2", "0.3"),
        ("sqrt(16) + max(1, 2)", "6"),
        ("2 ** 100", str(2**100)),
        ("round(pi, 2)", "3.14"),
        ("1e300 * 10", "1e+301"),
    ],
)
def test_the_calculator(expression: str, value: str) -> None:
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "().__class__",
        "lambda: 1",
        "[1] * 9",
        "'a' * 9",
        "x",
        "9 ** 9 ** 9",
        "2 ** -1 ** 0.5 * 1j",
        "(-8) ** 0.5",
        "1 / 0",
        "1 +",
        "",
        "log(-1)",
        "exp(1000)",
        "sqrt(1, 2, 3)",
        "(" * 500 + ")" * 500,
        "1 +" * 2000 + "1",
        "True",
        "10 ** 5000",
    ],
)
def test_the_calculator_refuses(expression: str) -> None:
    with pytest.raises(UsageError):
        calculate(expression)


@given(st.text(alphabet="0123456789+-*/().e, sqrtpi^%", max_size=30))
def test_the_calculator_gives_a_number_or_an_error(expression: str) -> None:
    with suppress(UsageError):
        float(calculate(expression))


# ---- files


@pytest.fixture
def files(tmp_path: Path) -> Toolbox:
    root = tmp_path / "root"
    (root / "inner").mkdir(parents=True)
    (root / "a.txt").write_text("hello")
    (root / "inner" / "b.txt").write_text("x" * 20_000)
    (tmp_path / "secret.txt").write_text("secret")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "away").symlink_to(tmp_path)
    (root / "near.txt").symlink_to("a.txt")
    (tmp_path / "root2").mkdir()
    return Toolbox(file_tools(root))


def test_files_are_read_listed_and_written(files: Toolbox, tmp_path: Path) -> None:
    assert files.call("read_file", {"path": "a.txt"}) == "hello"
    assert files.call("read_file", {"path": "near.txt"}) == "hello", "a link inside is followed"
    assert files.call("read_file", {"path": "inner/../a.txt"}) == "hello"
    assert "offset=15000" in files.call("read_file", {"path": "inner/b.txt"})
    assert files.call("read_file", {"path": "inner/b.txt", "offset": 15_000}) == "x" * 5000
    assert files.call("list_files", {}).split() == ["a.txt", "away", "inner/", "link.txt", "near.txt"]
    assert files.call("write_file", {"path": "inner/new.txt", "text": "naïve"}).startswith("inner/new.txt has 5")
    assert files.call("write_file", {"path": "a.txt", "text": "hi"})
    assert (tmp_path / "root" / "a.txt").read_text() == "hi"
    write = files.get("write_file")
    assert write is not None and write.ask and write.preview is not None
    assert "replaces a.txt" in write.preview({"path": "a.txt", "text": "hi"})


@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "/etc/passwd", "link.txt", "away/secret.txt", "inner/../../secret.txt", "../root2/x", "a\0b", ""],
)
def test_no_path_leads_out(files: Toolbox, tmp_path: Path, path: str) -> None:
    for name, arguments in (("read_file", {}), ("write_file", {"text": "x"}), ("list_files", {})):
        if path == "" and name == "list_files":
            continue
        result = files.call(name, {"path": path, **arguments})
        assert result.startswith("Error: "), result
    assert (tmp_path / "secret.txt").read_text() == "secret"
    assert not list((tmp_path / "root2").iterdir())


def test_odd_files(files: Toolbox, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "root" / "pipe")
    (tmp_path / "root" / "bytes").write_bytes(b"\xff\xfe\0")
    assert files.call("read_file", {"path": "bytes"}) == "\ufffd\ufffd\0"
    assert files.call("read_file", {"path": "inner"}).startswith("Error")
    assert files.call("write_file", {"path": "pipe", "text": "x"}).startswith("Error")
    assert files.call("write_file", {"path": "nowhere/x", "text": "x"}).startswith("Error")


# ---- shell


def test_the_shell(tmp_path: Path) -> None:
    shell = shell_tool(tmp_path)
    assert shell.ask
    assert shell.preview is not None and f"in {tmp_path}" in shell.preview({"command": "ls"})
    assert shell(command="pwd; echo err >&2") == f"{tmp_path}\nerr"
    assert shell(command="exit 3") == "(exit status 3)"
    assert shell(command="cat") == "(no output)", "there is no input"
    long = shell(command="seq 1 100000")
    assert len(long) < 17_000
    assert long.startswith("1\n2\n") and long.endswith("100000") and "left out" in long


def test_the_shell_ends_what_takes_too_long(tmp_path: Path) -> None:
    begun = time.monotonic()
    result = shell_tool(tmp_path, seconds=0.5)(command="echo begun; sleep 60 & sleep 60")
    assert result == "begun\n\n(ended after 0.5 s)"
    assert shell_tool(tmp_path)(command="sleep 60 & echo done") == "done", "nothing is left behind"
    assert time.monotonic() - begun < 10


# ---- a person's own functions, and MCP


def test_functions_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from math import sqrt\nfrom pathlib import Path\n\n"
        'def double(x: int) -> int:\n    """Double a number."""\n    return 2 * x\n\n'
        "def _hidden(): ...\n"
    )
    with ExitStack() as stack:
        box = chosen_tools([str(path), "calculator"], tmp_path, stack)
        assert [tool.name for tool in box] == ["double", "calculate"]
        assert box.call("double", {"x": 4}) == "8"
    for text, wanted in (("x = 1", "no functions"), ("import nowhere", "ModuleNotFoundError"), ("def f(", "SyntaxErr")):
        path.write_text(text)
        with pytest.raises(UsageError, match=wanted):
            functions_of(path)
    with ExitStack() as stack, pytest.raises(UsageError, match="no tools called 'hammer'"):
        chosen_tools(["hammer"], tmp_path, stack)
    with ExitStack() as stack:
        names = [tool.name for tool in chosen_tools(["all"], tmp_path, stack)]
    assert names == ["calculate", "read_file", "list_files", "write_file", "run_shell"]


SERVER = '''
from mcp.server import MCPServer

server = MCPServer("tiny")

@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b

@server.tool()
def fail() -> str:
    """Fail."""
    raise ValueError("it is broken")

server.run()
'''


def test_an_mcp_server(tmp_path: Path) -> None:
    pytest.importorskip("mcp")
    from flashmoe.tools.mcp import McpServer

    path = tmp_path / "server.py"
    path.write_text(SERVER)
    with McpServer(f"{sys.executable} {path}") as server:
        box = Toolbox(server.tools)
        assert [tool.name for tool in box] == ["add", "fail"]
        add = box.get("add")
        assert add is not None and add.ask
        assert add.schema["function"]["parameters"]["properties"]["a"]["type"] == "integer"
        assert box.call("add", {"a": 2, "b": 3}).splitlines()[0] == "5"
        assert box.call("fail", {}).startswith("Error")
        assert box.call("add", {"a": "x"}).startswith("Error")
    assert "has ended" in box.call("add", {"a": 2, "b": 3})
    with pytest.raises(FlashMoeError, match="does not start"):
        McpServer("/nowhere/at/all")
    with pytest.raises(UsageError, match="a command"):
        McpServer("  ")


# ---- the loop


def call(command: str) -> str:
    return (
        f"<tool_call>\n<function=run_shell>\n<parameter=command>\n{command}\n</parameter>\n</function>\n</tool_call>"
    )


def run(model: FakeModel, tmp_path: Path, allow: bool = True, rounds: int = 5) -> tuple[list, Chat]:
    box = Toolbox([shell_tool(tmp_path)])
    chat = Chat(model, tools=box.schemas)  # type: ignore[arg-type]
    with chat:
        events = list(converse(chat, box, "Hello", confirm=lambda tool, call: allow, rounds=rounds))
    return events, chat


def test_a_task_is_finished_with_the_shell(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("one\ntwo\nthree\n")
    model = FakeModel([call("ls"), f"{call('wc -l < notes.txt')}\n{call('echo 7 > out')}", "There are 3 lines."])
    events, chat = run(model, tmp_path)
    assert [event.result for event in events if isinstance(event, ToolResultEvent)] == ["notes.txt", "3", "(no output)"]
    assert "".join(event.text for event in events if isinstance(event, TextEvent)) == "There are 3 lines."
    assert [m["role"] for m in chat.messages] == ["user", "assistant", "tool", "assistant", "tool", "tool", "assistant"]
    assert [event.reason for event in events if isinstance(event, FinishEvent)] == ["tool_calls", "tool_calls", "stop"]
    assert (tmp_path / "out").read_text() == "7\n"
    ids = [c["id"] for m in chat.messages for c in m.get("tool_calls", [])]
    assert ids == [m["tool_call_id"] for m in chat.messages if m["role"] == "tool"]
    assert len(set(ids)) == 3
    assert len(model.sessions) == 1, "each round goes on from the one before"


def test_what_is_not_allowed_is_not_run(tmp_path: Path) -> None:
    events, chat = run(FakeModel([call("touch x"), "thank you"]), tmp_path, allow=False)
    assert not list(tmp_path.iterdir())
    assert chat.messages[2]["content"] == DECLINED
    assert isinstance(events[-1], FinishEvent)


def test_broken_calls_get_an_answer(tmp_path: Path) -> None:
    _, chat = run(FakeModel(["<tool_call>\n{\\name\\: 1}\n</tool_call>", "thank you"]), tmp_path)
    assert "no valid JSON" in chat.messages[2]["content"]
    assert chat.messages[-1]["content"] == "thank you"


def test_rounds_have_a_limit(tmp_path: Path) -> None:
    events, chat = run(FakeModel([call("true")] * 9), tmp_path, rounds=2)
    assert events[-1] == LimitEvent(2)
    assert len([event for event in events if isinstance(event, ToolResultEvent)]) == 3
    assert chat.messages[-1]["role"] == "tool", "the conversation can go on"


def test_ctrl_c_in_a_tool_leaves_a_whole_conversation(tmp_path: Path) -> None:
    model = FakeModel([f"{call('true')}\n{call('false')}", "thank you"])
    box = Toolbox([shell_tool(tmp_path)])

    def confirm(*_: object) -> bool:
        raise KeyboardInterrupt

    with Chat(model, tools=box.schemas) as chat:  # type: ignore[arg-type]
        with pytest.raises(KeyboardInterrupt):
            list(converse(chat, box, "Hello", confirm=confirm))
        assert [m["content"] for m in chat.messages[2:]] == [STOPPED, STOPPED]
        assert "".join(e.text for e in chat.send("Go on") if isinstance(e, TextEvent)) == "thank you"
