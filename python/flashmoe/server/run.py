"""Runs the application on uvicorn, and ends it in order: what runs may finish within the time of grace."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import UsageError
from .service import Service
from .settings import Settings

HEADER_SECONDS = 20.0  # within which the head of a request must arrive
MOST_CONNECTIONS = 512
SWITCH_SECONDS = (
    0.0005  # the engine comes back from a step ten times a second to a thousand, and must not wait for Python
)


class Protocol(H11Protocol):
    """HTTP, with a limit to the time in which a connection may say nothing useful."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._deadline = asyncio.get_running_loop().call_later(HEADER_SECONDS, self._late)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._deadline.cancel()
        elif self._deadline.cancelled():
            self._deadline = asyncio.get_running_loop().call_later(HEADER_SECONDS, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        super().connection_lost(exc)

    def _late(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


class Server(uvicorn.Server):
    """on_start: called when the server listens."""

    def __init__(self, config: uvicorn.Config, service: Service, on_start: Callable[[int], object]) -> None:
        super().__init__(config)
        self._service, self._on_start = service, on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            self._on_start(sockets[0].getsockname()[1])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        service = self._service
        service.stop()
        timer = asyncio.get_running_loop().call_later(service.settings.grace, service.engine.cancel_all)
        try:
            await super().shutdown(sockets)
        finally:
            timer.cancel()
            self._captured_signals.clear()  # they have been obeyed; uvicorn would raise them again


def serve(app: FastAPI, settings: Settings, sock: socket.socket, on_start: Callable[[int], object]) -> None:
    """Serves until SIGINT or SIGTERM. on_start is called with the port, once it listens."""
    service: Service = app.state.service
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        Server(configuration(app, settings), service, on_start).run(sockets=[sock])
    finally:
        service.engine.close()


def configuration(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        h11_max_incomplete_event_size=64 << 10,
        timeout_graceful_shutdown=int(settings.grace) + 5,
    )


def listen(settings: Settings) -> socket.socket:
    """The socket, bound before a model is loaded for it. Raises UsageError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((settings.host, settings.port))
    except OSError as error:
        sock.close()
        raise UsageError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror or error}; choose another --port"
        ) from None
    return sock
