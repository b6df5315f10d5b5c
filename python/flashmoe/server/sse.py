"""Answers to clients that may go: server-sent events, and waiting for a whole answer.

In both the request is cancelled as soon as its client has hung up. While nothing comes, as in a long prefill, a
comment is sent now and then, so that neither client nor proxy takes the connection for dead.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from fastapi import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

KEEP_ALIVE_SECONDS = 5.0
STALL_SECONDS = 60.0  # after which a client that does not read is given up
KEEP_ALIVE = ": keep-alive\n\n"

T = TypeVar("T")


def event(data: Any, name: str | None = None) -> str:
    """One server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name}\ndata: {text}\n\n" if name else f"data: {text}\n\n"


class EventStream(Response):
    """Sends the events that `body` yields. on_end is called when it ends, however that comes."""

    media_type = "text/event-stream"

    def __init__(self, body: AsyncIterator[str], on_end: Callable[[], object], keep_alive: str = KEEP_ALIVE) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events, self._on_end, self._keep_alive = body, on_end, keep_alive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sender = asyncio.ensure_future(self._send(send))
        watcher = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait((sender, watcher), return_when=asyncio.FIRST_COMPLETED)
        finally:
            watcher.cancel()
            sender.cancel()
            self._on_end()
        with suppress(asyncio.CancelledError):
            await sender

    async def _send(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        sent = loop.time()

        async def stay_alive() -> None:
            while True:
                await asyncio.sleep(sent + KEEP_ALIVE_SECONDS - loop.time())
                if loop.time() - sent >= KEEP_ALIVE_SECONDS:
                    await write(self._keep_alive)

        async def write(text: str) -> None:
            nonlocal sent
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
            sent = loop.time()

        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        alive = asyncio.ensure_future(stay_alive())
        try:
            async with asyncio.timeout(None) as patience:
                async for text in self._events:
                    patience.reschedule(loop.time() + STALL_SECONDS)
                    await write(text)
                    patience.reschedule(None)
            alive.cancel()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            pass  # on_end cancels the request; the server closes the connection
        finally:
            alive.cancel()


async def whole(request: Request, on_end: Callable[[], object], answer: Awaitable[T]) -> T | Response:
    """The answer, unless the client goes first. on_end is called when it ends, however that comes."""
    task = asyncio.ensure_future(answer)
    watcher = asyncio.ensure_future(_gone(request.receive))
    try:
        await asyncio.wait((task, watcher), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        return Response(status_code=499)  # nobody reads it; the log does
    finally:
        watcher.cancel()
        task.add_done_callback(lambda task: task.cancelled() or task.exception())  # nobody is left to be told
        task.cancel()
        on_end()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
