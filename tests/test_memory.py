"""The memory budget: what the plan says, what is refused, and what the process really takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import flashmoe
from flashmoe import system

from .fixtures import fixture

MODEL = fixture("mlx-4bit-g64")
MIB = 1 << 20

PROGRAM = """
import json, resource, sys
import numpy, tokenizers, flashmoe
from flashmoe import _core
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
path, memory = sys.argv[1], int(sys.argv[2])
before = peak()
model = flashmoe.Model(path, memory=memory)
ids = [i % model.config.vocab for i in range(model.plan.context - 60)]
with model.session() as session:
    session.eval(ids)
    for token in range(10):
        session.eval([token])
    middle = peak()
    for token in range(50):
        session.eval([token])
print(json.dumps({"taken": peak() - before, "later": peak() - middle, "used": model.plan.used,
    "resident": model.plan.resident}))
"""


def measured(path: Path, memory: int) -> dict[str, int]:
    out = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), str(memory)], capture_output=True, text=True, check=True
    )
    return json.loads(out.stdout)


@pytest.mark.parametrize("memory", [12 * MIB, 24 * MIB, 64 * MIB])
def test_the_process_stays_within_the_budget(memory: int) -> None:
    from flashmoe.hub import resolve

    got = measured(resolve("demo"), memory)
    # Besides the model: the Python objects of the specification and of the calls, thread stacks, the extension's code.
    assert got["taken"] <= min(memory, got["used"]) + 8 * MIB, got
    # A cache for all experts is touched as they are read; a smaller one is full by now.
    assert got["resident"] or got["later"] < MIB // 2, "memory grew while generating"


def test_the_plan_adds_up_and_the_smallest_budget_works() -> None:
    spec = flashmoe.open_spec(MODEL.folder)
    smallest = flashmoe.plan_memory(spec, memory="1GiB").smallest
    with pytest.raises(flashmoe.MemoryBudgetError, match="smallest that works"):
        flashmoe.plan_memory(spec, memory=smallest - 1)
    with pytest.raises(flashmoe.MemoryBudgetError, match="smallest that works"):
        flashmoe.Model(MODEL.folder, memory=smallest - 1)
    for memory in [smallest, smallest + 1, smallest + 100_000, 2 * smallest, 10 * smallest, 1 << 30]:
        plan = flashmoe.plan_memory(spec, memory=memory)
        assert plan.used <= plan.budget == memory
        assert plan.smallest == smallest
        assert plan.cache == plan.cache_slots * plan.slot
        assert plan.chunk <= plan.sweep <= plan.context
    assert plan.resident
    assert "expert cache" in str(plan)
    assert flashmoe.Model(MODEL.folder, memory=smallest).session().eval([1, 2, 3]).shape == (spec.config.vocab,)


def test_an_expert_with_more_tokens_than_a_product_takes_is_packed_once() -> None:
    """Its pieces may fit into one batch where a token has more experts than a product takes tokens."""
    path, ids = fixture("mlx-2bit-g32").folder, list(range(10))
    roomy = flashmoe.Model(path, memory="1GiB", experts_per_token=10)
    with roomy.session() as session:
        want = session.eval(ids)
    model = flashmoe.Model(path, memory=roomy.plan.smallest * 5 // 4, experts_per_token=10)
    assert model.plan.chunk < len(ids) <= model.plan.sweep
    with model.session() as session:
        assert np.array_equal(session.eval(ids), want)


def test_a_session_more_than_the_budget_holds_is_refused_and_the_first_goes_on() -> None:
    spec = flashmoe.open_spec(MODEL.folder)
    model = flashmoe.Model(MODEL.folder, memory=flashmoe.plan_memory(spec, memory="1GiB").smallest)
    first = model.session()
    first.eval([1, 2, 3])
    with pytest.raises(flashmoe.MemoryBudgetError, match="session number 2"):
        model.session()
    with pytest.raises(flashmoe.MemoryBudgetError, match="session number 2"):
        first.fork()
    first.eval([4])
    first.close()
    with model.session() as again:
        again.eval([1])


@pytest.mark.parametrize(
    "options",
    [
        {"memory": "lots"}, {"memory": "-1GiB"}, {"memory": 0}, {"memory": True}, {"memory": 1.5},
        {"threads": 0}, {"threads": "2"}, {"context": -5}, {"context": 10**9}, {"experts_per_token": 7},
        {"experts_per_token": 0}, {"backend": "quantum"}, {"reader": "psychic"},
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options: dict) -> None:
    with pytest.raises(flashmoe.UsageError):
        flashmoe.Model(MODEL.folder, **options)


def test_sizes_as_people_write_them() -> None:
    assert system.parse_size("8GiB") == 8 << 30
    assert system.parse_size(" 1.5 gb ") == 1_500_000_000
    assert system.parse_size("512M") == 512_000_000
    assert system.parse_size(123) == 123
    assert system.format_size(5.25 * 2**30) == "5.2 GiB"
    assert system.format_size(12) == "12 B"


def test_without_a_budget_a_safe_share_of_what_is_free_is_taken() -> None:
    budget = system.default_budget()
    assert 0 < budget < system.memory_available() <= system.memory_total()


def test_a_control_group_limits_what_is_available(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("700000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 100000\n")
    monkeypatch.setattr(system, "_cgroup_directories", lambda: [(tmp_path, "memory.max", "memory.current")])
    assert system.cgroup_memory_available() == 400_000
    assert system.memory_available() == 400_000
    (tmp_path / "memory.max").write_text("max\n")
    assert system.cgroup_memory_available() is None


def test_reads_go_through_the_page_cache_where_it_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    from flashmoe import reader

    plenty = flashmoe.Model(MODEL.folder, memory="64MiB")
    assert plenty.reader == "buffered"
    assert plenty.reader_reason == reader.BUFFERED
    monkeypatch.setattr(reader, "memory_available", lambda: 100 * MIB)
    short = flashmoe.Model(MODEL.folder, memory="64MiB")
    assert short.reader_reason == (reader.DIRECT if short.reader == "direct" else reader.REFUSED)
    assert flashmoe.Model(MODEL.folder, memory="64MiB", reader="buffered").reader_reason == "as asked for"
