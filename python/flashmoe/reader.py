"""Which way experts are read when nobody says: past the system's page cache ("direct") or through it ("buffered")."""

from __future__ import annotations

from .spec import ModelSpec
from .system import AUTO_SPARE, memory_available

DIRECT = "past the system's cache, which has no room for the model beside the budget"
BUFFERED = "the system's cache has room for the whole model beside the budget"
REFUSED = "the file system does not allow reads past the system's cache"


def cache_has_room(spec: ModelSpec, memory: int) -> bool:
    """Whether the page cache can hold all files of the model beside a budget of `memory` bytes. Then it serves at twice
    the disk's rate or more what the expert cache has no room for; else it would only be a second copy of it."""
    return memory_available() >= memory + sum(path.stat().st_size for path in spec.files) + AUTO_SPARE
