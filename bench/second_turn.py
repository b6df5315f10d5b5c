"""How long the first token of a second turn takes after a long first one: with its state in memory, on disk after the
server was stopped or killed, and without any.

    python -m bench.second_turn [--model MODEL] [--memory SIZE] [--reader R] [--prompt 4000] [--new 30] [--answer 20]

A checkpoint without a tokenizer is asked to continue random tokens.
"""

from __future__ import annotations

import argparse
import tempfile
from typing import Any

import flashmoe

from .serving import Reply, ask, random_ids, serve, with_tokenizer

TEXT = "The keeper of the light wrote down the wind, the ships that passed and the price of oil. "


class Talk:
    """A conversation of two turns: the second is the first, its answer, and something new."""

    def __init__(self, model: str, prompt: int, new: int, answer: int) -> None:
        spec = flashmoe.open_spec(model)
        self._bare, self._vocab = spec.tokenizer_file is None, spec.config.vocab
        self._new, self._rest = new, {"max_tokens": answer, "temperature": 0}
        if self._bare:
            self._said: Any = random_ids(prompt, 1, self._vocab)
        else:
            from flashmoe.text.tokenizer import Tokenizer

            times = prompt // len(Tokenizer.from_spec(spec).encode(TEXT))
            self._said = [{"role": "user", "content": TEXT * times + "What did the keeper write down?"}]

    def first(self, url: str) -> Reply:
        reply = self._ask(url)
        if self._bare:
            self._said = [*self._said, *map(int, reply.text.split()), *random_ids(self._new, 2, self._vocab)]
        else:
            question = {"role": "user", "content": "And who reads it? " * (self._new // 6)}
            self._said = [*self._said, {"role": "assistant", "content": reply.text}, question]
        return reply

    def second(self, url: str) -> Reply:
        return self._ask(url)

    def _ask(self, url: str) -> Reply:
        if self._bare:
            return ask(url, "/v1/completions", {"prompt": self._said, **self._rest})
        return ask(url, "/v1/chat/completions", {"messages": self._said, **self._rest})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="demo")
    parser.add_argument("--memory", default="256MiB")
    parser.add_argument("--reader", default="auto")
    for name, value in (("prompt", 4000), ("new", 30), ("answer", 20), ("context", 8192)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    talk = Talk(options.model, options.prompt, options.new, options.answer)

    def tell(what: str, reply: Reply) -> None:
        known = reply.usage.get("prompt_tokens_details", {}).get("cached_tokens", 0)
        print(
            f"{what:<44} {1000 * reply.first:>8.0f} ms  {known:>6} of {reply.usage['prompt_tokens']} known", flush=True
        )

    print(f"{options.model}, {options.memory}: time to the first token")
    with with_tokenizer(options.model) as model, tempfile.TemporaryDirectory() as states:
        common = ("--memory", options.memory, "--reader", options.reader, "--context", str(options.context))
        kept = (*common, "--prefix-dir", states)
        with serve(model, *kept) as (url, process):
            tell("first turn", talk.first(url))
            tell("second turn, state in memory", second := talk.second(url))
            process.kill()
        with serve(model, *kept) as (url, _):
            tell("second turn, server killed and started", again := talk.second(url))
            assert again.text == second.text
        with serve(model, *kept) as (url, _):
            tell("second turn, server stopped and started", talk.second(url))
        with serve(model, *common, "--prefix-memory", "0") as (url, _):
            tell("second turn, nothing kept", again := talk.second(url))
            assert again.text == second.text


if __name__ == "__main__":
    main()
