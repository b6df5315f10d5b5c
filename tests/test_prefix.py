"""Kept states: what is reused is what would have been computed, and nothing else is believed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import flashmoe
from flashmoe.chat import Chat, FinishEvent
from flashmoe.generate import Usage
from flashmoe.prefix import PrefixStore

from .fake_model import FakeModel

IDS = [int(i) for i in np.random.default_rng(1).integers(0, 100, 60)]


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> flashmoe.Model:
    return flashmoe.Model(checkpoint, memory="64MiB", context=512)


@pytest.fixture
def store(model: flashmoe.Model, tmp_path: Path) -> Iterator[PrefixStore]:
    with PrefixStore(model, "4MiB", folder=tmp_path) as store:
        yield store


def keep(store: PrefixStore, ids: list[int]) -> None:
    session, reused = store.take(ids)
    with session:
        session.prefill(ids[reused:])
        store.put(session)


def logits(model: flashmoe.Model, ids: list[int]) -> np.ndarray:
    with model.session() as session:
        return session.eval(ids)


def test_reused_states_give_the_same_bits(store: PrefixStore, model: flashmoe.Model) -> None:
    wanted = logits(model, IDS)
    for length in (10, 25, 50):
        keep(store, IDS[:length])
    keep(store, IDS[:20] + [1, 2, 3])
    session, reused = store.take(IDS)
    with session:
        assert (reused, session.tokens) == (50, IDS[:50])
        assert session.eval(IDS[reused:]).tobytes() == wanted.tobytes()
    session, reused = store.take(IDS[:26])
    with session:
        assert reused == 25
        assert session.stats.prefill.tokens == 0
    session, reused = store.take(IDS[:50])  # never the whole prompt: its last logits are wanted
    with session:
        assert reused == 25
    session, reused = store.take([99, *IDS])
    with session:
        assert (reused, session.position) == (0, 0)
    assert (store.stats.hits, store.stats.states) == (6, 4)


def test_states_of_one_timeline_share_their_rows(model: flashmoe.Model) -> None:
    alone, together = PrefixStore(model, "8MiB"), PrefixStore(model, "8MiB")
    sizes = []
    for length in (20, 40, 60):
        with model.session() as session:
            session.prefill(IDS[:length])
            alone.clear()
            alone.put(session)
            sizes.append(alone.stats.bytes)
            together.put(session)
    fixed = 2 * sizes[0] - sizes[1]
    assert together.stats.bytes == pytest.approx(sizes[2] + 2 * fixed, abs=1000)
    assert together.stats.bytes < sum(sizes)


def test_the_longest_unused_goes_first(model: flashmoe.Model) -> None:
    with model.session() as session:
        session.prefill(IDS[:10])
        probe = PrefixStore(model, "8MiB")
        probe.put(session)
        one = probe.stats.bytes
        probe.clear()
    with PrefixStore(model, 3 * one + 100) as store:
        for first in range(4):
            keep(store, [first, *IDS[:9]])
            if first == 2:
                session, reused = store.take([0, *IDS])
                session.close()
                assert reused == 10
        found = []
        for first in range(4):
            session, reused = store.take([first, *IDS])
            session.close()
            found.append(reused)
        assert found == [10, 0, 10, 10]
        assert store.stats.bytes <= store.memory_bytes


def test_memory_comes_out_of_the_models_budget(checkpoint: Path) -> None:
    """States give way to a session, and a state that finds no room is not kept."""
    spec = flashmoe.open_spec(checkpoint)
    least = flashmoe.plan_memory(spec, memory="64MiB", context=512).smallest
    plan = flashmoe.plan_memory(spec, memory="64MiB", context=512)
    one_session = plan.session_fixed + plan.session_context
    model = flashmoe.Model(checkpoint, memory=least + one_session + one_session // 2, context=512)
    with PrefixStore(model, "8MiB") as store:
        for first in range(12):
            keep(store, [first, *IDS])
        assert 0 < store.stats.states < 12
        assert store.stats.bytes <= one_session + one_session // 2
        with model.session():
            session, _ = store.take([5, 6, 7])
            session.close()
    assert store.stats.bytes == 0
    with pytest.raises(flashmoe.MemoryBudgetError):
        model.reserve(store, 1 << 30)
    with model.session() as session:
        roomy = flashmoe.Model(checkpoint, memory="64MiB", context=512)
        assert session.eval(IDS).tobytes() == logits(roomy, IDS).tobytes()


def test_no_memory_keeps_nothing(model: flashmoe.Model, tmp_path: Path) -> None:
    with PrefixStore(model, 0, folder=tmp_path) as store:
        keep(store, IDS)
        session, reused = store.take(IDS)
        session.close()
        assert reused == store.stats.states == store.stats.bytes == store.stats.files == 0
    assert not list(tmp_path.iterdir())
    with pytest.raises(flashmoe.UsageError, match="negative"):
        PrefixStore(model, -1)


def test_states_come_back_from_disk(model: flashmoe.Model, tmp_path: Path) -> None:
    wanted = logits(model, IDS)
    with PrefixStore(model, folder=tmp_path) as store:
        keep(store, IDS[:40])
    again = PrefixStore(model, folder=tmp_path)
    assert (again.stats.states, again.stats.files) == (0, 1)
    session, reused = again.take(IDS)
    with session:
        assert reused == 40
        assert session.eval(IDS[40:]).tobytes() == wanted.tobytes()
    assert again.stats.states == 1, "what was read is kept in memory as well"
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())
    again.clear()


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "text", "foreign", "tokens", "gone"])
def test_damaged_and_foreign_files_are_not_believed(
    model: flashmoe.Model, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = logits(model, IDS)
    with PrefixStore(model, folder=tmp_path) as store:
        keep(store, IDS[:40])
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    listed = PrefixStore(model, folder=tmp_path)
    if damage == "flip":
        data[-100] ^= 1
    elif damage == "tokens":
        at = len(data) - sum(len(run.cast("B")) for run in model.session()._native.state(40)) - 4 * 40
        data[at] ^= 1
    elif damage == "foreign":
        data = data.replace(model.fingerprint.encode(), b"f" * 64)
    else:
        data = {"cut": data[:-7], "empty": bytearray(), "text": bytearray(b"hello\n" * 100)}.get(damage, data)
    path.write_bytes(data)
    if damage == "gone":
        path.unlink()
    for again in (PrefixStore(model, folder=tmp_path), listed):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            session, reused = again.take(IDS)
        with session:
            assert reused == 0
            assert session.eval(IDS).tobytes() == wanted.tobytes()
        again.clear()
    assert ("passed over" in caplog.text) == (damage != "gone")


def test_retrained_weights_are_another_model(checkpoint: Path, tmp_path: Path) -> None:
    import shutil

    other = tmp_path / "other"
    shutil.copytree(checkpoint, other)
    (weights, *_) = sorted(other.glob("*.safetensors"))
    data = bytearray(weights.read_bytes())
    for at in range(len(data) // 2, len(data)):
        data[at] ^= 1
    weights.write_bytes(data)
    one, two = (flashmoe.Model(path, memory="64MiB") for path in (checkpoint, other))
    assert one.fingerprint != two.fingerprint


def test_the_disk_limit_holds(model: flashmoe.Model, tmp_path: Path) -> None:
    with PrefixStore(model, "4MiB", folder=tmp_path) as store:
        keep(store, IDS[:30])
    size = next(tmp_path.iterdir()).stat().st_size
    (tmp_path / "another-model.session").write_bytes(bytes(size))  # counts, and may go
    limit = 3 * size + 100
    with PrefixStore(model, "4MiB", folder=tmp_path, disk_bytes=limit) as store:
        for first in range(5):
            keep(store, [first, *IDS[:29]])
            store.flush()
        files = list(tmp_path.glob("*.session"))
        assert len(files) == 3
        assert sum(path.stat().st_size for path in files) <= limit
        assert store.stats.files == 3
    with PrefixStore(model, "4MiB", folder=tmp_path / "none", disk_bytes=size // 2) as store:
        keep(store, IDS[:30])
    assert not list((tmp_path / "none").glob("*"))


def test_of_one_timeline_the_disk_keeps_three(model: flashmoe.Model, tmp_path: Path) -> None:
    with PrefixStore(model, "4MiB", folder=tmp_path) as store:
        for length in (10, 20, 30, 40, 50):
            keep(store, IDS[:length])
            store.flush()
        keep(store, IDS[:30] + [7, 7])  # the branch keeps what it has gone on from, had it been there
        store.flush()
    again = PrefixStore(model, "4MiB", folder=tmp_path)
    assert again._files is not None
    assert sorted(len(file.tokens) for file in again._files.all()) == [10, 32, 40, 50]


def test_a_folder_that_cannot_be_written_is_a_warning(
    model: flashmoe.Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    with PrefixStore(model, folder=tmp_path / "file") as store:
        keep(store, IDS[:30])
        store.flush()
        session, reused = store.take(IDS)
        session.close()
        assert reused == 30
    assert "cannot be kept" in caplog.text


def test_threads(store: PrefixStore, model: flashmoe.Model) -> None:
    wanted = {first: logits(model, [first, *IDS]).tobytes() for first in range(4)}
    wrong: list[int] = []

    def work(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(6):
            first = int(random.integers(4))
            ids = [first, *IDS]
            session, reused = store.take(ids)
            with session:
                cut = int(random.integers(min(reused + 1, len(ids) - 1), len(ids)))
                if cut > reused:
                    session.prefill(ids[reused:cut])
                store.put(session)
                if session.eval(ids[session.position :]).tobytes() != wanted[first]:
                    wrong.append(first)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert store.stats.hits > 0


def test_points_of_a_long_prompt() -> None:
    from flashmoe.prompt import Prompt

    model = FakeModel([], context=1 << 14)
    store = PrefixStore(model)  # type: ignore[arg-type]
    system = {"role": "system", "content": "You are a helpful assistant. " * 30}
    prompt = Prompt(model, [system, {"role": "user", "content": "Hello there. " * 1000}], thinking=True)  # type: ignore[arg-type]
    points = store.points(prompt, prompt.ids)
    assert points == sorted({prompt.preamble, prompt.history(prompt.ids), *range(1024, len(prompt.ids), 1024)})
    assert store.points(prompt, prompt.ids, len(prompt.ids) - 100) == [prompt.history(prompt.ids)]
    short = Prompt(model, [{"role": "user", "content": "Hello"}])  # type: ignore[arg-type]
    assert store.points(short, short.ids) == []


@pytest.mark.parametrize("cut", [None, 3])
def test_conversations_share_their_preamble_and_go_on_after_a_restart(tmp_path: Path, cut: int | None) -> None:
    def letters(text: str) -> list[int]:
        return [id for letter in text for id in FakeModel().tokenizer.encode(letter)]

    def turn(talk: Chat, text: str) -> Usage:
        (*_, finish) = talk.send(text)
        assert isinstance(finish, FinishEvent)
        return finish.usage

    system = "You are a helpful assistant. " * 20
    model = FakeModel(["thank you", "well, Oslo", "42"], spelling=letters)
    with PrefixStore(model, folder=tmp_path) as store:  # type: ignore[arg-type]
        with Chat(model, system, store=store) as one:  # type: ignore[arg-type]
            first = turn(one, "Hello")
            assert first.cached_tokens == 0
            one.max_tokens = cut
            second = turn(one, "How are you?")
            assert second.cached_tokens >= first.prompt_tokens
        with Chat(model, system, store=store) as two:  # type: ignore[arg-type]
            assert turn(two, "Good morning").cached_tokens > first.prompt_tokens / 2
        assert store.stats.hits == 1
    with PrefixStore(model, folder=tmp_path) as store, Chat(model, store=store) as again:  # type: ignore[arg-type]
        again.messages, again.written = one.messages, one.written
        third = turn(again, "What is the city?")
        assert third.cached_tokens == second.prompt_tokens + second.completion_tokens - 1
        assert again.messages[-1]["content"] == "42"
