"""What a server allows: where it listens, who may ask, how much at once.

Nothing that a request says can widen these.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Settings:
    """Times in seconds, sizes in bytes.

    api_key: what clients must show; None only where no other machine can connect.
    parallel: answers that are written at the same time; None for as many as the memory plan holds, at most 8.
    max_queue: requests that wait beyond those; the next one is told to come back later.
    max_wait: longest time in the queue. max_seconds: longest time of an answer, which then ends as if it had
        reached its length. grace: time that running answers have to end when the server stops.
    origins: web origins other than the server's own that may call it from a browser.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    api_key: str | None = None
    parallel: int | None = None
    max_queue: int = 64
    max_body: int = 16 << 20
    max_wait: float = 600.0
    max_seconds: float = 3600.0
    grace: float = 10.0
    prefix_dir: Path | None = None
    prefix_memory: int | None = None
    prefix_disk: int = 4 << 30
    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.api_key is not None and len(self.api_key) < 8:
            raise UsageError("the API key is shorter than 8 characters; `openssl rand -hex 24` makes a good one")
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise UsageError("the API key has characters that HTTP headers cannot carry; take letters and digits")
        if self.api_key is None and not self.local:
            raise UsageError(
                f"listening on {self.host} lets other machines in, which needs a key: set FLASHMOE_API_KEY or "
                "--api-key, or listen on 127.0.0.1"
            )
        if not 0 <= self.port < 65536:
            raise UsageError(f"the port should be from 0 to 65535, not {self.port}")
        for name in ("parallel", "max_queue", "max_body"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} should be at least 1, not {value}")

    @property
    def local(self) -> bool:
        """Whether only this machine can connect."""
        if self.host in LOCAL_NAMES:
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
