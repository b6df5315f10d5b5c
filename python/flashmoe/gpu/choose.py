"""Which backend `auto` is: the NVIDIA card if there is one that works, else the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import FlashMoeError

# A Mac's GPU stays off `auto` until self-tests from Macs have come in.
METAL = "Metal is not chosen by itself until self-tests from Macs have come in"


@dataclass(frozen=True)
class Choice:
    backend: str
    reason: str


@cache
def choose() -> Choice:
    """Looks for a card, its driver and its kernels, and has one kernel compute something; once in a process."""
    from .. import _core

    if "cuda" not in _core.device_names():
        return Choice("cpu", METAL)
    try:
        limits = _check_card()
    except FlashMoeError as error:
        return Choice("cpu", str(error))
    except AssertionError as error:
        return Choice("cpu", f"the card computes wrongly ({error or 'a value differs'}); please send the page of "
                             "`flashmoe doctor --self-test`")  # fmt: skip
    return Choice("cuda", f"{limits['name'].removeprefix('CUDA: ')} works")


def _check_card() -> dict[str, Any]:
    """The limits of the card. Raises FlashMoeError when it cannot be used, AssertionError when it errs."""
    from . import cases, selftest

    card_memory()  # says what is missing before the kernels are looked for
    runner = selftest.Kernels("cuda", str(ready_kernels()))
    cases.CASES["matvec"](form=4, **runner.options)
    return runner.device.limits()


def ready_kernels() -> Path:
    """The folder of PTX modules if it need not be compiled first. Raises FlashMoeError."""
    from . import build

    folder = build.cuda_place()
    if not (folder / "complete").exists():
        raise FlashMoeError(
            "there is a card, but this installation has no kernels for it; "
            "`flashmoe doctor --self-test --backend cuda` compiles them if there is a clang"
        )
    return folder


def card_memory() -> int:
    """Bytes of the card's memory that are free. Raises FlashMoeError when there is no card."""
    from .. import _core

    return int(_core.Device("cuda", ".").limits()["memory"])
