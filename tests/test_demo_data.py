"""The demo model's generator: tools of the written test set stay unseen, and kept-back entries never train."""

import random
import sys
from pathlib import Path

import pytest

for needed in ("english_words", "faker", "wonderwords", "tokenizers"):
    pytest.importorskip(needed)
sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
schemas = pytest.importorskip("demo_model.data.schemas")
from demo_model.checks import score  # noqa: E402
from demo_model.data import wide  # noqa: E402
from demo_model.data.common import kept_back  # noqa: E402
from demo_model.data.mixture import Mixture  # noqa: E402


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_no_conversation_offers_a_tool_of_the_written_test_set(split: str) -> None:
    assert len(schemas.NEVER) == 41
    mixture = Mixture(3, split, shares={"tools": 1.0})
    names = {tool["function"]["name"] for _ in range(600) for tool in mixture.one().tools}
    assert len(names) > 300
    assert not [name for name in names if schemas.words_of(name) in schemas.NEVER]


def test_words_from_outside_are_never_kept_back_ones() -> None:
    rng = random.Random(1)
    for make in (wide.english, wide.letters, wide.word, wide.first, wide.last):
        made = [make(rng) for _ in range(400)]
        assert len(set(made)) > 300
        assert not [word for word in made if kept_back(word)]


def test_a_disguised_call_still_fits_its_schema() -> None:
    mixture = Mixture(5, shares={"tools": 1.0})
    calls = 0
    for _ in range(400):
        made = mixture.one()
        for message in made.messages:
            for call in message.get("tool_calls", ()):
                function = call["function"]
                text = f"<tool_call>\n<function={function['name']}>\n" + "".join(
                    f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in function["arguments"].items()
                )
                assert not score({"kind": "tool", "calls": []}, text + "</function>\n</tool_call>", made.tools)
                tool = next(t["function"] for t in made.tools if t["function"]["name"] == function["name"])
                assert set(function["arguments"]) <= set(tool["parameters"]["properties"])
                calls += 1
    assert calls > 200
