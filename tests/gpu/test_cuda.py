"""The kernels and the backend on an NVIDIA card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import flashmoe
from flashmoe.gpu.matrices import FORMATS

from ..fixtures import Fixture, fixture, fixtures
from . import cases, cuda
from .test_backend import TOLERANCE, error

pytestmark = pytest.mark.skipif(not cuda.available(), reason="needs an NVIDIA card and its driver")


@pytest.mark.parametrize("name", cases.CASES)
def test_kernel_agrees_on_cuda(name: str) -> None:
    cases.CASES[name](sanitizer="cuda")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["matvec", "experts_matvec", "experts_down", "matmul", "experts_matmul", "embed"])
def test_every_format_on_cuda(name: str, form: int | str) -> None:
    cases.CASES[name](form=form, sanitizer="cuda")


@pytest.mark.parametrize("case", fixtures(), ids=lambda f: f.name)
def test_logits_agree_on_cuda(case: Fixture) -> None:
    reference = np.load(case.reference)
    ids = reference["ids"]
    model = flashmoe.Model(case.folder, backend="cuda", memory="256MiB", context=64)
    with model.session() as session:
        block = session.eval(ids[:25], all_logits=True)
        tokens = [session.eval([int(token)]) for token in ids[25:]]
    assert error(np.concatenate([block, tokens]), reference["logits"]) < TOLERANCE


def test_the_demo_agrees_with_the_cpu_backend() -> None:
    model = flashmoe.Model("demo", backend="cuda", memory="256MiB", context=512)
    ids = np.random.default_rng(3).integers(0, 4000, 300).tolist()
    with model.session() as a, flashmoe.Model("demo", "cpu", "256MiB", context=512).session() as b:
        assert error(a.eval(ids), b.eval(ids)) < TOLERANCE
        for token in (1, 2, 3):
            assert error(a.eval([token]), b.eval([token])) < TOLERANCE


def test_budgets_and_saved_sessions_give_the_same_bits(tmp_path: Path) -> None:
    case = fixture("mlx-4bit-g64")
    ids = np.load(case.reference)["ids"].tolist()
    spec = flashmoe.open_spec(case.folder)
    smallest = flashmoe.plan_memory(spec, backend="cuda", memory="1GiB", context=64).smallest
    results = []
    for memory in (smallest + 400_000, 1 << 28):
        model = flashmoe.Model(case.folder, backend="cuda", memory=memory, context=64)
        with model.session() as session:
            session.eval(ids[:20])
            session.save(tmp_path / "s")
            with model.load_session(tmp_path / "s") as loaded:
                assert np.array_equal(loaded.eval(ids[20:24]), session.fork().eval(ids[20:24]))
            results.append(session.eval(ids[20:21]))
    assert np.array_equal(*results)


@pytest.mark.parametrize("name", ["mlx-mixed", "hf-text-fused-f32"])
def test_memory_of_the_host_as_a_second_tier_changes_no_bit(name: str) -> None:
    case = fixture(name)
    ids = np.load(case.reference)["ids"].tolist()
    spec = flashmoe.open_spec(case.folder)
    plan = flashmoe.plan_memory(spec, backend="cuda", memory="1GiB", context=64)
    expected = None
    for memory, host in (("64MiB", 0), (plan.smallest, 0), (plan.smallest + 3 * plan.slot, "64MiB")):
        for reader in ("direct", "buffered"):
            model = flashmoe.Model(
                case.folder, backend="cuda", memory=memory, host_memory=host, context=64, reader=reader
            )
            with model.session() as session:
                got = session.eval(ids[:17], all_logits=True).tobytes()
                got += b"".join(session.eval([token]).tobytes() for token in ids[17:23])
            expected = expected or got
            assert got == expected, f"{memory}, {host} of the host, {reader}"


def test_auto_is_the_card_and_its_free_memory(choose_freely: None) -> None:
    model = flashmoe.Model("demo", context=64)
    assert model.backend == "cuda", model.backend_reason
    assert model.plan.apart and model.plan.budget > 1 << 30
