"""The chat in a terminal: its parts here, and as a person meets it in a pseudo-terminal."""

from __future__ import annotations

import io
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from flashmoe.errors import UsageError
from flashmoe.generate import Usage
from flashmoe.terminal.kept import Kept, KeptChats
from flashmoe.terminal.screen import AnswerScreen, finished, plain

from .programs import ENVIRONMENT, ROOT, needs_demo

# ---- parts


@given(st.lists(st.sampled_from(["a", "\n", "\n\n", "```", "```py\n", "~~~\n", "* x\n", "    y\n", "`"])).map("".join))
def test_markdown_is_cut_between_blocks(text: str) -> None:
    """Whatever is cut off does not change with what comes after it."""
    cut = finished(text)
    assert text[:cut] == "" or text[:cut].endswith("\n")
    assert finished(text + "more\n\nand more") >= cut
    assert text[:cut].count("```py\n") == 0 or finished(text[:cut]) == cut


def test_a_code_block_stays_whole() -> None:
    text = "Look:\n\n```python\na = 1\n\nb = 2\n```\n\nDone."
    assert text[finished(text) :] == "Done."
    assert finished(text[: text.index("b = 2")]) == len("Look:\n\n")


def test_a_screen_shows_all_of_an_answer_and_folds_thoughts() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, height=10, force_terminal=True, highlight=False, no_color=True)
    lines = [f"line {i} of a long answer" for i in range(60)]
    with AnswerScreen(console, lambda: Usage(completion_tokens=3), lambda: (3, 100)) as screen:
        screen.progress(1, 2)
        screen.thought("hm, hm\x1b[2J")
        for line in lines:
            screen.text(f"{line}\n\n")
        screen.text("* one\n* two\n")
    raw = out.getvalue()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", raw)
    assert all(line in shown for line in lines)
    assert "▸ thought for 0.0 s" in shown
    assert "• one" in shown
    assert "\x1b[2J" not in raw


def test_the_bar_of_a_prompt_goes_when_the_answer_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the last report of progress was not of the end."""
    monkeypatch.setattr("flashmoe.terminal.screen.EVERY", 0.0)
    console = Console(file=io.StringIO(), width=80, height=10, force_terminal=True)
    for show in ("text", "thought"):
        with AnswerScreen(console, lambda: Usage(completion_tokens=3), lambda: (3, 100)) as screen:
            screen._began -= 1
            screen.progress(1, 2)
            assert "reading the prompt" in console.file.getvalue()  # type: ignore[attr-defined]
            console.file = io.StringIO()
            getattr(screen, show)("Hello")
            assert "reading the prompt" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_control_characters_are_left_out() -> None:
    assert plain("a\x1b[31mb\x07\n\tc\r\x9b") == "a[31mb\n\tc"


def test_kept_conversations(tmp_path: Path) -> None:
    chats = KeptChats(tmp_path / "deep" / "sessions")
    with pytest.raises(UsageError, match="no kept conversations"):
        chats.find()
    first = Kept(model="demo", messages=[{"role": "user", "content": "Hello   there"}], written=7)
    second = Kept(name="fjords", messages=[{"role": "system", "content": "x"}])
    chats.save(first)
    chats.save(second)
    (chats.folder / "broken.json").write_text("{")
    (chats.folder / "other.json").write_text('{"version": 99, "messages": []}')
    assert [kept.id for kept in chats.all()] == [second.id, first.id]
    assert chats.find() == chats.find("1") == chats.find("fjords") == second
    assert chats.find(first.id) == first
    assert (first.title, second.title) == ("Hello there", "fjords")
    assert chats.folder.stat().st_mode & 0o077 == 0
    with pytest.raises(UsageError, match="no conversation 'x'"):
        chats.find("x")


# ---- as a person meets it

CHAT = """
import sys, time
from tests.fake_model import FakeModel, FakeSession
from flashmoe.cli import main, options

class SlowSession(FakeSession):
    def eval(self, ids, **options):
        time.sleep(0.01)
        return super().eval(ids, **options)

model = FakeModel({replies!r})
model.session = lambda: SlowSession(model)
options.open_model = lambda options, progress=None: model
sys.exit(main(["chat", "--model", "fake", *{arguments!r}]))
"""
SHELL = (
    "<tool_call>\n<function=run_shell>\n<parameter=command>\necho so it is > said; echo $((6 * 7))\n</parameter>\n"
    "</function>\n</tool_call>"
)


def spawn(tmp_path: Path, code: list[str]) -> Any:
    environment = {
        **ENVIRONMENT,
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "TERM": "xterm",
        "PROMPT_TOOLKIT_NO_CPR": "1",
    }
    child = pexpect.spawn(
        sys.executable, code, env=environment, encoding="utf-8", timeout=30, cwd=ROOT, dimensions=(30, 80)
    )
    child.expect("Ctrl-D leaves")
    child.expect(">")
    return child


def fake_chat(tmp_path: Path, replies: list[str], *arguments: str) -> Any:
    return spawn(tmp_path, ["-c", CHAT.format(replies=replies, arguments=arguments)])


def leave(child: Any) -> None:
    child.send("/quit\r")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_a_tool_asks_before_it_runs(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    replies = [SHELL, "no", SHELL, "thank you", SHELL, "well"]
    child = fake_chat(tmp_path, replies, "--tools", "shell", "--folder", str(folder))
    child.send("Hello\r")
    child.expect("echo so it is > said")
    child.expect("60 s")
    child.expect(r"\[n\]o:")
    child.send("\r")  # Enter is no
    child.expect("did not allow")
    child.expect("first after")
    assert not list(folder.iterdir())
    child.send("Again\r")
    child.expect(r"\[n\]o:")
    child.send("a\r")
    child.expect("42")
    child.expect("thank you")
    assert (folder / "said").read_text() == "so it is\n"
    child.expect("first after")
    child.send("And again\r")  # always, in this conversation
    child.expect("well")
    leave(child)


def test_ctrl_c_keeps_what_was_said_and_a_killed_chat_resumes(tmp_path: Path) -> None:
    replies = [" ".join(["the answer is 42 and"] * 200), "the city is Oslo", "I am well"]
    child = fake_chat(tmp_path, replies)
    child.send("Hello there\r")
    child.expect("42 and the answer")
    child.sendintr()
    child.expect(r"stopped · (\d+) tokens.*\((\d+) in the prompt\)")
    said, first = map(int, child.match.groups())
    child.send("/save fjords\r")
    child.expect("Kept as fjords")
    child.kill(signal.SIGKILL)
    child.close()
    child = fake_chat(tmp_path, replies, "--resume", "fjords")
    child.send("And the city\\?\r")
    child.expect("the city is Oslo")
    child.expect(r"\((\d+) in the prompt, (\d+) of\s+them known\)")
    prompt, known = map(int, child.match.groups())
    assert known >= first + said - 1, "only what is new is read"
    assert prompt - known < 40
    child.send("/sessions\r")
    child.expect(r"1\*.* 2 turns  fjords")
    child.send("/retry\r")
    child.expect("the city is Oslo")
    child.send("/copy\r")
    child.expect(r"\x1b\]52;c;dGhlIGNpdHkgaXMgT3Nsbw==\x07")
    child.send("/params temperature=0 max_tokens=5 nonsense=1\r")
    child.expect("one of temperature")
    child.send("/params temperature=0 max_tokens=5\r")
    child.expect("temperature=0.0 .*max_tokens=5")
    leave(child)


def test_several_lines_history_and_completion(tmp_path: Path) -> None:
    child = fake_chat(tmp_path, ["thank you", "well"])
    child.send("one\\\rtwo\x1b\rthree\r")
    child.expect("thank you")
    child.expect("first after")
    child.send("/sess\t")
    child.expect("sessions")
    child.send("\r")
    child.expect("1 turns  one two three")
    child.send("/thought\r")
    child.expect("had no thought")
    leave(child)
    history = (tmp_path / "state" / "flashmoe" / "history").read_text()
    assert "+one\n+two\n+three\n" in history


def test_nothing_is_kept_when_that_is_asked(tmp_path: Path) -> None:
    child = fake_chat(tmp_path, ["thank you"], "--no-keep")
    child.send("Hello\r")
    child.expect("thank you")
    child.expect("first after")
    child.send("/save\r")
    child.expect("nothing is kept")
    leave(child)
    kept = [path for path in (tmp_path / "state").rglob("*") if path.is_file() and path.name != "history"]
    assert kept == []


@needs_demo
def test_the_demo_resumes_without_reading_again(tmp_path: Path) -> None:
    child = spawn(tmp_path, ["-m", "flashmoe", "--memory", "64MiB"])
    child.send("What is an expert\\?\r")
    child.expect(r"first after .*\((\d+) in the prompt\)")
    leave(child)
    assert list((tmp_path / "state" / "flashmoe" / "states").iterdir())
    child = spawn(tmp_path, ["-m", "flashmoe", "--memory", "64MiB", "--resume"])
    child.send("And what is a router\\?\r")
    child.expect(r"\((\d+) in the prompt, (\d+) of\s+them known\)")
    prompt, known = map(int, child.match.groups())
    assert prompt - known <= 20
    child.send("/stats\r")
    child.expect(r"prompts: (\d+) tokens")
    assert int(child.match[1]) == prompt - known, "the session itself read no more"
    leave(child)


