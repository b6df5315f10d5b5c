"""How fast a model runs here, beside what the machine allows: the figures of `flashmoe bench`.

Two limits rule a decoded token: its active weights are read from memory once, and the experts that are not in memory
are read from disk once. Reads and arithmetic overlap, so the larger of the two is the least time that a token can take:

    seconds a token >= max(bytes read from memory / memory rate, bytes read from disk / disk rate)

Both rates are measured in the same run, the memory's on as many threads as compute, the disk's with reads as large as a
part of an expert from the model's own files. The bytes from disk are those that were read, so the bound is that of the
hit rate reached; how good a hit rate the cache could have is another question (`python -m bench`, level "hits").
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, metadata
from typing import TYPE_CHECKING, Any

from .doctor import Disk, measure_disk, measure_memory
from .errors import UsageError
from .session import PhaseStats

if TYPE_CHECKING:
    from .model import Model
    from .session import Session

WARM = 32  # tokens decoded before the clock starts: the first ones find the cache as the prompt left it
Report = Callable[[str, int, int], Any]


@dataclass(frozen=True)
class Phase:
    """One phase as the engine counted it. Rates in tokens per second, sizes in bytes a token."""

    tokens: int
    tokens_per_second: float
    hit_rate: float
    bytes_read_per_token: float
    waiting_share: float  # of the time, spent waiting for reads
    disk_share: float  # of the time, with reads under way
    seconds_by_kind: dict[str, float]  # of one token: waiting, arithmetic by kind (PhaseStats), other
    host_hit_rate: float = 0.0  # with a card: found in its second tier, memory of the host
    bytes_moved_per_token: float = 0.0  # from there to the card

    @classmethod
    def of(cls, before: PhaseStats, after: PhaseStats) -> Phase:
        """What happened in between."""
        tokens = after.tokens - before.tokens
        seconds = after.seconds - before.seconds
        hits = after.expert_hits - before.expert_hits
        spent, earlier = after.seconds_by_kind, before.seconds_by_kind
        from_host = after.expert_host_hits - before.expert_host_hits
        asked = hits + from_host + after.expert_misses - before.expert_misses
        return cls(
            tokens=tokens,
            tokens_per_second=tokens / seconds if seconds > 0 else 0.0,
            hit_rate=hits / max(1, asked),
            bytes_read_per_token=(after.bytes_read - before.bytes_read) / max(1, tokens),
            waiting_share=(after.seconds_waiting - before.seconds_waiting) / seconds if seconds > 0 else 0.0,
            disk_share=(after.seconds_disk - before.seconds_disk) / seconds if seconds > 0 else 0.0,
            seconds_by_kind={kind: (spent[kind] - earlier[kind]) / max(1, tokens) for kind in spent},
            host_hit_rate=from_host / max(1, asked),
            bytes_moved_per_token=(after.bytes_moved - before.bytes_moved) / max(1, tokens),
        )


@dataclass(frozen=True)
class Bound:
    """The least time of a token and what sets it. Rates in bytes or tokens per second; None: no limit that is known."""

    memory_rate: float | None  # None on a GPU, whose memory is not the one that is measured
    disk_rate: float
    memory_tokens_per_second: float | None
    disk_tokens_per_second: float | None  # None when nothing was read
    tokens_per_second: float | None
    limit: str | None  # "memory" or "disk"

    @classmethod
    def of(cls, memory_rate: float | None, memory_bytes: float, disk_rate: float, disk_bytes: float) -> Bound:
        memory = memory_rate / max(1.0, memory_bytes) if memory_rate is not None else None
        disk = disk_rate / disk_bytes if disk_bytes > 0 else None
        limits = {name: rate for name, rate in (("memory", memory), ("disk", disk)) if rate is not None}
        limit = min(limits, key=lambda name: limits[name]) if limits else None
        return cls(memory_rate, disk_rate, memory, disk, limits[limit] if limit else None, limit)


@dataclass(frozen=True)
class BenchReport:
    """What `measure` found. Sizes in bytes."""

    model: str
    backend: str
    kernels: str
    reader: str
    threads: int
    experts_per_token: int
    trained_experts_per_token: int
    budget: int
    experts_cached: float  # share of all experts that the cache can hold
    bytes_per_token: int  # read from memory for one decoded token
    expert_bytes_per_token: int  # of these, routed experts: what is read from disk when none is cached
    load_seconds: float
    prefill: Phase
    decode: Phase
    bound: Bound
    share_of_bound: float | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure(
    open_model: Callable[[], Model], prompt_tokens: int = 512, tokens: int = 64, report: Report | None = None
) -> BenchReport:
    """Measures the machine, then the model: a prompt of so many tokens, then so many decoded one by one.

    open_model: opens it. The memory's rate is measured before and after it runs; the better one counts, since whatever
    else runs only slows a measurement. report(what, done, total) is called now and then, with a
    total of 0 where there is nothing to count.

    Raises UsageError when the prompt and the tokens do not fit into the context, and what opening and `eval` raise.
    """
    if prompt_tokens < 2 or tokens < 1:
        raise UsageError("a benchmark needs a prompt of at least 2 tokens and at least 1 token to decode")
    say: Report = report or (lambda what, done, total: None)
    say("measuring memory", 0, 0)
    rates = [measure_memory()]
    start = time.perf_counter()
    model = open_model()
    load = time.perf_counter() - start
    plan = model.plan
    needed = prompt_tokens + min(WARM, tokens) + tokens
    if needed > plan.context:
        raise UsageError(
            f"a prompt of {prompt_tokens} tokens and {tokens} after it need a context of {needed}, and this one has "
            f"{plan.context}; give fewer tokens or --context {needed}"
        )
    say("measuring the disk", 0, 0)
    disk = _disk(model)
    ids = _tokens(model, needed)
    with model.session() as session:
        prefill, decode = _run(session, ids, prompt_tokens, tokens, say)
    say("measuring memory", 0, 0)
    rates.append(measure_memory())
    memory_rate = max(rate for found in rates for n, rate in found.items() if n <= plan.threads)
    on_cpu = model.backend == "cpu"
    by_depth = disk.direct if model.reader == "direct" and disk.direct else disk.buffered
    memory_bytes = plan.dense_bytes_per_token + plan.expert_bytes_per_token
    bound = Bound.of(memory_rate if on_cpu else None, memory_bytes, max(by_depth.values()), decode.bytes_read_per_token)
    return BenchReport(
        model=str(model.path),
        backend=model.backend,
        kernels=plan.kernels,
        reader=model.reader,
        threads=plan.threads,
        experts_per_token=plan.experts_per_token,
        trained_experts_per_token=model.config.experts_per_token,
        budget=plan.budget,
        experts_cached=min(1.0, plan.cache_slots / max(1, plan.experts_in_model)),
        bytes_per_token=memory_bytes,
        expert_bytes_per_token=plan.expert_bytes_per_token,
        load_seconds=load,
        prefill=prefill,
        decode=decode,
        bound=bound,
        share_of_bound=decode.tokens_per_second / bound.tokens_per_second if bound.tokens_per_second else None,
    )


def _run(session: Session, ids: Sequence[int], prompt: int, tokens: int, say: Report) -> tuple[Phase, Phase]:
    start = session.stats
    session.prefill(ids[:prompt], progress=lambda done, total: say("prefill", done, total))
    for token in ids[prompt : len(ids) - tokens]:
        session.eval([token])
    warm = session.stats
    for i, token in enumerate(ids[len(ids) - tokens :]):
        say("decode", i, tokens)
        session.eval([token])
    after = session.stats
    return Phase.of(start.prefill, warm.prefill), Phase.of(warm.decode, after.decode)


def _disk(model: Model) -> Disk:
    """Reads of an expert's size from the largest file, which is mostly experts."""
    path = max(model.spec.files, key=lambda path: path.stat().st_size)
    expert = model.plan.expert_bytes_per_token // max(1, model.config.layers * model.plan.experts_per_token)
    # An expert is at least three pieces on disk: gate, up and down.
    return measure_disk(path, 0.5, max(4096, expert // 3))


def _tokens(model: Model, n: int) -> list[int]:
    """Text for the model to read: the description of this package, over and over. Without a tokenizer, random ids.

    The text goes on while tokens are decoded, so that routing is that of real text and the same in every run."""
    if model.spec.tokenizer_file is None:
        import random

        draw = random.Random(1)
        return [draw.randrange(model.config.vocab) for _ in range(n)]
    try:
        text = str(metadata("flashmoe").json.get("description", ""))
    except PackageNotFoundError:
        text = ""
    ids = model.tokenizer.encode(text or str(__doc__))
    return (ids * (n // len(ids) + 1))[:n]
