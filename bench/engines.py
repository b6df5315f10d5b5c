"""The engines that are compared, as clients of bench.worker: ours and the peers, by name.

flashmoe              with a budget of the memory limit less 200 MiB, or what it chooses without a limit
llama                 llama.cpp as it comes: weights repacked for the processor
llama-mmap            without repacking, mapped from the file: its best setting in little memory, with the
llama-mmap@128        kernel's read-ahead at 128 KiB instead of the machine's own
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any

from .isolate import Process, ReadAhead, drop_caches

SPARE = 200 << 20  # of a limit, for Python, libraries and what the kernel counts besides
CONTEXT = 4096


class Died(Exception):
    """The engine did not answer: killed for memory, or failed."""


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
