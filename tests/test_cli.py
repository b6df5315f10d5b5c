"""The command line: in this process over a model without an engine, and as a program over a tiny
checkpoint."""

from __future__ import annotations

import io
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pytest

import flashmoe
from flashmoe.cli import main
from flashmoe.cli import options as opt
from flashmoe.cli.output import Progress, duration, say, table
from flashmoe.errors import CheckpointError, FlashMoeError, MemoryBudgetError, ReadError, UsageError

from .fake_model import TEMPLATE, FakeModel, FakeSession, tokenizer_json
from .fixtures import fixture

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(Path(flashmoe.__file__).parents[1]), str(ROOT)]),
    "TERM": "dumb",
    "NO_COLOR": "1",
}
DEMO = Path(flashmoe.__file__).parent / "demo"
needs_demo = pytest.mark.skipif(not DEMO.is_dir(), reason="this build has no demo model")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeModel]:
    """Makes the commands open a fake model with these replies."""

    def use(*replies: str, **options: Any) -> FakeModel:
        model = FakeModel(replies, **options)
        model.generate = lambda prompt, **o: flashmoe.generate.generate(model, prompt, **o)  # type: ignore[attr-defined]
        monkeypatch.setattr(opt, "open_model", lambda options, progress=None: model)
        return model

    return use


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint of random weights that can be talked to."""
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    shutil.copytree(fixture("mlx-4bit-g64").folder, folder)
    (folder / "tokenizer.json").write_text(tokenizer_json(256))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


def program(*arguments: str, stdin: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flashmoe", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=120,
        **options,
    )


# ---- options


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


@pytest.mark.parametrize(
    "line", ["frobnicate", "run x --bogus", "--bits 3", "convert a b --bits 7", "run --top-k x"]
)
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


# ---- run


def test_run(fake: Callable[..., FakeModel], capsys: pytest.CaptureFixture[str]) -> None:
    fake("thank you, 🎉 Oslo")
    assert main(["run", "Hello"]) == 0
    out, err = capsys.readouterr()
    assert out == "thank you, 🎉 Oslo\n"
    assert re.search(r"\d+ tokens, .*/s · first after .* · 75 % of experts from memory", err)


def test_run_writes_reasoning_elsewhere(
    fake: Callable[..., FakeModel], capsys: pytest.CaptureFixture[str]
) -> None:
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


def test_run_with_a_system_prompt_and_raw(
    fake: Callable[..., FakeModel], capsys: pytest.CaptureFixture[str]
) -> None:
    model = fake("thank you")
    assert main(["run", "Hello", "--system", "You are well."]) == 0
    assert "system\nYou are well.<|im_end|>" in model.tokenizer.decode(
        model.sessions[-1].tokens, special=True
    )
    assert main(["run", "--raw", "Hello"]) == 0
    assert model.sessions[-1].tokens == model.tokenizer.encode("Hello")
    capsys.readouterr()


def test_run_says_why_an_answer_ends(
    fake: Callable[..., FakeModel], capsys: pytest.CaptureFixture[str]
) -> None:
    fake("a long answer about Oslo")
    main(["run", "Hello", "--max-tokens", "2"])
    assert "because of --max-tokens" in capsys.readouterr().err
    model = fake("a long answer about Oslo")
    model.plan.context = model.context = 14
    main(["run", "Hello"])
    assert "the context is full" in capsys.readouterr().err


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


# ---- chat


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


# ---- output


def test_progress_waits_and_then_writes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
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


# ---- as a program, over the engine


def test_the_program_runs(checkpoint: Path) -> None:
    arguments = [
        "run",
        "--model",
        str(checkpoint),
        "--memory",
        "64MiB",
        "--max-tokens",
        "8",
        "--seed",
        "1",
        "Hello",
    ]
    first, second = program(*arguments), program(*arguments)
    assert first.returncode == 0, first.stderr
    assert first.stdout.endswith("\n")
    assert first.stdout == second.stdout
    assert "8 tokens" in first.stderr
    result = json.loads(program(*arguments, "--json").stdout)
    assert result["text"].rstrip("\n") == first.stdout.rstrip("\n")
    chat = program("--model", str(checkpoint), "--max-tokens", "4", "--seed", "1", stdin="Hello\nagain\n")
    assert chat.returncode == 0
    assert chat.stderr.count("cut off · 4 tokens") == 2


def test_the_program_exits_as_documented(checkpoint: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(checkpoint, broken)
    weights = next(broken.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])
    for arguments, status in (
        (["run", "x", "--model", str(checkpoint), "--top-p", "3"], 2),
        (["run", "x", "--model", str(checkpoint), "--experts-per-token", "0"], 2),
        (["run", "x", "--model", str(tmp_path / "absent")], 3),
        (["run", "x", "--model", str(broken)], 3),
        (["run", "x", "--model", str(checkpoint), "--memory", "10KiB"], 4),
    ):
        done = program(*arguments)
        assert done.returncode == status, (arguments, done.stderr)
        assert done.stderr.startswith("flashmoe: ")
        assert done.stderr.count("\n") == 1, "one sentence"
        assert done.stdout == ""


def test_bytes_that_are_no_text(checkpoint: Path) -> None:
    command = [sys.executable, "-m", "flashmoe", "run", "--model", str(checkpoint), "--max-tokens", "2"]
    for arguments, stdin in (([], b"caf\xe9 \xff"), ([b"caf\xe9"], b"")):
        done = subprocess.run([*command, *arguments], input=stdin, capture_output=True, env=ENVIRONMENT)
        assert done.returncode == 0, done.stderr
    closed = subprocess.run(["sh", "-c", f"{shlex.join(command)} <&-"], capture_output=True, env=ENVIRONMENT)
    assert closed.returncode == 2
    assert b"prompt is empty" in closed.stderr


def test_a_reader_that_leaves(checkpoint: Path) -> None:
    command = f"{sys.executable} -m flashmoe run --model {checkpoint} --max-tokens 200 Hello 2>&1 | head -c 1"
    done = subprocess.run(
        ["bash", "-c", command + "; exit ${PIPESTATUS[0]}"], capture_output=True, env=ENVIRONMENT
    )
    assert done.returncode in (0, 141)
    assert b"Traceback" not in done.stdout + done.stderr


def test_ctrl_c_ends_the_program(checkpoint: Path) -> None:
    command = [sys.executable, "-m", "flashmoe", "run", "--model", str(checkpoint), "--max-tokens", "100000"]
    command += ["--temperature", "5", "--top-k", "0", "--top-p", "1", "--no-thinking", "Hello"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
    assert child.stdout is not None
    child.stdout.read(1)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode in (0, 130)
    assert b"Traceback" not in err


def test_info(checkpoint: Path) -> None:
    done = program("info", str(checkpoint), "--memory", "64MiB", "--hit-rate", "80")
    assert done.returncode == 0, done.stderr
    assert "routed experts" in done.stdout
    assert "memory plan" in done.stdout
    result = json.loads(program("info", str(checkpoint), "--memory", "64MiB", "--json").stdout)
    files = sum(path.stat().st_size for path in checkpoint.glob("*.safetensors"))
    assert result["file_bytes"] == files
    assert 0.9 * files < sum(part["bytes"] for part in result["parts"]) <= files
    assert [read["hit_rate"] for read in result["reads"]][:2] == [0, 50]
    small = program("info", str(checkpoint), "--memory", "10KiB", "--json")
    assert small.returncode == 4
    assert json.loads(small.stdout)["plan"] is None
    assert program("info", str(checkpoint), "--hit-rate", "120").returncode == 2


def test_verify(checkpoint: Path, tmp_path: Path) -> None:
    done = program("verify", str(checkpoint))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("no problems found\n")
    broken = tmp_path / "broken"
    shutil.copytree(checkpoint, broken)
    weights = next(broken.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])
    done = program("verify", "--model", str(broken), "--json")
    assert done.returncode == 3
    report = json.loads(done.stdout)
    assert report["ok"] is False
    assert report["problems"][0]["file"] == weights.name
    assert program("verify", str(tmp_path / "absent")).returncode == 3


def test_convert(checkpoint: Path, tmp_path: Path) -> None:
    target = tmp_path / "small"
    done = program("convert", str(checkpoint), str(target), "--experts", "2", "--group", "32")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{target}\n"
    result = json.loads(program("info", str(target), "--json").stdout)
    formats = {part["name"]: part["formats"] for part in result["parts"]}
    assert formats["routed experts"] == ["2 bits, groups of 32"]
    assert program("run", "--model", str(target), "--max-tokens", "3", "Hello").returncode == 0
    again = program("convert", str(checkpoint), str(target), "--experts", "3")
    assert again.returncode == 1
    assert again.stderr.startswith("flashmoe: ")


def test_doctor(checkpoint: Path, tmp_path: Path) -> None:
    done = program("doctor", "--quick", "--model", str(checkpoint), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["kernels"][-1] == "c"
    assert all(rate > 0 for rate in report["memory_rates"].values())
    assert report["reader"] in ("direct", "buffered")
    assert report["outlook"]["all_in_memory"] > 0
    home = {**ENVIRONMENT, "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "flashmoe", "doctor", "--quick", "--size", "4MiB"],
        capture_output=True,
        text=True,
        env=home,
    )
    assert done.returncode == 0, done.stderr
    assert "memory reads" in done.stdout
    assert list(tmp_path.iterdir()) == [], "the file that was measured is gone"


def test_the_examples_of_the_documentation_run(checkpoint: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text(), re.S | re.M)
    assert len(blocks) > 8
    source = "\n".join(blocks).replace("/tmp/", f"{tmp_path}/").replace('"demo"', repr(str(checkpoint)))
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, env=ENVIRONMENT, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "tokens were known" in done.stdout


def test_help_comes_at_once() -> None:
    program("--help")

    def processor_seconds() -> float:  # of the children, so that other work on the machine does not count
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = processor_seconds()
    assert program("--help").returncode == 0
    assert processor_seconds() - before < 1.0  # 0.3 s, most of it Python's own start


@needs_demo
def test_the_demo_talks() -> None:
    done = program("run", "Hello! Who are you?", "--memory", "64MiB", "--temperature", "0")
    assert done.returncode == 0, done.stderr
    assert "demo" in done.stdout.lower()
    streamed = program("run", "Hello! Who are you?", "--memory", "12MiB", "--temperature", "0")
    assert streamed.stdout == done.stdout
