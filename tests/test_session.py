"""Sessions: forks, files, threads, cancelling, and what is left after a call that failed."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import flashmoe

from .fixtures import fixture

MODEL = fixture("mlx-4bit-g64")


@pytest.fixture
def ids() -> list[int]:
    return np.load(MODEL.reference)["ids"].tolist()


@pytest.fixture
def model() -> flashmoe.Model:
    return flashmoe.Model(MODEL.folder, memory="64MiB", context=64)


def test_a_fork_goes_on_apart_from_its_origin(model: flashmoe.Model, ids: list[int]) -> None:
    a = model.session()
    a.eval(ids[:20])
    b = a.fork()
    assert b.tokens == a.tokens == ids[:20]
    straight = a.eval(ids[20:30])
    b.eval([1, 2, 3])
    c = model.session()
    c.eval(ids[:20])
    assert np.array_equal(c.eval(ids[20:30]), straight)
    assert a.position == 30
    assert b.position == 23


def test_a_saved_session_goes_on_where_it_was(model: flashmoe.Model, ids: list[int], tmp_path: Path) -> None:
    a = model.session()
    a.eval(ids[:20])
    a.save(tmp_path / "deep" / "s.bin")
    b = model.load_session(tmp_path / "deep" / "s.bin")
    assert b.tokens == ids[:20]
    assert np.array_equal(b.eval(ids[20:]), a.eval(ids[20:]))
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["s.bin"]


def test_recorded_routing_is_of_the_tokens_however_they_came(model: flashmoe.Model, ids: list[int]) -> None:
    c = model.config
    a, b = model.session(), model.session()
    assert a.routing.size == 0
    a.eval(ids[:3])
    a.record_routing()
    b.record_routing()
    b.eval(ids[:20])
    with pytest.raises(flashmoe.Cancelled):
        a.eval(ids[3:20], progress=lambda done, total: True)
    for token in ids[a.position : 20]:
        a.eval([token])
    assert b.routing.shape == (20, c.layers, c.experts_per_token)
    assert np.array_equal(a.routing, b.routing[3:])
    assert (np.diff(b.routing) > 0).all()


def test_an_empty_session_can_be_saved(model: flashmoe.Model, ids: list[int], tmp_path: Path) -> None:
    model.session().save(tmp_path / "empty")
    assert np.array_equal(model.load_session(tmp_path / "empty").eval(ids), model.session().eval(ids))


@pytest.mark.parametrize("at", [0, 9, 40, 300, -1])
def test_a_damaged_session_file_is_refused(model: flashmoe.Model, ids: list[int], tmp_path: Path, at: int) -> None:
    session = model.session()
    session.eval(ids[:20])
    path = tmp_path / "s.bin"
    session.save(path)
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(flashmoe.SessionFileError, match="s.bin"):
        model.load_session(path)


def test_a_truncated_or_foreign_session_file_is_refused(
    model: flashmoe.Model, ids: list[int], tmp_path: Path
) -> None:
    session = model.session()
    session.eval(ids[:20])
    path = tmp_path / "s.bin"
    session.save(path)
    data = path.read_bytes()
    for length in (0, 10, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(flashmoe.SessionFileError, match="s.bin"):
            model.load_session(path)
    path.write_bytes(data)
    other = flashmoe.Model(fixture("mlx-2bit-g32").folder, memory="64MiB", context=64)
    with pytest.raises(flashmoe.SessionFileError, match="another model"):
        other.load_session(path)
    shorter = flashmoe.Model(MODEL.folder, memory="64MiB", context=10)
    with pytest.raises(flashmoe.SessionFileError, match="context"):
        shorter.load_session(path)
    with pytest.raises(flashmoe.SessionFileError, match="nowhere"):
        model.load_session(tmp_path / "nowhere")


def test_a_failed_save_leaves_no_file(
    model: flashmoe.Model, ids: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = model.session()
    session.eval(ids[:5])
    path = tmp_path / "s.bin"
    session.save(path)
    before = path.read_bytes()
    session.eval(ids[5:9])

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        session.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["s.bin"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([], "no tokens"),
        ([-1], "vocabulary"),
        ([10**6], "vocabulary"),
        ([2**40], "32 bits"),
        ([1.5], "integers"),
        ([[1, 2]], "integers"),
        ("text", "integers"),
    ],
)
def test_ids_that_are_none_are_refused(model: flashmoe.Model, bad: object, message: str) -> None:
    session = model.session()
    with pytest.raises(flashmoe.UsageError, match=message):
        session.eval(bad)  # type: ignore[arg-type]
    assert session.position == 0


def test_a_full_context_is_refused_and_the_session_goes_on(ids: list[int]) -> None:
    model = flashmoe.Model(MODEL.folder, memory="64MiB", context=24)
    session = model.session()
    session.eval(ids[:20])
    with pytest.raises(flashmoe.ContextFullError, match="20 of 24"):
        session.eval(ids[20:25])
    assert session.position == 20
    session.eval(ids[20:24])
    assert session.position == 24


def test_a_closed_session_says_so(model: flashmoe.Model) -> None:
    with model.session() as session:
        session.eval([1])
    with pytest.raises(flashmoe.UsageError, match="closed"):
        session.eval([1])
    session.close()
    session.cancel()


def test_progress_reports_and_can_cancel(ids: list[int]) -> None:
    model = flashmoe.Model(MODEL.folder, memory="64MiB", context=4000, threads=1)
    session = model.session()
    session.eval(ids[:7])
    long = (ids * 100)[:3900]
    seen: list[tuple[int, int]] = []

    def stop_later(done: int, total: int) -> bool:
        seen.append((done, total))
        return len(seen) > 1

    with pytest.raises(flashmoe.Cancelled):
        session.eval(long, progress=stop_later)
    assert all(0 <= done <= total == len(long) for done, total in seen)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    reached = session.position
    assert session.tokens == (ids[:7] + long)[:reached]
    fresh = model.session()
    fresh.prefill((ids[:7] + long)[:reached])
    assert np.array_equal(session.eval([3]), fresh.eval([3]))


def test_an_exception_of_progress_comes_out_and_the_session_goes_on(ids: list[int]) -> None:
    model = flashmoe.Model(MODEL.folder, memory="64MiB", context=4000)
    session = model.session()

    def broken(done: int, total: int) -> None:
        raise RuntimeError("display gone")

    with pytest.raises(RuntimeError, match="display gone"):
        session.eval((ids * 100)[:3900], progress=broken)
    position = session.position
    session.eval(ids[:5])
    assert session.position == position + 5


def test_a_progress_callback_that_uses_the_model_is_told_so(ids: list[int]) -> None:
    """It runs in the middle of a call, which it would wait for."""
    model = flashmoe.Model(MODEL.folder, memory="64MiB", context=4000)
    session, other = model.session(), model.session()
    uses = [
        lambda: other.eval([1]), lambda: session.eval([1]), lambda: model.step([other], [1]), model.session,
        session.fork, lambda: model.reserve(model, 1), lambda: next(model.generate([1])),
    ]  # fmt: skip
    seen = []

    def progress(done: int, total: int) -> None:
        for use in uses:
            with pytest.raises(flashmoe.UsageError, match="progress callback"):
                use()
        seen.append(other.position)

    session.eval((ids * 100)[:3000], progress=progress)
    assert seen and session.position == 3000
    assert other.eval([1]).shape and other.position == 1


def test_a_session_closed_from_a_progress_callback_does_not_deadlock(ids: list[int]) -> None:
    model = flashmoe.Model(MODEL.folder, memory="64MiB", context=4000)
    other = model.session()
    other.eval(ids[:3])
    session = model.session()
    session.eval((ids * 100)[:3000], progress=lambda done, total: other.close())
    with model.session() as again:
        again.eval(ids)


def test_cancel_from_another_thread(ids: list[int]) -> None:
    model = flashmoe.Model(MODEL.folder, memory="64MiB", context=4096)
    session = model.session()
    timer = threading.Timer(0.05, session.cancel)
    timer.start()
    start = time.monotonic()
    with pytest.raises(flashmoe.Cancelled):
        session.eval((ids * 110)[:4096])
    assert time.monotonic() - start < 20
    timer.join()


def test_two_sessions_in_two_threads_do_not_disturb_each_other(ids: list[int]) -> None:
    spec = flashmoe.open_spec(MODEL.folder)
    smallest = flashmoe.plan_memory(spec, memory="1GiB", context=64).smallest
    model = flashmoe.Model(MODEL.folder, memory=2 * smallest, context=64)
    prompts = [ids, ids[::-1], ids[1:] + ids[:1]]
    alone = []
    for prompt in prompts:
        with model.session() as session:
            alone.append([session.eval([token]).tobytes() for token in prompt])
    together: dict[int, list[bytes]] = {}

    def run(i: int) -> None:
        with model.session() as session:
            together[i] = [session.eval([token]).tobytes() for token in prompts[i]]

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(prompts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[i] for i in range(len(prompts))] == alone


def test_the_gil_is_free_while_the_engine_works(ids: list[int]) -> None:
    model = flashmoe.Model(MODEL.folder, memory="64MiB", context=4096)
    session = model.session()
    ticks = 0
    done = threading.Event()

    def work() -> None:
        session.eval((ids * 110)[:4096])
        done.set()

    thread = threading.Thread(target=work)
    start = time.monotonic()
    thread.start()
    while not done.is_set():
        ticks += 1
        time.sleep(0.002)
    elapsed = time.monotonic() - start
    thread.join()
    assert ticks > elapsed / 0.002 / 20  # a held GIL would allow one or two


def test_a_file_that_is_cut_while_in_use_is_an_error_of_that_call_only(tmp_path: Path, ids: list[int]) -> None:
    folder = tmp_path / "model"
    shutil.copytree(MODEL.folder, folder)
    weights = next(folder.glob("*.safetensors"))
    spec = flashmoe.open_spec(folder)
    smallest = flashmoe.plan_memory(spec, memory="1GiB", context=64).smallest
    for reader in ("auto", "buffered"):
        model = flashmoe.Model(folder, memory=smallest + 100_000, context=64, reader=reader)
        session = model.session()
        session.eval(ids[:10])
        expected = session.fork().eval(ids[10:20])
        whole = weights.read_bytes()
        with weights.open("r+b") as file:
            file.truncate(len(whole) // 10)
        for call in (ids[10:20], ids[10:11]):
            with pytest.raises(flashmoe.ReadError, match=r"model.*\.safetensors.*offset"):
                session.eval(call)
            assert session.position == 10
        with weights.open("r+b") as file:  # in place: the engine holds the file open
            file.write(whole)
        assert np.array_equal(session.eval(ids[10:20]), expected)
        session.close()


def test_stats_count_tokens_experts_and_bytes(ids: list[int]) -> None:
    model = flashmoe.Model(MODEL.folder, memory="64MiB", context=64)
    session = model.session()
    session.eval(ids[:30])
    for token in ids[30:]:
        session.eval([token])
    stats = session.stats
    assert stats.prefill.tokens == 30
    assert stats.decode.tokens == len(ids) - 30
    config = model.config
    assert stats.decode.expert_hits + stats.decode.expert_misses == (
        stats.decode.tokens * config.layers * config.experts_per_token
    )
    # Everything fits into the cache, so no expert was read twice; some came ahead of the request, as hits.
    read = stats.prefill.bytes_read + stats.decode.bytes_read
    misses = stats.prefill.expert_misses + stats.decode.expert_misses
    one = model.plan.experts_total // (config.layers * config.experts)
    assert misses * one <= read <= model.plan.experts_total
    assert read % one == 0
    for phase in (stats.prefill, stats.decode):
        assert 0 <= phase.seconds_waiting <= phase.seconds
        assert 0 <= phase.seconds_disk <= phase.seconds
        assert sum(phase.seconds_by_kind.values()) == pytest.approx(phase.seconds)
        assert min(phase.seconds_by_kind.values()) >= 0
    assert set(stats.as_dict()) == {"prefill", "decode"}


def test_a_prompt_reads_each_expert_at_most_once_in_any_cache(ids: list[int]) -> None:
    spec = flashmoe.open_spec(MODEL.folder)
    for extra in (0, 50_000, 10**7):
        plan = flashmoe.plan_memory(spec, memory="1GiB", context=64)
        model = flashmoe.Model(MODEL.folder, memory=plan.smallest + extra, context=64)
        if model.plan.sweep < len(ids):
            continue
        session = model.session()
        session.eval(ids)
        assert session.stats.prefill.bytes_read <= model.plan.experts_total


def test_the_expert_map() -> None:
    model = flashmoe.Model("demo", memory="64MiB")
    asked, reads, resident = model.expert_map()
    assert asked.shape == (model.config.layers, model.config.experts) and not (asked.any() or resident.any())
    with model.session() as session:
        session.eval([1, 2, 3])
        asked, reads, resident = model.expert_map()
        stats = session.stats.prefill
        assert asked.sum() == stats.expert_hits + stats.expert_misses
        assert (resident == (reads > 0)).all() and resident[asked > 0].all()
