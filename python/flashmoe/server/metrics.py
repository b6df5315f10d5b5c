"""Figures for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from .engine import Engine, Ticket

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """A registry of its own, so that several servers in one process do not mix."""

    def __init__(self, engine: Engine) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "flashmoe_requests", "Requests by how they ended", ["outcome"], registry=self._registry
        )
        self._first_token = Histogram(
            "flashmoe_time_to_first_token_seconds",
            "From the request to the first token, with the time in the queue",
            buckets=SECONDS,
            registry=self._registry,
        )
        self._answer = Histogram(
            "flashmoe_answer_seconds", "From the request to the last token", buckets=SECONDS, registry=self._registry
        )
        self._registry.register(_EngineCollector(engine))

    def note(self, ticket: Ticket) -> None:
        """Counts a request that has ended."""
        self._requests.labels(ticket.outcome).inc()
        if ticket.seconds_to_first_token:
            self._first_token.observe(ticket.seconds_to_first_token)
            self._answer.observe(ticket.seconds_to_first_token + ticket.seconds_writing)

    def render(self) -> bytes:
        """The text format, version 0.0.4."""
        return generate_latest(self._registry)


class _EngineCollector(Collector):
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        engine, totals = self._engine, self._engine.totals
        yield _gauge("flashmoe_requests_waiting", "Requests in the queue", engine.waiting)
        yield _gauge("flashmoe_answers_running", "Answers being read or written", engine.running)
        yield _gauge("flashmoe_answers_parallel", "Answers that can be written at the same time", engine.parallel)
        tokens = CounterMetricFamily("flashmoe_tokens", "Tokens by kind", labels=["kind"])
        tokens.add_metric(["prompt"], totals.prompt_tokens)
        tokens.add_metric(["cached"], totals.cached_tokens)
        tokens.add_metric(["completion"], totals.completion_tokens)
        yield tokens
        yield _counter("flashmoe_expert_hits", "Experts that were in memory when asked for", totals.expert_hits)
        yield _counter("flashmoe_expert_misses", "Experts that had to be read", totals.expert_misses)
        yield _counter("flashmoe_read_bytes", "Bytes of experts read", totals.bytes_read)
        seconds = CounterMetricFamily("flashmoe_model_seconds", "Seconds in the model by phase", labels=["phase"])
        seconds.add_metric(["prefill"], totals.seconds_prefill)
        seconds.add_metric(["decode"], totals.seconds_decode)
        yield seconds


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help, value=value)


def _counter(name: str, help: str, value: float) -> Metric:
    return CounterMetricFamily(name, help, value=value)
