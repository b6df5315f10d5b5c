"""/v1/flashmoe/experts: what the expert cache does, as server-sent events, for the page's picture.

The first event, `shape`, says what there is and what is in memory. A `frame` follows whenever something happened:
experts (layer * experts + expert) that were hit, read or given up since the last one, and the counts so far.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from fastapi import APIRouter
from starlette.responses import Response

from . import sse
from .service import Service

INTERVAL = 0.12  # seconds between two looks


def router(service: Service) -> APIRouter:
    routes = APIRouter()

    @routes.get("/v1/flashmoe/experts")
    async def experts() -> Response:
        return sse.EventStream(watch(service), lambda: None)

    return routes


async def watch(service: Service) -> AsyncIterator[str]:
    """Ends when the server stops."""
    model, config = service.model, service.model.config
    asked, reads, resident = model.expert_map()
    shape = {
        "model": service.name,
        "layers": config.layers,
        "experts": config.experts,
        "experts_per_token": model.plan.experts_per_token,
        "slots": model.plan.cache_slots,
        "resident": _where(resident),
    }
    yield sse.event(shape, "shape")
    counts: dict[str, Any] = {}
    while not service.stopping.is_set():
        before, (asked_before, reads_before, resident_before) = counts, (asked, reads, resident)
        asked, reads, resident = model.expert_map()
        counts = _counts(service)
        if counts != before:
            read = reads != reads_before
            changes = {
                "hit": _where((asked != asked_before) & ~read),
                "read": _where(read & resident),
                "evicted": _where(resident_before & ~resident),
            }
            yield sse.event({**changes, **counts}, "frame")
        await asyncio.sleep(INTERVAL)


def _where(mask: Any) -> list[int]:
    return [int(i) for i in np.flatnonzero(mask)]


def _counts(service: Service) -> dict[str, int]:
    engine = service.engine
    return {
        "hits": engine.totals.expert_hits,
        "misses": engine.totals.expert_misses,
        "bytes_read": engine.totals.bytes_read,
        "tokens": engine.totals.completion_tokens,
        "running": engine.running,
        "waiting": engine.waiting,
    }
