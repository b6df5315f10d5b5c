"""`flashmoe run` in this process, over a model without an engine."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flashmoe.cli import main

from .fake_model import FakeModel, FakeSession


def test_run(fake: Callable[..., FakeModel], capsys: pytest.CaptureFixture[str]) -> None:
    fake("thank you, 🎉 Oslo")
    assert main(["run", "Hello"]) == 0
    out, err = capsys.readouterr()
    assert out == "thank you, 🎉 Oslo\n"
    assert re.search(r"\d+ tokens, .*/s · first after .* · 75 % of experts from memory", err)


def test_run_writes_reasoning_elsewhere(fake: Callable[..., FakeModel], capsys: pytest.CaptureFixture[str]) -> None:
    fake("<think>\nhm\n</think>\n\nthank you")
    assert main(["run", "Hello", "--thinking", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("thank you\n", "hm\n")


def test_run_json(fake: Callable[..., FakeModel], capsys: pytest.CaptureFixture[str]) -> None:
    fake("<think>\nhm\n</think>\n\nthank you")
    assert main(["run", "Hello", "--thinking", "--json", "--seed", "7"]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert (result["text"], result["reasoning"], result["finish_reason"]) == ("thank you", "hm", "stop")
    assert (result["seed"], result["experts_per_token"]) == (7, 4)
    assert result["usage"]["prompt_tokens"] > 0
    assert err == ""


def test_run_json_lines(fake: Callable[..., FakeModel], capsys: pytest.CaptureFixture[str]) -> None:
    fake("<think>\nhm\n</think>\n\nthank you")
    assert main(["run", "--json-lines", "--thinking", "Hello"]) == 0
    out, err = capsys.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    assert "".join(event["text"] for event in events if event["type"] == "text") == "thank you"
    assert "".join(event["text"] for event in events if event["type"] == "reasoning") == "hm"
    assert (events[-1]["type"], events[-1]["reason"]) == ("finish", "stop")
    assert err == ""


def written(command: str) -> str:
    return f"<tool_call>\n<function=run_shell>\n<parameter=command>\n{command}\n</parameter>\n</function>\n</tool_call>"


def test_run_with_tools(fake: Callable[..., FakeModel], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    replies = ["Let me look.\n\n" + written("echo 7 > n.txt; cat n.txt"), "There are 7."]
    run = ["run", "How many?", "--tools", "shell", "--folder", str(tmp_path)]
    fake(*replies)
    assert main([*run, "--yes", "--json-lines"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    kinds = [event["type"] for event in events if event["type"] != "text"]
    assert kinds == ["tool_call", "finish", "tool_result", "finish"]
    call = next(event for event in events if event["type"] == "tool_call")
    result = next(event for event in events if event["type"] == "tool_result")
    assert call["arguments"] == {"command": "echo 7 > n.txt; cat n.txt"} and call["id"] == result["id"]
    assert "7" in result["result"] and (tmp_path / "n.txt").read_text() == "7\n"
    (tmp_path / "n.txt").unlink()
    fake(*replies)
    assert main([*run, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == "There are 7."
    assert not (tmp_path / "n.txt").exists(), "nobody allowed it"
    fake(*replies)
    assert main([*run, "-q"]) == 0
    out, err = capsys.readouterr()
    assert out.split("\n") == ["Let me look.", "There are 7.", ""] and "did not allow" in err
    assert main([*run, "--raw"]) == 2


def test_lines_of_two_columns_go_on_in_the_second() -> None:
    from flashmoe.cli.output import wrapped

    assert wrapped("/help   this list", 40) == "/help   this list"
    assert wrapped("/tools NAME   lets the model use tools", 30) == (
        "/tools NAME   lets the model\n              use tools"
    )
    assert wrapped("one column of words that goes on", 20) == "one column of words\nthat goes on"


def test_run_reads_stdin(
    fake: Callable[..., FakeModel], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = fake("thank you")
    for arguments in (["run"], ["run", "-"]):
        monkeypatch.setattr(sys, "stdin", io.StringIO("Good\nmorning\n"))
        assert main([*arguments, "-q"]) == 0
        text = model.tokenizer.decode(model.sessions[-1].tokens, special=True)
        assert "user\nGood\nmorning<|im_end|>" in text
    assert capsys.readouterr().out == "thank you\n" * 2


def test_run_without_a_prompt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    assert main(["run"]) == 2
    assert capsys.readouterr().err == "flashmoe: the prompt is empty\n"


def test_run_with_a_system_prompt_and_raw(fake: Callable[..., FakeModel], capsys: pytest.CaptureFixture[str]) -> None:
    model = fake("thank you")
    assert main(["run", "Hello", "--system", "You are well."]) == 0
    assert "system\nYou are well.<|im_end|>" in model.tokenizer.decode(model.sessions[-1].tokens, special=True)
    assert main(["run", "--raw", "Hello"]) == 0
    assert model.sessions[-1].tokens == model.tokenizer.encode("Hello")
    capsys.readouterr()


def test_run_says_why_an_answer_ends(fake: Callable[..., FakeModel], capsys: pytest.CaptureFixture[str]) -> None:
    fake("a long answer about Oslo")
    main(["run", "Hello", "--max-tokens", "2"])
    assert "because of --max-tokens" in capsys.readouterr().err
    model = fake("a long answer about Oslo")
    model.plan.context = model.context = 14
    main(["run", "Hello"])
    assert "the context is full" in capsys.readouterr().err


def test_ctrl_c_ends_run_with_130(
    fake: Callable[..., FakeModel], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake("a long answer about Oslo")
    evaluate = FakeSession.eval

    def interrupted(self: FakeSession, ids: Any, **options: Any) -> Any:
        if self.model.evaluated.count(1) == 3:
            raise KeyboardInterrupt
        return evaluate(self, ids, **options)

    monkeypatch.setattr(FakeSession, "eval", interrupted)
    assert main(["run", "Hello"]) == 130
    out, _ = capsys.readouterr()
    assert out.startswith("a")
    assert out.endswith("\n")
