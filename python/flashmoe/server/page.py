"""The page at /: static files of this package, under a policy that lets nothing in from elsewhere."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

from .errors import ApiError
from .service import Service

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def router(service: Service) -> APIRouter:
    """Only files that were there at the start can be asked for; no name from a request is looked up on disk."""
    folder = files(__package__) / "page"
    known = {file.name: file.read_bytes() for file in folder.iterdir() if file.name[file.name.rfind(".") :] in TYPES}
    routes = APIRouter(include_in_schema=False)

    def reply(name: str) -> Response:
        if name not in known:
            raise ApiError(404, f"the page has no file {name[:60]!r}")
        return Response(known[name], media_type=TYPES[name[name.rfind(".") :]], headers=HEADERS)

    @routes.head("/")
    @routes.get("/")
    def index() -> Response:
        return reply("index.html")

    @routes.get("/page/{name}")
    def file(name: str) -> Response:
        return reply(name)

    return routes
