"""The engines that are compared, as clients of bench.worker: ours and the peers, by name.

flashmoe              with a budget of the memory limit less 200 MiB, or what it chooses without a limit
llama                 llama.cpp as it comes: weights repacked for the processor
llama-mmap            without repacking, mapped from the file: its best setting in little memory, with the
llama-mmap@128        kernel's read-ahead at 128 KiB instead of the machine's own
llama-bench           a program with the options and JSON of llama.cpp's llama-bench, such as that of ik_llama.cpp,
                      given by --llama-bench "PATH -rtr 1"; with everything in memory only, on tokens of its own
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from .isolate import Process, ReadAhead, drop_caches

SPARE = 200 << 20  # of a limit, for Python, libraries and what the kernel counts besides
CONTEXT = 4096


class Died(Exception):
    """The engine did not answer: killed for memory, or failed."""


def by_program(command: str, gguf: str, prompts: Sequence[int], tokens: int) -> dict[str, Any]:
    """What a llama-bench says: seconds of prompts by their length and of a decoded token, after a warm-up of its own.
    Raises Died."""
    asked = [*shlex.split(command), "-m", gguf, "-p", ",".join(map(str, prompts)), "-n", str(tokens), "-r", "1",
             "-t", str(len(os.sched_getaffinity(0))), "-o", "json"]  # fmt: skip
    drop_caches([Path(gguf)])
    try:
        program = subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError as error:
        raise Died(f"{asked[0]}: {error.strerror}") from None
    assert program.stdout is not None
    text = program.stdout.read()
    _, status, used = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    try:
        runs = [(run["n_prompt"], run["n_gen"], run["avg_ns"] / 1e9) for run in json.loads(text)]
        seconds = next(time / n for _, n, time in runs if n)
    except (ValueError, KeyError, TypeError, StopIteration):
        raise Died(f"{shlex.join(asked)} ended with status {program.returncode} and no figures") from None
    return {
        "opened": {"command": command}, "prefill": {str(n): time for n, _, time in runs if n},
        "decode": {"seconds": seconds, "mean_seconds": seconds, "tokens": tokens}, "peak_rss": used.ru_maxrss * 1024,
    }  # fmt: skip


class Engine:
    """with Engine("flashmoe", models, limit) as engine: engine.open(); engine("prefill", ids=[…])

    models: the MLX folder and, for llama.cpp, the GGUF file. limit: bytes of its control group, or None.
    Caches are dropped before it opens the model. Its read-ahead holds while it answers.
    """

    def __init__(self, name: str, models: dict[str, str], limit: int | None = None, **options: Any) -> None:
        self.name, self._limit = name, limit
        kind, _, ahead = name.partition("@")
        self._model = Path(models["gguf" if kind.startswith("llama") else "mlx"])
        self._ahead = int(ahead) if ahead else None
        self._options = {"context": CONTEXT, **options}
        if kind == "flashmoe":
            if limit:
                self._options.setdefault("memory", limit - SPARE)
        elif kind == "llama-mmap":
            self._options |= {"repack": False, "load": "mmap"}
        elif kind != "llama":
            raise ValueError(
                f"{name!r} is no engine; write flashmoe, llama or llama-mmap, the last with @KiB if wanted"
            )
        self._program = kind.partition("-")[0]
        self.peaks: dict[str, Any] = {}

    def __enter__(self) -> Engine:
        files = [self._model] if self._model.is_file() else sorted(self._model.glob("*.safetensors"))
        drop_caches(files)
        self._process = Process("bench.worker", self._program, limit=self._limit)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.peaks = self._process.close()

    def open(self) -> dict[str, Any]:
        return self("open", model=str(self._model), **self._options)

    def __call__(self, do: str, **what: Any) -> dict[str, Any]:
        """One order and its answer. Raises Died."""
        pipe = self._process.pipe
        with ReadAhead(self._model, self._ahead):
            try:
                print(json.dumps({"do": do, **what}), file=pipe.stdin, flush=True)
                line = pipe.stdout.readline()  # type: ignore[union-attr]
            except (BrokenPipeError, OSError):
                line = ""
        if not line:
            pipe.wait()
            raise Died("killed for memory" if self._process.killed else f"ended with status {pipe.returncode}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Died(answer["error"])
        self._process.look()
        return answer

    def pause(self) -> None:
        """Stops it, so that it takes nothing from another that is measured."""
        self._process.pause()

    def resume(self) -> None:
        self._process.resume()
