"""What concurrent clients get from `flashmoe serve`: tokens a second, in total and each, and time to the first.

    python bench/server.py [--model MODEL] [--memory SIZE] [--clients 1 2 4 8] [--tokens 100]

Each client asks its own question, streams the answer at temperature 0 without letting it end early, and asks again for
`--rounds` rounds. The first round of all is not counted. Answers are compared with those of one client alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

QUESTIONS = [
    "What is a Mixture of Experts?", "What is 17 times 23?", "What is the capital of Norway?", "Who are you?",
    "How many metres are 3 miles?", "What day follows Monday?", "Write hello backwards.", "What is a router?",
]  # fmt: skip


def ask(url: str, question: str, tokens: int, ends: list[int]) -> tuple[str, float, float]:
    """(answer, seconds to the first token, seconds)"""
    body = {
        "messages": [{"role": "user", "content": question}],
        "temperature": 0, "max_tokens": tokens, "stream": True, "logit_bias": {str(id): -100 for id in ends},
    }  # fmt: skip
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/v1/chat/completions", data, {"Content-Type": "application/json"})
    start, first, text = time.perf_counter(), 0.0, ""
    with urllib.request.urlopen(request) as response:
        for line in response:
            if line.startswith(b"data: {"):
                delta = json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
                first = first or (time.perf_counter() - start if delta else 0.0)
                text += delta
    return text, first, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="demo")
    parser.add_argument("--memory", default="128MiB")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    import flashmoe

    spec = flashmoe.open_spec(options.model)
    from flashmoe.text.tokenizer import Tokenizer

    ends = sorted(Tokenizer.from_spec(spec).eos_ids)
    command = [sys.executable, "-m", "flashmoe", "serve", "--port", "0", "--model", options.model,
               "--memory", options.memory, "--parallel", str(max(options.clients)),
               "--prefix-memory", "1"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            sys.exit("the server did not start; its reason is above")
        url = line.split()[-1]
        alone = {question: ask(url, question, options.tokens, ends)[0] for question in QUESTIONS}
        print(f"{options.model}, {options.memory}, {options.tokens} tokens an answer")
        print("clients  tokens/s in total  each  first token, median  same answers")
        for clients in options.clients:
            print(row(url, clients, options, ends, alone), flush=True)
    finally:
        process.terminate()
        process.wait()


def row(url: str, clients: int, options: Any, ends: list[int], alone: dict[str, str]) -> str:
    def work(index: int) -> list[tuple[str, str, float, float]]:
        questions = [QUESTIONS[(index + turn) % len(QUESTIONS)] for turn in range(options.rounds)]
        return [(question, *ask(url, question, options.tokens, ends)) for question in questions]

    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        answers = [answer for part in pool.map(work, range(clients)) for answer in part]
    total = options.tokens * len(answers) / (time.perf_counter() - start)
    each = statistics.median((options.tokens - 1) / (seconds - first) for _, _, first, seconds in answers)
    first = statistics.median(answer[2] for answer in answers)
    same = sum(alone[question] == text for question, text, _, _ in answers)
    return f"{clients:>7} {total:>18.1f} {each:>5.1f} {1000 * first:>17.0f} ms  {same} of {len(answers)}"


if __name__ == "__main__":
    main()
