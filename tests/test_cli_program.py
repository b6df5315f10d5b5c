"""The commands as a program over a tiny checkpoint: output, exit status, signals, pipes."""

from __future__ import annotations

import json
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from .programs import ENVIRONMENT, ROOT, needs_demo, program


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
    done = subprocess.run(["bash", "-c", command + "; exit ${PIPESTATUS[0]}"], capture_output=True, env=ENVIRONMENT)
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


def test_the_examples_of_the_documentation_run(checkpoint: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text(), re.S | re.M)
    assert len(blocks) > 8
    source = "\n".join(blocks).replace("/tmp/", f"{tmp_path}/").replace('"demo"', repr(str(checkpoint)))
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, env=ENVIRONMENT, timeout=120)
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
