"""What concurrent clients get from `flashmoe serve`: tokens a second, in total and each, and time to the first.

    python -m bench.server [--model MODEL] [--memory SIZE] [--reader R] [--clients 1 2 4 8] [--tokens 100] [--rounds 10]

Each client asks its own question, streams the answer without letting it end early, and asks the next one, for as many
rounds. Answers are drawn with the seed of their question and compared with those of one client alone; these come first
and are not timed. Bytes are of experts, for each token of prompts and answers. A checkpoint without a tokenizer is
asked to continue random tokens.
"""

from __future__ import annotations

import argparse
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flashmoe
from flashmoe.text.tokenizer import Tokenizer

from .serving import ask, metrics, random_ids, serve, with_tokenizer

QUESTIONS = [
    "What is a Mixture of Experts?", "What is 17 times 23?", "What is the capital of Norway?", "Who are you?",
    "How many metres are 3 miles?", "What day follows Monday?", "Write hello backwards.", "What is a router?",
]  # fmt: skip
PROMPT = 2  # random tokens; more would read most experts before the answer begins


class Asker:
    """Asks a server the i-th question."""

    def __init__(self, model: str, tokens: int) -> None:
        spec = flashmoe.open_spec(model)
        self._bare, self._vocab = spec.tokenizer_file is None, spec.config.vocab
        ends = spec.eos_ids if self._bare else Tokenizer.from_spec(spec).eos_ids
        self._rest = {"max_tokens": tokens, "logit_bias": {str(id): -100 for id in sorted(ends)}, "temperature": 1}
        self.url = ""

    def __call__(self, i: int) -> Any:
        if self._bare:
            body = {"prompt": random_ids(PROMPT, i, self._vocab), "seed": i, **self._rest}
            return ask(self.url, "/v1/completions", body)
        body = {"messages": [{"role": "user", "content": QUESTIONS[i]}], "seed": i, **self._rest}
        return ask(self.url, "/v1/chat/completions", body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="demo")
    parser.add_argument("--memory", default="128MiB")
    parser.add_argument("--reader", default="auto")
    parser.add_argument("--context", default="1024")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()

    asker = Asker(options.model, options.tokens)
    command = ("--memory", options.memory, "--context", options.context, "--reader", options.reader,
               "--parallel", str(max(options.clients)), "--prefix-memory", "0")  # fmt: skip
    with with_tokenizer(options.model) as folder, serve(folder, *command) as (url, _):
        asker.url = url
        alone = [asker(i).text for i in range(len(QUESTIONS))]
        print(f"{options.model}, {options.memory}, {options.tokens} tokens an answer")
        print("clients  tokens/s in total    each  first token, median  MB read a token  hits  same answers")
        for clients in options.clients:
            print(row(asker, clients, options.rounds, alone), flush=True)


def row(asker: Asker, clients: int, rounds: int, alone: list[str]) -> str:
    def work(client: int) -> list[tuple[int, Any]]:
        questions = [(client + turn) % len(QUESTIONS) for turn in range(rounds)]
        return [(question, asker(question)) for question in questions]

    before, start = metrics(asker.url), time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        answers = [answer for part in pool.map(work, range(clients)) for answer in part]
    seconds, after = time.perf_counter() - start, metrics(asker.url)
    written = sum(reply.usage["completion_tokens"] for _, reply in answers)
    tokens = written + sum(reply.usage["prompt_tokens"] for _, reply in answers)
    each = statistics.median((r.usage["completion_tokens"] - 1) / (r.seconds - r.first) for _, r in answers)
    first = 1000 * statistics.median(reply.first for _, reply in answers)
    same = sum(alone[question] == reply.text for question, reply in answers)
    did = {name: after[name] - before[name] for name in after}
    read = did["flashmoe_read_bytes_total"] / tokens / 1e6
    hits, misses = did["flashmoe_expert_hits_total"], did["flashmoe_expert_misses_total"]
    return (
        f"{clients:>7} {written / seconds:>18.1f} {each:>7.1f} {first:>17.0f} ms {read:>16.2f} "
        f"{100 * hits / max(1, hits + misses):>4.0f}%  {same} of {len(answers)}"
    )


if __name__ == "__main__":
    main()
