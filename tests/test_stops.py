"""Stop strings over every cut of the text."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from flashmoe.text.stops import StopFilter

from .texts import cuts


def first_stop(text: str, stops: list[str]) -> str | None:
    """What stands before the stop string that is complete first."""
    for end in range(len(text) + 1):
        starts = [end - len(stop) for stop in stops if text[:end].endswith(stop)]
        if starts:
            return text[: min(starts)]
    return None


@given(st.text("abc", max_size=30), st.lists(st.text("abc", min_size=1, max_size=5), max_size=4), st.data())
@settings(max_examples=500)
def test_stop_strings_over_every_split(text: str, stops: list[str], data: st.DataObject) -> None:
    filtered = StopFilter(stops)
    wanted = first_stop(text, stops)
    given_out, seen = "", ""
    for piece in cuts(text, data):
        given_out, seen = given_out + filtered.push(piece), seen + piece
        assert (wanted if wanted is not None else text).startswith(given_out)
        # Nothing is held back but what may yet become a stop string.
        if not filtered.stopped:
            held = seen[len(given_out) :]
            assert not held or any(stop.startswith(held) for stop in stops)
    assert filtered.stopped == (wanted is not None)
    assert given_out + filtered.finish() == (wanted if wanted is not None else text)
