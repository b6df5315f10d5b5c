"""Stop strings in a stream of text, wherever the stream is cut."""

from __future__ import annotations

from collections.abc import Sequence


class StopFilter:
    """Passes text on until a stop string begins. Text that may still become one is held back.

    >>> stops = StopFilter(["\\nUser:"])
    >>> stops.push("Hello"), stops.push("\\nUs"), stops.push("er: hi"), stops.stopped
    ('Hello', '', '', True)
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._longest = max(map(len, self._stops), default=0)
        self._held = ""
        self.found: str | None = None  # the stop string, once it came

    @property
    def stopped(self) -> bool:
        return self.found is not None

    def push(self, text: str) -> str:
        """The text that is certain to stand before any stop string. Nothing more comes once `stopped` is
        set."""
        if self.stopped:
            return ""
        if not self._stops:
            return text
        held = self._held + text
        # The string that is complete first wins, so that the answer does not depend on how the text was cut.
        found = [(start + len(stop), start, stop) for stop in self._stops if (start := held.find(stop)) >= 0]
        if found:
            _, start, self.found = min(found)
            self._held = ""
            return held[:start]
        safe = len(held) - self._pending(held)
        self._held = held[safe:]
        return held[:safe]

    def finish(self) -> str:
        """What was held back, when the stream has ended without a stop string."""
        held, self._held = self._held, ""
        return held

    def _pending(self, text: str) -> int:
        """Length of the longest end of the text that begins a stop string."""
        for length in range(min(self._longest - 1, len(text)), 0, -1):
            end = text[-length:]
            if any(stop.startswith(end) for stop in self._stops):
                return length
        return 0
