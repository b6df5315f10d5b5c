"""The GPU backend on the soft device: the references, the rules of identity, what a token costs in waits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import flashmoe

from ..fixtures import Fixture, fixture, fixtures
from .shader import needs_clang

pytestmark = needs_clang

TOLERANCE = 1e-3  # of the standard deviation of the logits, as in test_parity.py


def open_model(case: Fixture, memory: int | str = "256MiB", context: int = 64, **options: object) -> flashmoe.Model:
    return flashmoe.Model(case.folder, backend="soft", memory=memory, context=context, **options)  # type: ignore[arg-type]


def error(logits: np.ndarray, reference: np.ndarray) -> float:
    assert np.isfinite(logits).all()
    return float(np.abs(logits - reference).max() / reference.std())


@pytest.mark.parametrize("case", fixtures(), ids=lambda f: f.name)
def test_logits_agree_with_the_reference(case: Fixture) -> None:
    reference = np.load(case.reference)
    ids = reference["ids"][:12]
    with open_model(case).session() as session:
        block = session.eval(ids[:9], all_logits=True)
        tokens = [session.eval([int(token)]) for token in ids[9:]]
    assert error(np.concatenate([block, tokens]), reference["logits"][:12]) < TOLERANCE


@pytest.mark.parametrize("order", [1, 5])
@pytest.mark.parametrize("name", ["mlx-4bit-g64", "hf-all-full-bf16"])
def test_the_order_of_what_is_unordered_does_not_matter(
    name: str, order: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = fixture(name)
    ids = np.load(case.reference)["ids"][:8].tolist()
    results = []
    for n in (0, order):
        monkeypatch.setenv("FLASHMOE_SHADER_ORDER", str(n))
        with open_model(case).session() as session:
            results.append([session.eval(ids[:6]).tobytes(), session.eval(ids[6:7]).tobytes()])
    assert results[0] == results[1]


@pytest.mark.parametrize("name", ["mlx-mixed", "hf-text-fused-f32"])
def test_every_budget_and_reader_gives_the_same_bits(name: str) -> None:
    case = fixture(name)
    ids = np.load(case.reference)["ids"].tolist()
    smallest = flashmoe.plan_memory(
        flashmoe.open_spec(case.folder), backend="soft", memory="1GiB", context=64
    ).smallest
    expected = None
    for memory, reader in ((smallest, "auto"), (smallest + 50_000, "buffered"), ("64MiB", "auto")):
        with open_model(case, memory, reader=reader).session() as session:
            got = session.eval(ids[:17], all_logits=True).tobytes() + session.eval(ids[17:18]).tobytes()
        expected = expected or got
        assert got == expected, f"{memory}, {reader}"


@pytest.mark.parametrize("name", ["mlx-mixed", "hf-text-fused-f32"])
def test_memory_of_the_host_as_a_second_tier_changes_no_bit(name: str) -> None:
    """The soft device, with memory of its own: every expert comes from the host's, or from disk by way of it."""
    case = fixture(name)
    ids = np.load(case.reference)["ids"].tolist()
    spec = flashmoe.open_spec(case.folder)
    plan = flashmoe.plan_memory(spec, backend="soft", memory="1GiB", context=64, host_memory="64MiB")
    assert plan.apart and plan.resident and plan.host_slots == 16
    tight = plan.smallest + 3 * plan.slot
    expected = None
    for memory, host in (("64MiB", None), ("64MiB", 1), (plan.smallest, 1), (tight, 1), (tight, "64MiB")):
        model = open_model(case, memory, host_memory=host)
        with model.session() as session:
            got = session.eval(ids[:17], all_logits=True).tobytes()
            got += b"".join(session.eval([token]).tobytes() for token in ids[17:23])
            seen = session.stats.decode
        expected = expected or got
        assert got == expected, f"{memory}, {host} of the host"
        if memory == tight and host == "64MiB":
            assert model.plan.host_slots >= model.plan.experts_in_model
            assert seen.expert_misses == 0 < seen.expert_host_hits
            assert seen.bytes_moved == seen.expert_host_hits * model.plan.slot
        asked = seen.expert_hits + seen.expert_host_hits + seen.expert_misses
        assert asked == seen.tokens * model.config.layers * model.plan.experts_per_token


def test_a_session_that_takes_memory_from_two_tiers() -> None:
    case = fixture("mlx-4bit-g64")
    ids = np.load(case.reference)["ids"].tolist()
    with open_model(case).session() as alone:
        expected = [alone.eval(ids[:9]).tobytes(), *(alone.eval([t]).tobytes() for t in ids[9:12])]
    spec = flashmoe.open_spec(case.folder)
    plan = flashmoe.plan_memory(spec, backend="soft", memory="1GiB", context=64, host_memory=1)
    model = open_model(case, plan.smallest + 2 * (plan.session_fixed + plan.session_context), host_memory=1)
    sessions = [model.session() for _ in range(2)]
    for session in sessions:
        got = [session.eval(ids[:9]).tobytes(), *(session.eval([t]).tobytes() for t in ids[9:12])]
        assert got == expected


def test_what_has_one_memory_has_no_second_tier() -> None:
    with pytest.raises(flashmoe.UsageError, match="memory of its own"):
        flashmoe.Model("demo", backend="cpu", memory="64MiB", host_memory="1GiB")


def test_prompts_of_several_tokens_give_the_same_bits_in_any_cut() -> None:
    case = fixture("mlx-4bit-g64")
    ids = np.load(case.reference)["ids"][:14]
    model = open_model(case)
    with model.session() as session:
        whole = session.eval(ids, all_logits=True)
    with model.session() as session:
        parts = [session.eval(part, all_logits=True) for part in np.split(ids, [2, 9, 11])]
    assert np.array_equal(np.concatenate(parts), whole)


def test_a_long_prompt_goes_through_in_chunks() -> None:
    """More tokens than the plan's chunk: the state of the delta rule passes through scratch, an odd and an even number
    of times."""
    case = fixture("mlx-4bit-g64")
    ids = np.load(case.reference)["ids"].tolist()
    smallest = flashmoe.plan_memory(
        flashmoe.open_spec(case.folder), backend="soft", memory="1GiB", context=64
    ).smallest
    model = open_model(case, smallest)
    assert model.plan.chunk == 8
    with model.session() as a, open_model(case).session() as b:
        for n in (17, 12):
            assert np.array_equal(a.eval(ids[:n]), b.eval(ids[:n]))


def test_sessions_fork_save_load_and_step_together(tmp_path: Path) -> None:
    case = fixture("mlx-4bit-g64")
    ids = np.load(case.reference)["ids"].tolist()
    model = open_model(case)
    a = model.session()
    a.eval(ids[:7])
    b = a.fork()
    a.save(tmp_path / "s")
    c = model.load_session(tmp_path / "s")
    expected = a.eval(ids[7:9])
    assert np.array_equal(b.eval(ids[7:9]), expected)
    assert np.array_equal(c.eval(ids[7:9]), expected)
    with pytest.raises(flashmoe.SessionFileError, match="another model"):
        flashmoe.Model(case.folder, memory="64MiB", context=64).load_session(tmp_path / "s")
    other = model.session()
    other.eval(ids[:3])
    together = model.step([a, other], [ids[9], ids[3]])
    reference = np.load(case.reference)["logits"]
    assert error(np.stack(together), reference[[9, 3]]) < TOLERANCE


def test_two_backends_agree() -> None:
    model = flashmoe.Model("demo", backend="soft", memory="128MiB", context=64)
    with model.session() as a, flashmoe.Model("demo", memory="128MiB", context=64).session() as b:
        x, y = a.eval([1, 2, 3]), b.eval([1, 2, 3])
        assert error(x, y) < TOLERANCE
        assert error(a.eval([4]), b.eval([4])) < TOLERANCE
