"""Tools of MCP servers, through the official `mcp` package (`pip install flashmoe[mcp]`).

The package is asynchronous; each server gets a thread with an event loop of its own, and calls wait for it.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import AbstractContextManager
from typing import Any

from ..errors import FlashMoeError, UsageError
from .toolbox import Tool

SECONDS = 60.0  # for a call
SECONDS_TO_START = 30.0


class McpServer(AbstractContextManager["McpServer"]):
    """A server that is started as a program and spoken to over its stdin and stdout.

        with McpServer("uvx mcp-server-time") as server:
            box = Toolbox(server.tools)

    tools: those that it offers; a person is asked before they run, unless the server calls them read-only.
    Raises UsageError when the `mcp` package is missing, FlashMoeError when the server does not start.
    """

    def __init__(self, command: str) -> None:
        try:
            import mcp  # noqa: F401
        except ImportError:
            raise UsageError("MCP servers need the mcp package; install it with: pip install 'flashmoe[mcp]'") from None
        self._command = command
        words = shlex.split(command)
        if not words:
            raise UsageError("an MCP server is a command, such as 'uvx mcp-server-time'")
        self._session: Any = None
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._started: Future[list[Tool]] = Future()
        self._thread = threading.Thread(target=self._run, args=(words,), name="flashmoe-mcp", daemon=True)
        self._thread.start()
        try:
            self.tools = self._started.result(SECONDS_TO_START)
        except FutureTimeoutError:
            self.close()
            raise FlashMoeError(f"the MCP server {command!r} did not answer within {SECONDS_TO_START:g} s") from None
        except Exception as error:
            raise FlashMoeError(f"the MCP server {command!r} does not start: {_reason(error)}") from None

    def close(self) -> None:
        """Ends the server."""
        if self._loop.is_running():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def __exit__(self, *args: object) -> None:
        self.close()

    def _run(self, words: list[str]) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve(words))
        except BaseException as error:
            if not self._started.done():
                self._started.set_exception(error)
        finally:
            self._loop.close()

    async def _serve(self, words: list[str]) -> None:
        from mcp import ClientSession, StdioServerParameters, stdio_client

        parameters = StdioServerParameters(command=words[0], args=words[1:], env=dict(os.environ))
        # What a server writes to stderr is for its developer; in a terminal it would cross the answer.
        with open(os.devnull, "w") as quiet:
            log = quiet if sys.stderr.isatty() else sys.stderr
            async with stdio_client(parameters, errlog=log) as (read, write), ClientSession(read, write) as session:
                await session.initialize()
                self._session = session
                offered = (await session.list_tools()).tools
                self._started.set_result([self._tool(one.model_dump(by_alias=True)) for one in offered])
                await self._stop.wait()

    def _tool(self, offered: Mapping[str, Any]) -> Tool:
        name = str(offered["name"])
        function = {
            "name": name,
            "description": offered.get("description") or "",
            "parameters": offered.get("inputSchema") or {"type": "object", "properties": {}},
        }
        hints = offered.get("annotations") or {}
        run: Callable[[Mapping[str, Any]], Any] = lambda arguments: self._call(name, arguments)  # noqa: E731
        schema = {"type": "function", "function": function}
        return Tool(name, schema, run, ask=not hints.get("readOnlyHint"))

    def _call(self, name: str, arguments: Mapping[str, Any]) -> str:
        if self._loop.is_closed():
            raise FlashMoeError(f"the MCP server {self._command!r} has ended")
        asked = asyncio.run_coroutine_threadsafe(self._session.call_tool(name, dict(arguments)), self._loop)
        try:
            result = asked.result(SECONDS).model_dump(by_alias=True)
        except FutureTimeoutError:
            asked.cancel()
            raise FlashMoeError(f"{name} did not answer within {SECONDS:g} s") from None
        parts = [part.get("text") or f"({part.get('type')})" for part in result.get("content") or ()]
        text = "\n".join(map(str, parts)) or "(no output)"
        return f"Error: {text}" if result.get("isError") else text


def _reason(error: BaseException) -> str:
    """The first cause in a group of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
