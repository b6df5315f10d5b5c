"""A server in this process, for tests: a real socket, real uvicorn, the demo model or a fake one."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx2 as httpx

from flashmoe import Model
from flashmoe.server.app import create_app
from flashmoe.server.run import Server, configuration, listen
from flashmoe.server.service import Service
from flashmoe.server.settings import Settings

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Name of the city"}},
    "required": ["city"],
}


@cache
def demo() -> Model:
    return Model("demo", memory="64MiB")


@dataclass
class Running:
    url: str
    service: Service
    client: httpx.Client

    def post(self, path: str, body: Any, **options: Any) -> httpx.Response:
        return self.client.post(path, json=body, **options)

    def chat(self, text: str, **options: Any) -> dict[str, Any]:
        """The first choice of an answer."""
        options = {"temperature": 0, **options}
        response = self.post("/v1/chat/completions", {"messages": [{"role": "user", "content": text}], **options})
        assert response.status_code == 200, response.text
        return response.json()["choices"][0]


@contextmanager
def running(model: Any = None, **options: Any) -> Iterator[Running]:
    settings = Settings(port=0, grace=2.0, **options)
    app = create_app(model or demo(), settings)
    service = app.state.service
    listening = threading.Event()
    with listen(settings) as sock:
        port = sock.getsockname()[1]
        server = Server(configuration(app, settings), service, lambda port: listening.set())
        thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[socket.socket(fileno=sock.detach())]))
        )
        thread.start()
        assert listening.wait(20)
        url = f"http://127.0.0.1:{port}"
        headers = {"Authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
        try:
            with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
                yield Running(url, service, client)
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()
            service.engine.close()
