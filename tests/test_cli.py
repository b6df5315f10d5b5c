"""The command line's options, errors and output, in this process."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import flashmoe
from flashmoe import doctor
from flashmoe.cli import main
from flashmoe.cli import options as opt
from flashmoe.cli.output import Progress, duration, say, table
from flashmoe.errors import CheckpointError, FlashMoeError, MemoryBudgetError, ReadError, UsageError


@pytest.mark.parametrize(
    ("line", "command", "values"),
    [
        ("", "chat", {"model": "demo"}),
        ("--memory 12MiB", "chat", {"memory": "12MiB"}),
        ("chat --memory 12MiB", "chat", {"memory": "12MiB"}),
        ("--memory 12MiB run hello", "run", {"memory": "12MiB", "prompt": "hello"}),
        ("--model info", "chat", {"model": "info"}),
        ("--thinking run x", "run", {"thinking": True, "prompt": "x"}),
        ("--system run", "chat", {"system": "run"}),
        (
            "run --temperature 0 --stop a --stop b -",
            "run",
            {"temperature": 0.0, "stop": ["a", "b"], "prompt": "-"},
        ),
        ("info folder --memory 8GiB", "info", {"target": "folder", "memory": "8GiB"}),
        ("convert a b --bits 4 --experts 2", "convert", {"bits": 4, "experts": 2, "group": 64}),
    ],
)
def test_command_lines(line: str, command: str, values: dict[str, Any]) -> None:
    options = opt.parse(line.split())
    assert options.command == command
    assert {name: getattr(options, name) for name in values} == values


@pytest.mark.parametrize("line", ["frobnicate", "run x --bogus", "--bits 3", "convert a b --bits 7", "run --top-k x"])
def test_wrong_options_exit_with_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(line.split())
    assert error.value.code == 2
    assert "usage: flashmoe" in capsys.readouterr().err


def test_help_covers_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    _, commands = opt._parser()
    assert set(commands) == {"chat", "run", "serve", "info", "verify", "convert", "pull", "bench", "doctor"}
    for name, command in commands.items():
        assert (Path(flashmoe.__file__).parent / "cli" / f"{name}.py").exists()
        for action in command._actions:
            assert action.help, f"{name} {action.dest}"
        assert all(len(line) <= 100 for line in command.format_help().splitlines())
    with pytest.raises(SystemExit) as error:
        main(["--help"])
    assert error.value.code == 0
    assert "exit status" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FlashMoeError("it broke"), 1),
        (UsageError("it broke"), 2),
        (CheckpointError("it broke"), 3),
        (MemoryBudgetError("it broke"), 4),
        (ReadError("it broke"), 5),
        (OSError("it broke"), 1),
    ],
)
def test_errors_are_one_sentence_and_a_status(
    error: Exception, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(options: Any, progress: Any = None) -> Any:
        raise error

    monkeypatch.setattr(opt, "open_model", fail)
    assert main(["run", "x"]) == status
    assert capsys.readouterr().err == "flashmoe: it broke\n"


def test_doctor(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "memory_available", lambda: 256 << 20)  # less to measure
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert main(["doctor", "--quick", "--model", str(checkpoint), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["kernels"][-1] == "c"
    assert all(rate > 0 for rate in report["memory_rates"].values())
    assert report["reader"] in ("direct", "buffered")
    assert report["outlook"]["all_in_memory"] > 0
    assert main(["doctor", "--quick", "--size", "4MiB"]) == 0
    assert "memory reads" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [], "the file that was measured is gone"


def test_progress_waits_and_then_writes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = Progress("reading the prompt")
    for now[0], done in ((1.0, 10), (1.9, 20), (4.0, 40), (5.0, 50), (14.5, 90)):
        assert progress(done, 100) is False
    progress.done()
    assert capsys.readouterr().err.splitlines() == [
        "reading the prompt: 40 of 100 tokens, 40 %, 6.0 s left",
        "reading the prompt: 90 of 100 tokens, 90 %, 1.6 s left",
    ]


def test_a_terminal_gets_no_control_characters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    say("a\x1b[2Jb\x07\tc\n\x9bd\r")
    assert capsys.readouterr().out == "a[2Jb\tc\nd"


def test_small_formats() -> None:
    assert [duration(s) for s in (0.0123, 2.34, 59.6, 754, 7200)] == [
        "12 ms",
        "2.3 s",
        "60 s",
        "12 min 34 s",
        "2.0 h",
    ]
    assert table([("a", "10"), ("bcd", "5")], right=(1,)) == "  a    10\n  bcd   5"
