"""Scores a checkpoint folder in flashmoe itself, greedily: held-out and hand-written questions, and perplexity.

python -m demo_model.evaluate PATH [--memory 12MiB] [--experts 4] [--written dev test] [--json results.json]
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .checks import score
from .data.mixture import Mixture, topics
from .tokenizer import Encoder

WRITTEN = Path(__file__).with_name("written")
LONGEST = 192  # tokens of an answer


@dataclass
class Question:
    source: str  # "values", "heldout", "dev" or "test"
    topic: str
    messages: list[dict[str, Any]]
    check: dict[str, Any]
    tools: list[dict[str, Any]] = field(default_factory=list)
    gold: str = ""
    limit: int = LONGEST  # tokens


def heldout(encoder: Encoder, conversations: int, split: str = "heldout", seed: int = 7) -> list[Question]:
    """A question for every check of so many held-out conversations a topic, earlier turns as they should have been.

    split: "values" or "heldout", see `data.common.held_out`.
    """
    questions = []
    for name, generate in topics().items():
        rng = random.Random(f"{seed}/{name}")
        for _ in range(conversations):
            made = generate(rng, split)
            for check in made.checks:
                turn = check["turn"]
                gold = made.messages[turn]
                text = (gold.get("content") or "") + "".join(json.dumps(c) for c in gold.get("tool_calls", ()))
                tokens = len(encoder.tokenizer.encode(text).ids) + 16 * len(gold.get("tool_calls", ()))
                limit = min(LONGEST, 40 + 3 * tokens // 2)
                questions.append(Question(split, name, made.messages[:turn], check, made.tools, text, limit))
    return questions


def written(split: str, encoder: Encoder | None = None) -> list[Question]:
    """The questions written by hand."""
    path = WRITTEN / f"{split}.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [Question(split, q["topic"], q["messages"], q["check"], q.get("tools") or []) for q in lines]


def answer(session: Any, ids: list[int], stops: set[int], limit: int) -> list[int]:
    out: list[int] = []
    logits = session.eval(ids)
    while len(out) < limit:
        token = int(np.argmax(logits))
        if token in stops:
            break
        out.append(token)
        logits = session.eval([token])
    return out


def perplexity(model: Any, encoder: Encoder, documents: int) -> float:
    """Of the answers in held-out conversations, a token."""
    total, count = 0.0, 0
    mixture = Mixture(7, "heldout")
    for ids, weights in encoder.encode([mixture.conversation() for _ in range(documents)]):
        logits = np.asarray(model.session().eval([int(i) for i in ids[:1024]], all_logits=True), np.float64)
        peak = logits.max(-1, keepdims=True)
        logp = logits - peak - np.log(np.exp(logits - peak).sum(-1, keepdims=True))
        targets = np.flatnonzero(weights[1 : len(logits)] == 100)
        total -= logp[targets, ids[targets + 1]].sum()
        count += len(targets)
    return math.exp(total / max(1, count))


def main() -> None:
    import flashmoe

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("--memory")
    parser.add_argument("--experts", type=int, help="experts a token, fewer than the model was trained with")
    parser.add_argument("--heldout", type=int, default=60, help="conversations a topic, of either kind")
    parser.add_argument("--written", nargs="*", default=["dev"], choices=["dev", "test"])
    parser.add_argument("--documents", type=int, default=100, help="for the perplexity")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--answers", type=Path, help="where to write every answer of held-out and dev questions")
    options = parser.parse_args()

    model = flashmoe.Model(options.path, memory=options.memory, experts_per_token=options.experts, context=1024)
    encoder = Encoder(Path(options.path) / "tokenizer.json")
    questions = [q for split in ("values", "heldout") for q in heldout(encoder, options.heldout, split)]
    for split in options.written:
        questions += written(split)

    began = time.time()
    right: dict[str, list[bool]] = defaultdict(list)
    log = []
    for question in questions:
        ids = encoder.prompt(question.messages, question.tools)
        text = encoder.decode(answer(model.session(), ids, {encoder.stop, encoder.end}, question.limit))
        ok = score(question.check, text, question.tools)
        right[f"{question.source} {question.topic}"].append(ok)
        right[f"{question.source} all"].append(ok)
        if question.source in ("values", "heldout") and question.check["kind"] == "tool":
            right[f"{question.source} tool calls"].append(ok)
        if question.source != "test":
            log.append({"source": question.source, "topic": question.topic, "ok": ok, "asked": question.messages[-1],
                        "answer": text, "check": question.check})  # fmt: skip
    results: dict[str, Any] = {name: {"right": sum(v), "of": len(v)} for name, v in sorted(right.items())}
    for name, r in results.items():
        print(f"{name:24} {r['right']:5d} of {r['of']:5d}   {100 * r['right'] / r['of']:5.1f} %")
    results["perplexity"] = round(perplexity(model, encoder, options.documents), 4)
    results["seconds"] = round(time.time() - began, 1)
    print(f"perplexity of held-out answers, a token: {results['perplexity']}; {results['seconds']} s")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    if options.answers:
        options.answers.write_text("".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in log))


if __name__ == "__main__":
    main()
