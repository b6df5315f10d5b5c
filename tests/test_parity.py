"""The engine computes what transformers and mlx-lm compute, on checkpoints of unusual shapes."""

from __future__ import annotations

import numpy as np
import pytest

import flashmoe
from flashmoe import _core

from .fixtures import Fixture, fixtures

# Of the standard deviation of the logits. The references ran in float32, the order of sums aside as here; products with
# quantised matrices take activations in 16 bits, which leaves up to 0.0035 in the worst logit of these fixtures.
TOLERANCE = 5e-3


@pytest.fixture(params=fixtures(), ids=lambda f: f.name)
def case(request: pytest.FixtureRequest) -> Fixture:
    return request.param


def largest_error(logits: np.ndarray, reference: np.ndarray) -> float:
    assert np.isfinite(logits).all()
    return float(np.abs(logits - reference).max() / reference.std())


@pytest.mark.parametrize("kernels", _core.kernel_names())
def test_prefill_agrees_with_the_reference(case: Fixture, kernels: str) -> None:
    reference = np.load(case.reference)
    model = flashmoe.Model(case.folder, memory="256MiB", context=128, kernels=kernels)
    with model.session() as session:
        logits = session.eval(reference["ids"], all_logits=True)
    assert largest_error(logits, reference["logits"]) < TOLERANCE


@pytest.mark.parametrize("kernels", _core.kernel_names())
def test_prefill_in_one_call_in_chunks_and_token_by_token_gives_the_same_bits(case: Fixture, kernels: str) -> None:
    ids = np.load(case.reference)["ids"]
    model = flashmoe.Model(case.folder, memory="256MiB", context=128, kernels=kernels)
    with model.session() as session:
        whole = session.eval(ids, all_logits=True)
    for sizes in ([1] * len(ids), [3, 1, 7, 1, 1, 5, 2, 20], [39, 1]):
        with model.session() as session:
            parts = [
                session.eval(part, all_logits=True) for part in np.split(ids, np.cumsum(sizes)[:-1]) if len(part)
            ]
        assert np.array_equal(np.concatenate(parts), whole)


def test_greedy_continuation_equals_the_reference(case: Fixture) -> None:
    reference = np.load(case.reference)
    model = flashmoe.Model(case.folder, memory="256MiB", context=128)
    chosen = []
    with model.session() as session:
        logits = session.eval(reference["ids"])
        for _ in reference["greedy"]:
            chosen.append(int(logits.argmax()))
            logits = session.eval(chosen[-1:])
    assert chosen == reference["greedy"].tolist()


def test_every_budget_thread_count_and_reader_gives_the_same_bits(case: Fixture) -> None:
    ids = np.load(case.reference)["ids"]
    spec = flashmoe.open_spec(case.folder)
    # The scratch of more threads is larger.
    smallest = flashmoe.plan_memory(spec, memory="1GiB", context=64, threads=5).smallest
    expected = None
    for memory in (smallest, smallest + 50_000, "64MiB"):
        for threads in (1, 2, 5):
            for reader in ("direct", "buffered"):
                try:
                    model = flashmoe.Model(case.folder, memory=memory, context=64, threads=threads, reader=reader)
                except flashmoe.FlashMoeError as e:
                    if reader == "direct" and "direct reads" in str(e):
                        continue  # this file system has none
                    raise
                with model.session() as session:
                    logits = [session.eval(ids[:25], all_logits=True)]
                    logits += [session.eval([token])[None] for token in ids[25:]]
                got = np.concatenate(logits).tobytes()
                expected = expected or got
                assert got == expected, f"memory {memory}, {threads} threads, {reader}"


def test_fewer_experts_than_configured_is_an_option(case: Fixture) -> None:
    ids = np.load(case.reference)["ids"]
    exact = flashmoe.Model(case.folder, memory="256MiB", context=64)
    fewer = flashmoe.Model(case.folder, memory="256MiB", context=64, experts_per_token=1)
    assert fewer.plan.experts_per_token == 1
    with exact.session() as a, fewer.session() as b:
        same = np.array_equal(a.eval(ids), b.eval(ids))
    assert same == (exact.config.experts_per_token == 1)
