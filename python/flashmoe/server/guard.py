"""What stands before every endpoint: who may call, from where, and how much they may send.

Without a key only this machine can connect, and what remains to be feared is a web page in its browser. It is kept
out in two ways: the Host header must name this machine (so that a name rebound to 127.0.0.1 is of no use), and a
request that says it comes from another origin is refused.
"""

from __future__ import annotations

import asyncio
import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import ApiError, error_response
from .settings import LOCAL_NAMES, Settings

BODY_SECONDS = 30.0  # within which a body must arrive
OPEN_PATHS = ("/health",)  # for those who watch over the server; the page's files are open too


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._key = settings.api_key.encode() if settings.api_key is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # no websockets here
        headers = Headers(scope=scope)
        try:
            self._check_host(headers)
            origin = self._check_origin(scope, headers)
            if origin and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                await self._preflight(origin, headers, send)
                return
            self._check_key(scope["path"], headers)
            body = await self._body(headers, receive)
        except ApiError as error:
            await error_response(error, scope["path"])(scope, receive, send)
            return
        except _Gone:
            return
        given = False

        async def receive_again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(b"x-content-type-options", b"nosniff"), *_cors(origin)]
                message = {**message, "headers": [*message.get("headers", ()), *extra]}
            await send(message)

        await self._app(scope, receive_again, send_with_headers)

    def _check_host(self, headers: Headers) -> None:
        if self._key is not None:
            return
        name = urlsplit(f"//{headers.get('host', '')}").hostname if _is_authority(headers.get("host", "")) else None
        if name not in (*LOCAL_NAMES, self._settings.host):
            raise ApiError(
                403, "the Host header does not name this machine; call it by localhost, or start the server with a key"
            )

    def _check_origin(self, scope: Scope, headers: Headers) -> str | None:
        """The other origin that the request comes from, if that is allowed."""
        origin = headers.get("origin")
        if origin is None or origin == f"{scope.get('scheme', 'http')}://{headers.get('host', '')}":
            return None
        # Behind a proxy that ends TLS the scheme differs, and the host is what counts.
        if self._key is not None and urlsplit(origin).netloc == headers.get("host", ""):
            return None
        if origin in self._settings.origins or "*" in self._settings.origins:
            return origin
        raise ApiError(403, f"web pages of {origin[:100]} may not call this server; --allow-origin lets them")

    def _check_key(self, path: str, headers: Headers) -> None:
        if self._key is None or path in OPEN_PATHS or not path.startswith(("/v1", "/metrics", "/openapi")):
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        if not given:
            raise ApiError(401, "there is no API key; send it as `Authorization: Bearer KEY` or `x-api-key: KEY`")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self._key):
            raise ApiError(401, "the API key is wrong", code="invalid_api_key")

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        most = self._settings.max_body
        too_large = ApiError(413, f"the body is larger than {most:,} bytes")
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > most:
            raise too_large
        parts, size = [], 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Gone
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        raise too_large
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            raise ApiError(408, f"the body did not arrive within {BODY_SECONDS:.0f} s") from None

    async def _preflight(self, origin: str, headers: Headers, send: Send) -> None:
        allowed = [
            *_cors(origin),
            (b"access-control-allow-methods", b"GET, POST, DELETE, OPTIONS"),
            (b"access-control-allow-headers", headers.get("access-control-request-headers", "*").encode("latin-1")),
            (b"access-control-max-age", b"600"),
        ]
        await send({"type": "http.response.start", "status": 204, "headers": allowed})
        await send({"type": "http.response.body", "body": b""})


class _Gone(Exception):
    """The client has hung up."""


def _cors(origin: str | None) -> list[tuple[bytes, bytes]]:
    return [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin")] if origin else []


def _is_authority(host: str) -> bool:
    """Whether urlsplit can be trusted with it."""
    return all(c.isalnum() or c in ".-:[]" for c in host)
