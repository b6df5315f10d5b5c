"""The memory plan as people read it: what the budget is spent on, and what a token will read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .system import format_size


@dataclass(frozen=True)
class MemoryPlan:
    """Computed before anything is loaded. Sizes in bytes, the rest in counts; `print(plan)` shows it as a table."""

    budget: int
    dense: int  # weights that stay in memory
    session_fixed: int  # recurrent state of one session
    session_context: int  # keys and values of one session at `context` positions
    scratch: int  # activations, for `sweep` tokens a layer and `chunk` tokens a product
    readers: int  # staging buffers of the reads under way
    cache: int  # of experts: cache_slots * slot
    slot: int  # one expert, with its alignment
    host: int  # second tier of the cache, in memory of the host beside a card's: host_slots * slot; not in the budget
    smallest: int  # the smallest budget that would do
    experts_total: int  # all routed experts as stored
    expert_bytes_per_token: int  # of the routed experts that one decoded token needs, before any cache hit
    dense_bytes_per_token: int  # that one decoded token reads from memory beside its experts
    cache_slots: int
    host_slots: int
    apart: bool  # the budget is of a card with memory of its own; readers are in memory of the host, like `host`
    context: int
    sweep: int
    chunk: int
    threads: int
    read_threads: int
    experts_per_token: int
    kernels: str
    experts_in_model: int = 0

    @property
    def used(self) -> int:
        """All that the model will take with one session."""
        readers = 0 if self.apart else self.readers
        return self.dense + self.session_fixed + self.session_context + self.scratch + readers + self.cache

    @property
    def resident(self) -> bool:
        """Whether every expert fits into the cache, so that each is read from disk once and never again."""
        return self.cache_slots >= self.experts_in_model

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "used": self.used, "resident": self.resident}

    def rows(self) -> list[tuple[str, int, str]]:
        """(what, bytes, remark) for each part of the budget."""
        own = [
            ("dense weights", self.dense, "stay in memory"),
            ("one session", self.session_fixed + self.session_context, f"context of {self.context:,} tokens"),
            ("activations", self.scratch, f"prefill {self.sweep:,} tokens a layer"),
            ("expert cache", self.cache, self._experts(self.cache_slots)),
        ]
        readers = ("read buffers", self.readers, "of reads under way")
        if not self.apart:
            return [*own[:3], readers, own[3]]
        of_host = "in memory of the host"
        return [
            *own,
            ("second tier", self.host, f"{self._experts(self.host_slots)}, {of_host}"),
            (readers[0], readers[1], f"{readers[2]}, {of_host}"),
        ]

    def _experts(self, slots: int) -> str:
        share = 100 * slots / max(1, self.experts_in_model)
        return f"{slots:,} experts, {share:.0f} % of {self.experts_in_model:,}"

    def __str__(self) -> str:
        where = " of the card" if self.apart else ""
        lines = [f"memory plan: {format_size(self.used)} of a budget of {format_size(self.budget)}{where}"]
        lines += [f"  {what:<14} {format_size(size):>10}   {remark}" for what, size, remark in self.rows()]
        lines.append(
            f"a token reads {format_size(self.dense_bytes_per_token + self.expert_bytes_per_token)} of memory"
            + (", every expert stays in memory once read" if self.resident else
               f", and up to {format_size(self.expert_bytes_per_token)} of disk when nothing is cached")
        )  # fmt: skip
        return "\n".join(lines)
