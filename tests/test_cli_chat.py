"""`flashmoe chat` over a pipe and in a terminal, over a model without an engine."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from flashmoe.cli import main

from .fake_model import FakeModel
from .programs import ENVIRONMENT, ROOT


def test_chat_over_a_pipe(
    fake: Callable[..., FakeModel], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = fake("thank you", "Oslo")
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello\n\nWhat is the city?\n/stats\n/quit\nnever read\n"))
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert out == "thank you\nOslo\n"
    assert "demonstration model" in err
    assert "of 4,096 tokens of context used" in err
    assert len(model.sessions) == 1
    assert model.sessions[0].closed


def test_chat_commands(
    fake: Callable[..., FakeModel], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = fake("thank you")
    lines = [
        "Hello",
        "/new",
        "Hello",
        "/system",
        "/system You are well.",
        "Hello",
        "/system",
        "/help",
        "/bogus",
        "/etc/x",
    ]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines)))
    assert main(["chat", "--model", "other"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[:3] == ["thank you"] * 3, "each conversation begins anew"
    assert "demonstration" not in err
    for text in (
        "A new conversation.",
        "There is no system prompt.",
        "/stats ",
        "There is no command /bogus.",
    ):
        assert text in err
    assert "user\n/etc/x<|im_end|>" in model.tokenizer.decode(model.sessions[-1].tokens, special=True)


def test_a_failure_ends_a_chat_over_a_pipe(
    fake: Callable[..., FakeModel], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = fake("thank you")
    model.context = 3
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello\nHello\n"))
    assert main([]) == 1
    assert "context holds 3 tokens" in capsys.readouterr().err


SLOW_CHAT = """
import sys, time
from tests.fake_model import FakeModel, FakeSession
from flashmoe.cli import main, options

class SlowSession(FakeSession):
    def eval(self, ids, **options):
        time.sleep(0.03 * len(ids) if len(ids) == 1 else 0.1)
        return super().eval(ids, **options)

model = FakeModel([" ".join(["the answer is 42 and"] * 200), "the city is Oslo", "a third"])
model.session = lambda: SlowSession(model)
options.open_model = lambda options, progress=None: model
sys.exit(main(["chat", "--model", "fake"]))
"""


def test_chat_in_a_terminal(tmp_path: Path) -> None:
    environment = {
        **ENVIRONMENT,
        "XDG_STATE_HOME": str(tmp_path),
        "TERM": "xterm",
        "PROMPT_TOOLKIT_NO_CPR": "1",
    }
    child = pexpect.spawn(
        sys.executable,
        ["-c", SLOW_CHAT],
        env=environment,
        encoding="utf-8",
        timeout=30,
        cwd=ROOT,
        dimensions=(40, 120),
    )
    child.expect("Ctrl-C stops an answer")
    child.expect(">")
    child.send("Hello\r")
    child.expect("the answer is 42 and the")
    child.sendintr()
    child.expect(r"stopped · \d+ tokens")
    child.expect(">")
    child.send("And the city\\?\r")
    child.expect("the city is Oslo")
    child.expect(r"known\)")
    child.expect(">")
    child.sendintr()
    child.expect("Ctrl-D leaves")
    child.send("/bogus\r")
    child.expect("no command /bogus")
    child.expect(">")
    child.send("\x1b[A\x1b[A\r")  # up twice: from the history
    child.expect("a third")
    child.expect(">")
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    history = tmp_path / "flashmoe" / "history"
    assert "+Hello" in history.read_text().splitlines()
    assert history.stat().st_mode & 0o077 == 0
