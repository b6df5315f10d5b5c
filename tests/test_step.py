"""Steps: one token of each of several sessions in one pass, with the bits of one session at a time."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

import flashmoe

from .fixtures import fixture

MODEL = fixture("mlx-4bit-g64")
OPTIONS = {"context": 600, "memory": "64MiB"}


@pytest.fixture
def ids() -> list[int]:
    return np.load(MODEL.reference)["ids"].tolist()


@pytest.fixture
def model() -> flashmoe.Model:
    return flashmoe.Model(MODEL.folder, **OPTIONS)


def budget(spec: flashmoe.spec.ModelSpec, sessions: int, context: int) -> int:
    """Hardly more than so many sessions need, so that the cache holds little; activations take an eighth of it."""
    plan = flashmoe.plan_memory(spec, memory="1GiB", context=context)
    return plan.smallest + (sessions - 1) * (plan.session_fixed + plan.session_context) * 8 // 7 + 100


def prompts(ids: list[int], count: int) -> list[list[int]]:
    """Of mixed lengths, one beyond a span of attention (256 positions), one of nothing."""
    long = ids * (1 + 600 // len(ids))
    return [long[i : i + length] for i, length in zip(range(count), [1, 300, 7, 0, 33, 2, 60, 12, 5], strict=False)]


def continuation(ids: list[int], i: int, length: int = 6) -> list[int]:
    return [ids[(3 * i + j) % len(ids)] for j in range(length)]


def alone(model: flashmoe.Model, ids: list[int], count: int) -> list[list[bytes]]:
    out = []
    for i, prompt in enumerate(prompts(ids, count)):
        with model.session() as session:
            if prompt:
                session.prefill(prompt)
            out.append([session.eval([token]).tobytes() for token in continuation(ids, i)])
    return out


def together(model: flashmoe.Model, ids: list[int], count: int) -> list[list[bytes]]:
    sessions = [model.session() for _ in range(count)]
    for session, prompt in zip(sessions, prompts(ids, count), strict=True):
        if prompt:
            session.prefill(prompt)
    out: list[list[bytes]] = [[] for _ in sessions]
    for tokens in zip(*(continuation(ids, i) for i in range(count)), strict=True):
        logits = model.step(sessions, tokens)
        assert logits.shape == (count, model.config.vocab)
        assert logits.dtype == np.float32
        for row, one in zip(logits, out, strict=True):
            one.append(row.tobytes())
    for i, session in enumerate(sessions):
        assert session.tokens == prompts(ids, count)[i] + continuation(ids, i)
        session.close()
    return out


@pytest.mark.parametrize("name", ["mlx-4bit-g64", "mlx-2bit-g32", "hf-text-perexpert-bf16"])
def test_a_step_has_the_bits_of_single_evals_at_any_budget_and_threads(name: str) -> None:
    folder = fixture(name).folder
    ids = np.load(fixture(name).reference)["ids"].tolist()
    expected = alone(flashmoe.Model(folder, threads=1, **OPTIONS), ids, 9)
    spec = flashmoe.open_spec(folder)
    nine = budget(spec, 9, 600)
    for memory, threads, count in [(nine, 1, 9), (nine, 3, 8), (2 * nine, 2, 9), ("1GiB", 2, 9), ("1GiB", 4, 1)]:
        options = {"memory": memory, "threads": threads, "context": 600}
        assert together(flashmoe.Model(folder, **options), ids, min(count, 9)) == expected[:count], options


def test_sessions_of_a_step_change_from_one_to_the_next(model: flashmoe.Model, ids: list[int]) -> None:
    expected = alone(model, ids, 4)
    sessions = [model.session() for _ in range(4)]
    got: list[list[bytes]] = [[], [], [], []]
    for session, prompt in zip(sessions, prompts(ids, 4), strict=True):
        if prompt:
            session.prefill(prompt)
    for group in [[0, 1], [1, 3, 2], [2], [0, 1, 2, 3], [3, 0]]:
        tokens = [continuation(ids, i)[len(got[i])] for i in group]
        for i, row in zip(group, model.step([sessions[i] for i in group], tokens), strict=True):
            got[i].append(row.tobytes())
    single = sessions[1].eval([continuation(ids, 1)[len(got[1])]])  # and back to one at a time
    got[1].append(single.tobytes())
    assert got == [one[: len(have)] for one, have in zip(expected, got, strict=True)]


def test_more_sessions_than_a_chunk_change_nothing(ids: list[int]) -> None:
    model = flashmoe.Model(MODEL.folder, memory="64MiB", context=160)
    assert model.plan.chunk < 140 <= model.plan.sweep
    starts = [(ids * 5)[i : i + 1 + i % 20] for i in range(140)]
    tokens = [ids[i % 30] for i in range(140)]
    sessions = [model.session() for _ in starts]
    for session, start in zip(sessions, starts, strict=True):
        session.prefill(start)
    whole = model.step(sessions, tokens)
    for start, token, row in zip(starts, tokens, whole, strict=True):
        with model.session() as session:
            session.prefill(start)
            assert np.array_equal(session.eval([token]), row)


def test_a_shared_expert_is_read_once_and_the_counts_add_up(ids: list[int]) -> None:
    spec = flashmoe.open_spec(MODEL.folder)
    plan = flashmoe.plan_memory(spec, memory="1GiB", context=64)
    memory = budget(spec, 4, 64)

    def stats_of(stepped: int) -> list[flashmoe.session.PhaseStats]:
        model = flashmoe.Model(MODEL.folder, memory=memory, context=64)
        sessions = [model.session() for _ in range(4)]
        for token in ids[:12]:  # all say the same, so they choose the same experts
            model.step(sessions[:stepped], [token] * stepped)
        return [session.stats.decode for session in sessions[:stepped]]

    four, one = stats_of(4), stats_of(1)
    expert = plan.experts_total // plan.experts_in_model
    choices = spec.config.layers * spec.config.experts_per_token
    read = sum(s.bytes_read for s in four)
    assert read == sum(s.expert_misses for s in four) * expert
    assert one[0].bytes_read // 2 < read < one[0].bytes_read * 3 // 2
    for s in four + one:
        assert s.tokens == 12
        assert s.expert_hits + s.expert_misses == 12 * choices
        assert 0 <= s.seconds_waiting <= s.seconds


@pytest.mark.parametrize(
    ("which", "tokens", "error", "message"),
    [
        ([], [], flashmoe.UsageError, "no sessions"),
        ([0, 1, 0], [1, 2, 3], flashmoe.UsageError, "0 and 2.*same"),
        ([0, 1], [1], flashmoe.UsageError, "2 sessions, 1 tokens"),
        ([0, 1], [1, 10**6], flashmoe.UsageError, "number 1.*vocabulary"),
        ([0, 1], [1.5, 2], flashmoe.UsageError, "integers"),
        ([0, "full"], [1, 2], flashmoe.ContextFullError, "number 1.*600 of 600"),
        ([0, "other"], [1, 2], flashmoe.UsageError, "number 1.*another model"),
        ([0, "closed"], [1, 2], flashmoe.UsageError, "closed"),
    ],
)
def test_what_cannot_be_stepped_is_refused_and_changes_nothing(
    model: flashmoe.Model, ids: list[int], which: list, tokens: list, error: type, message: str
) -> None:
    sessions = {i: model.session() for i in range(2)}
    for session in sessions.values():
        session.eval(ids[:5])
    special = None
    if "full" in which:
        special = model.session()
        special.prefill((ids * 600)[:600])
    elif "other" in which:
        special = flashmoe.Model(MODEL.folder, **OPTIONS).session()
    elif "closed" in which:
        special = model.session()
        special.close()
    with pytest.raises(error, match=message):
        model.step([special if isinstance(i, str) else sessions[i] for i in which], tokens)
    assert [s.position for s in sessions.values()] == [5, 5]
    assert [s.stats.decode.tokens for s in sessions.values()] == [0, 0]


def test_more_sessions_than_the_activations_hold_are_refused(ids: list[int]) -> None:
    spec = flashmoe.open_spec(MODEL.folder)
    plan = flashmoe.plan_memory(spec, memory="1GiB", context=4)
    model = flashmoe.Model(MODEL.folder, memory="64MiB", context=4)
    assert model.plan.sweep == 4 == plan.sweep
    sessions = [model.session() for _ in range(5)]
    with pytest.raises(flashmoe.UsageError, match=r"at most 4 sessions.*plan\.sweep"):
        model.step(sessions, ids[:5])
    model.step(sessions[:4], ids[:4])


def test_a_failed_read_leaves_every_session_as_it_was(tmp_path: Path, ids: list[int]) -> None:
    folder = tmp_path / "model"
    shutil.copytree(MODEL.folder, folder)
    weights = next(folder.glob("*.safetensors"))
    model = flashmoe.Model(folder, memory=budget(flashmoe.open_spec(folder), 4, 64), context=64)
    sessions = [model.session() for _ in range(3)]
    for i, session in enumerate(sessions):
        session.eval(ids[: 4 + i])
    with sessions[0].fork() as fork:
        expected = fork.eval([ids[7]])
    whole = weights.read_bytes()
    with weights.open("r+b") as file:
        file.truncate(len(whole) // 10)
    for _ in range(2):
        with pytest.raises(flashmoe.ReadError, match=r"model.*\.safetensors.*offset"):
            model.step(sessions, ids[7:10])
        assert [s.position for s in sessions] == [4, 5, 6]
    with weights.open("r+b") as file:
        file.write(whole)
    assert np.array_equal(model.step(sessions, ids[7:10])[0], expected)
    assert [s.position for s in sessions] == [5, 6, 7]


def test_cancelling_one_session_cancels_its_step(ids: list[int]) -> None:
    model = flashmoe.Model(MODEL.folder, memory="256MiB", context=64)
    sessions = [model.session() for _ in range(24)]
    for session in sessions:
        session.eval(ids[:3])
    stop = threading.Event()

    def cancel() -> None:
        while not stop.is_set():
            sessions[17].cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        with pytest.raises(flashmoe.Cancelled):  # noqa: PT012 - a step may end before the cancelling
            for _ in range(40):
                model.step(sessions, ids[:24])
    finally:
        stop.set()
        thread.join()
    positions = {s.position for s in sessions}
    assert len(positions) == 1  # all or nothing
    model.step(sessions, ids[:24])
    assert {s.position for s in sessions} == {positions.pop() + 1}


def test_steps_of_overlapping_sessions_in_threads_take_turns(model: flashmoe.Model, ids: list[int]) -> None:
    sessions = [model.session() for _ in range(4)]
    orders = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3], [2, 0]]

    def run(order: list[int]) -> None:
        for token in ids[:10]:
            model.step([sessions[i] for i in order], [token] * len(order))

    threads = [threading.Thread(target=run, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert [s.position for s in sessions] == [30] * 4


def test_room_counts_the_sessions_that_still_fit(ids: list[int]) -> None:
    plan = flashmoe.plan_memory(flashmoe.open_spec(MODEL.folder), memory="1GiB", context=64)
    session = plan.session_fixed + plan.session_context
    model = flashmoe.Model(MODEL.folder, memory=plan.smallest + 2 * session + session // 2, context=64)
    fits = model.room
    assert fits >= 1
    sessions = []
    while model.room:
        sessions.append(model.session())
        assert model.room == fits - len(sessions)
    with pytest.raises(flashmoe.MemoryBudgetError, match="no room"):
        model.session()
    model.step(sessions, ids[: len(sessions)])
    sessions.pop().close()
    assert model.room == 1


def test_room_does_not_wait_for_a_running_call(model: flashmoe.Model, ids: list[int]) -> None:
    session = model.session()
    seen: list[int] = []
    session.eval((ids * 600)[:600], progress=lambda done, total: seen.append(model.room))
    assert set(seen) <= {model.room}


def test_routing_is_recorded_in_steps_as_in_evals(model: flashmoe.Model, ids: list[int]) -> None:
    sessions = [model.session() for _ in range(3)]
    for session in sessions[:2]:
        session.eval(ids[:4])
        session.record_routing()
    for token in ids[4:9]:
        model.step(sessions, [token, token + 1, token])
    with model.session() as one:
        one.eval(ids[:4])
        one.record_routing()
        for token in ids[4:9]:
            one.eval([token])
        assert one.routing.shape == (5, model.config.layers, model.config.experts_per_token)
        assert np.array_equal(sessions[0].routing, one.routing)
    assert sessions[1].routing.shape == sessions[0].routing.shape
    assert not np.array_equal(sessions[1].routing, sessions[0].routing)
