"""The cases of the package, run in programs of their own (shader.py) or on CUDA."""

from __future__ import annotations

from functools import partial

from flashmoe.gpu import cases

from .shader import run

CASES = {name: partial(case, runner=run) for name, case in cases.CASES.items()}
