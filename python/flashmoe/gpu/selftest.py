"""The self-test of a backend: every kernel against NumPy, the demo model's logits against stored ones, and how fast the
kernels read. What `flashmoe doctor --self-test` prints, for people who have a GPU that its authors have not."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FlashMoeError
from . import cases
from .matrices import FORMATS, Address, Array

LOGITS = Path(__file__).with_name("demo_logits.npz")  # made by tools/demo_logits.py
TOLERANCE = 1e-3  # of the standard deviation of the logits: the backends sum in different orders
BY_FORMAT = ("matvec", "experts_matvec", "experts_down", "matmul", "experts_matmul", "embed")
GROUPS = 256  # of kernels whose groups share out the rows: enough to fill a GPU
Say = Callable[[str], None]

# What is timed: a case at sizes that come from memory, not from a cache; the part of what it is given that it reads.
SPEEDS: dict[str, tuple[str, dict[str, Any], float]] = {
    "plain copy": ("copy_words", {"count": 1 << 26, "threads": 256}, 1),
    "matvec, 4 bits": ("matvec", {"form": 4, "rows": (131072,), "cols": 4096, "group": 64, "threads": 256}, 1),
    "matvec, 8 bits": ("matvec", {"form": 8, "rows": (65536,), "cols": 4096, "group": 64, "threads": 256}, 1),
    "matvec, bf16": ("matvec", {"form": "bf16", "rows": (16384,), "cols": 4096, "threads": 256}, 1),
    "experts, gate and up": ("experts_matvec", {"form": 4, "cols": 4096, "rows": 16384}, 2 / 3),
    "attention, a token": ("attend_token", {"dim": 256, "heads": 32, "position": 32000, "context": 32768}, 1),
    "attention, 512 tokens": ("attend_block", {"dim": 256, "heads": 8, "n": 512, "position": 3584, "context": 4096}, 1),
    "delta step": ("delta_step", {"threads": 512, "key_dim": 128, "value_dim": 128, "heads": 64}, 1),
    "matmul, 512 tokens": ("matmul", {"form": 4, "n": 512, "rows": 4096, "cols": 4096, "group": 64}, 1),
}


@dataclass(frozen=True)
class Check:
    """One thing that was compared. error: what was wrong, or empty."""

    name: str
    seconds: float
    error: str = ""


@dataclass(frozen=True)
class Speed:
    """bytes: what one launch reads and writes."""

    name: str
    bytes: int
    seconds: float


@dataclass
class Result:
    """Of one backend. refusal: why it cannot be used here; then nothing else is known."""

    backend: str
    limits: dict[str, Any] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    speeds: list[Speed] = field(default_factory=list)
    refusal: str = ""

    @property
    def failures(self) -> list[Check]:
        return [check for check in self.checks if check.error]

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "passed": not self.refusal and not self.failures}


class _Timed(Exception):  # ends a case when its kernel was timed
    pass


class Kernels:
    """Runs cases on a device. kernels: what the device loads (flashmoe.gpu.prepare)."""

    def __init__(self, device: str, kernels: str) -> None:
        from .. import _core

        self.device = _core.Device(device, kernels)
        self.options: dict[str, Any] = {"runner": self.run}
        if device == "cuda":
            self.options["sanitizer"] = "cuda"

    def run(
        self,
        file: str,
        kernel: str,
        args: Sequence[Array | bytes],
        groups: tuple[int, int, int],
        threads: int,
        *,
        constants: dict[str, int] | None = None,
        memories: Sequence[Array] = (),
        addresses: Sequence[Address] = (),
        sanitizer: str = "",  # of the tests' runner; here it only tells cases that the device is CUDA
        repeat: int = 1,
    ) -> list[Array]:
        # As the backend asks for kernels that read no weights.
        given = {"FORMAT": 4, "SCALE": 15, "ALIGNED": 1, **(constants or {})}
        places = [(a.table, a.offset, a.memory - len(args)) for a in addresses]
        out, self.seconds = self.device.run(
            kernel, list(given.items()), list(args), groups, threads, list(memories), places, repeat
        )
        return [np.frombuffer(a, np.uint8) if isinstance(a, bytes) else a for a in out]

    def time(self, case: str, options: dict[str, Any]) -> tuple[int, float]:
        """Bytes and seconds of the first kernel of a case, the best of three rows of launches."""
        best, size = float("inf"), 0

        def runner(file: str, kernel: str, args: Any, *rest: Any, **more: Any) -> Any:
            nonlocal best, size
            arrays = {id(a): a.nbytes for a in (*args, *more.get("memories", ())) if not isinstance(a, bytes)}
            size = sum(arrays.values())
            repeat = max(1, min(50, (1 << 30) // max(1, size)))
            for _ in range(3):
                self.run(file, kernel, args, *rest, **more, repeat=repeat)
                if self.seconds > 0:
                    best = min(best, self.seconds / repeat)
            raise _Timed

        given = {**self.options, "runner": runner, **options}
        if "groups" in signature(cases.CASES[case]).parameters:
            given["groups"] = GROUPS
        with suppress(_Timed):
            cases.CASES[case](**given)
        return size, best


def _checked(name: str, run: Callable[[], object]) -> Check:
    start = time.perf_counter()
    try:
        run()
        error = ""
    except (AssertionError, FlashMoeError) as e:
        error = str(e) or "a value differs"
    return Check(name, time.perf_counter() - start, error)


def check_kernels(kernels: Kernels) -> Iterator[Check]:
    """Every case, and every format of weights."""
    for name, case in cases.CASES.items():
        if name not in BY_FORMAT:
            yield _checked(name, partial(case, **kernels.options))
            continue
        for form in FORMATS:
            label = f"{name}, {f'{form} bits' if isinstance(form, int) else form}"
            yield _checked(label, partial(case, form=form, **kernels.options))


def check_logits(backend: str, kernels: str | None = None) -> None:
    """Raises AssertionError unless the demo model's logits agree with the stored ones, in a prompt and in decode."""
    from ..model import Model

    stored = np.load(LOGITS)
    ids = stored["ids"].tolist()
    model = Model("demo", backend=backend, memory="128MiB", context=64, kernels=kernels)
    with model.session() as session:
        prompt = len(ids) - len(stored["logits"]) + 1
        got = [session.eval(ids[:prompt]), *(session.eval([token]) for token in ids[prompt:])]
    wanted = stored["logits"]
    if not np.isfinite(got).all():
        raise AssertionError("logits are not finite")
    error = np.abs(np.stack(got) - wanted).max() / wanted.std()
    if not error < TOLERANCE:
        raise AssertionError(f"logits are off by {error:.2e} of their standard deviation")


def examine_backend(backend: str, say: Say, kernels: str | None = None) -> Result:
    """Everything about one backend. say: told what is being done. kernels: a device's, if not the package's own."""
    from .. import _core
    from . import prepare

    if not __debug__:
        raise FlashMoeError("the self-test consists of assertions: run Python without -O")
    result = Result(backend)
    if backend == "cpu":
        for table in _core.kernel_names():
            say(f"cpu: logits with {table} kernels")
            check = _checked(f"logits, {table} kernels", partial(check_logits, "cpu", table))
            result.checks.append(check)
        return result
    try:
        if backend not in _core.device_names():
            raise FlashMoeError("this build of flashmoe has no such device")
        say(f"{backend}: compiling shaders")
        runner = Kernels(backend, kernels or str(prepare(backend)))
    except FlashMoeError as e:
        result.refusal = str(e)
        return result
    result.limits = runner.device.limits()
    for check in check_kernels(runner):
        say(f"{backend}: {check.name}")
        result.checks.append(check)
    if kernels is None:
        say(f"{backend}: logits of the demo model")
        result.checks.append(_checked("logits of the demo model", partial(check_logits, backend)))
    for name, (case, options, share) in SPEEDS.items() if backend != "soft" else ():
        say(f"{backend}: speed of {name}")
        size, seconds = runner.time(case, options)
        if seconds < float("inf"):
            result.speeds.append(Speed(name, round(size * share), seconds))
    return result


def usable() -> dict[str, str]:
    """Backends of this machine: why each cannot be used, or an empty string."""
    from .. import _core
    from . import build

    found = {"cpu": ""}
    for name in ("metal", "cuda", "soft"):
        if name not in _core.device_names():
            found[name] = "this build has none" if name == "soft" else f"not on {platform.system()}"
        elif name == "soft":
            found[name] = "" if build.find_clang() else f"needs clang++ {build.CLANG_LEAST} or newer"
        else:
            try:
                # CUDA looks for modules later; making them takes a while.
                _core.Device(name, str(build.metal_source()) if name == "metal" else ".")
                found[name] = ""
            except FlashMoeError as e:
                found[name] = str(e)
    return found


def gpu_cores() -> int | None:
    """Of a Mac's GPU, if the system says."""
    if sys.platform != "darwin":
        return None
    try:
        text = subprocess.run(
            ["ioreg", "-rc", "AGXAccelerator", "-d1"], capture_output=True, text=True, timeout=10
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'"gpu-core-count" = (\d+)', text)
    return int(match[1]) if match else None
