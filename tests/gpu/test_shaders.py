"""Every kernel against NumPy at odd sizes, in every order of threads, and under sanitizers."""

from __future__ import annotations

from typing import Any

import pytest

from flashmoe.gpu.matrices import FORMATS

from . import cases
from .shader import needs_clang

pytestmark = needs_clang


@pytest.mark.parametrize("name", cases.CASES)
@pytest.mark.parametrize("order", [0, 1, 7], ids=["forward", "reverse", "shuffled"])
def test_kernel_agrees_with_the_reference_in_any_order(name: str, order: int) -> None:
    cases.CASES[name](order=order)


@pytest.mark.parametrize("name", cases.CASES)
@pytest.mark.parametrize("sanitizer", ["address", "thread"])
def test_kernel_is_clean_under_sanitizers(name: str, sanitizer: str) -> None:
    cases.CASES[name](sanitizer=sanitizer)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["matvec", "experts_matvec", "experts_down", "matmul", "experts_matmul", "embed"])
def test_every_format_of_weights(name: str, form: int | str) -> None:
    cases.CASES[name](form=form, sanitizer="address")


@pytest.mark.parametrize("form", ["bf16", "f16", "f32"])
@pytest.mark.parametrize("name", ["matvec", "matmul", "embed"])
def test_floats_of_odd_widths(name: str, form: str) -> None:
    cases.CASES[name](form=form, cols=43, sanitizer="address")


@pytest.mark.parametrize("scale", ["bf16", "f16", "f32"])
@pytest.mark.parametrize("group", [32, 64, 128])
@pytest.mark.parametrize("name", ["matvec", "matmul"])
def test_every_group_and_scale(name: str, group: int, scale: str) -> None:
    cases.CASES[name](form=4, cols=384, group=group, scale=scale)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        # More columns than threadgroup memory holds; all lanes on one row; columns shared out; results added.
        ("matvec", {"cols": 4096 + 64, "rows": (25,), "add": 1, "stage": 2, "groups": 1, "sanitizer": "address"}),
        ("matvec", {"cols": 4096, "rows": (5, 3, 2, 1), "stage": 0, "threads": 128, "split": 2}),
        ("matvec", {"cols": 8192, "rows": (5, 9), "threads": 128, "split": 2, "sanitizer": "thread"}),
        ("matvec", {"cols": 2048 + 512, "rows": (7, 2), "groups": 1}),
        ("matvec", {"groups": 3, "form": 3}),
        ("experts_matvec", {"stage": 2}),
        ("matvec", {"early": 1, "cols": 4096 + 64, "groups": 1}),
        ("matvec_and_choice", {"experts": 300, "threads": 128}),
        ("experts_down", {"cols": 512, "k": 8, "rows": 40}),
        ("experts_down", {"cols": 288, "sets": 2}),
        ("experts_down", {"cols": 1024, "sets": 4, "rows": 60}),
        ("experts_matvec", {"cols": 4096 + 32, "rows": 3, "groups": 1}),
        ("matmul", {"stage": 2, "add": 1, "n": 1}),
        ("matmul", {"n": 64, "rows": 64, "cols": 64}),
        ("experts_matmul", {"shared_rows": False}),
        ("embed", {"cols": 1024 + 32}),
        ("choose", {"experts": 300, "k": 10}),
        ("choose", {"experts": 33, "k": 32, "sanitizer": "address"}),
        ("choose", {"experts": 4, "k": 4}),
        ("rope", {"dim": 256, "rope_dim": 64}),
        ("rope", {"dim": 16, "rope_dim": 16}),
        ("attend_token", {"dim": 256, "heads": 2, "threads": 128}),
        ("attend_token", {"dim": 16, "position": 0}),
        ("attend_token", {"dim": 128, "threads": 256, "span": 256, "position": 319}),
        ("attend_token", {"dim": 8, "heads": 2, "span": 32, "position": 1087, "context": 1088}),
        ("attend_block", {"dim": 256, "heads": 2, "position": 0}),
        ("attend_block", {"dim": 8, "n": 13, "position": 31}),
        ("delta_step", {"key_dim": 128, "threads": 128}),
        ("delta_step", {"kernel": 2}),
        ("delta_block", {"n": 2}),
    ],
)
def test_other_sizes(name: str, options: dict[str, Any]) -> None:
    cases.CASES[name](**options)
