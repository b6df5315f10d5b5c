"""Which backend `auto` is, and what happens when the card that it chose cannot run the model."""

from __future__ import annotations

from pathlib import Path

import pytest

import flashmoe
from flashmoe import gpu
from flashmoe.gpu import choose
from flashmoe.gpu.choose import Choice

from . import cuda


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine whose card can be chosen, and whose driver is missing all the same."""
    monkeypatch.setattr(choose, "card_memory", lambda: 8 << 30)
    monkeypatch.setattr(gpu, "prepare", lambda backend: Path("/nonexistent"))
    monkeypatch.setattr(choose, "choose", lambda: Choice("cuda", "a card works"))
    return monkeypatch


@pytest.mark.skipif(cuda.available(), reason="there is a card")
def test_without_a_card_auto_is_the_cpu_and_says_why(choose_freely: None) -> None:
    found = choose.choose()
    assert found.backend == "cpu" and ("NVIDIA" in found.reason or "Metal" in found.reason)
    model = flashmoe.Model("demo", memory="64MiB", context=64)
    assert (model.backend, model.backend_reason) == ("cpu", found.reason)
    assert flashmoe.Model("demo", "cpu", "64MiB", context=64).backend_reason == "as asked for"


@pytest.mark.parametrize(
    ("error", "said"),
    [(AssertionError("a value differs"), "computes wrongly"), (flashmoe.FlashMoeError("no kernels"), "no kernels")],
)
def test_a_card_that_fails_its_check_is_not_chosen(
    error: Exception, said: str, choose_freely: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check() -> dict[str, object]:
        raise error

    monkeypatch.setattr(choose, "_check_card", check)
    monkeypatch.setattr("flashmoe._core.device_names", lambda: ["cuda", "soft"])
    found = choose.choose()
    assert found.backend == "cpu" and said in found.reason


@pytest.mark.skipif(cuda.available(), reason="the card would run the model")
def test_a_card_that_cannot_run_the_model_leaves_it_to_the_cpu(machine: pytest.MonkeyPatch) -> None:
    model = flashmoe.Model("demo", context=64)
    assert model.backend == "cpu" and not model.plan.apart
    assert model.backend_reason.startswith("the card cannot run this model: ")
    with pytest.raises(flashmoe.FlashMoeError):
        flashmoe.Model("demo", backend="cuda", context=64)
    with pytest.raises(flashmoe.UsageError):  # the call is wrong, on any backend
        flashmoe.Model("demo", context=-1)


def test_a_plan_for_a_card_too_small_is_the_cpus(machine: pytest.MonkeyPatch) -> None:
    spec = flashmoe.open_spec("demo")
    assert flashmoe.plan_memory(spec).apart
    machine.setattr(choose, "card_memory", lambda: 1 << 20)
    assert not flashmoe.plan_memory(spec).apart
    with pytest.raises(flashmoe.MemoryBudgetError):
        flashmoe.plan_memory(spec, backend="cuda")
