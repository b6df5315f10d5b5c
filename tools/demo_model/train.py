"""Trains the demo model on one GPU.

    python -m demo_model.train --tokenizer WORK/tokenizer.json --out WORK --minutes 13

Worker processes generate conversations, tokenise and pack them while the GPU trains, so no data set is ever written.
The learning rate rises for WARMUP steps and then falls to zero by the given number of tokens or minutes, whichever comes
first. At the end the model answers held-out and hand-written prompts, in bf16 and as if quantised to 4 bits.
OUT receives model.safetensors (bf16, Hugging Face names), log.jsonl, results.json and answers.jsonl.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from .checks import score
from .data.mixture import topics
from .evaluate import Question, heldout, written
from .export import as_quantised, save
from .model import Config, Model, initial
from .optimiser import Muon, Rounding, for_muon
from .stream import LENGTH, ROWS, TOPICS, Stream
from .tokenizer import ANSWER, Encoder

WARMUP = 150
BALANCE = 0.01
QUANTISED = 0.25  # of the training, at its end, is with weights as 4 bits leave them


def greedy(model: Model, prompts: list[list[int]], limits: list[int], stop: int, pad: int) -> list[list[int]]:
    """The most likely continuation of each prompt, many at once in packed rows, the whole rows again for every token."""
    device = model.weights["lm_head.weight"].device
    answers: list[list[int]] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda i: (limits[i] // 32, len(prompts[i])))
    order = [i for i in order if len(prompts[i]) + limits[i] <= LENGTH]
    while order:
        ids = np.full((ROWS, LENGTH), pad)
        position = np.tile(np.arange(LENGTH), (ROWS, 1))
        place: list[tuple[int, int, int]] = []
        row = at = 0
        while order:
            n = len(prompts[order[0]]) + limits[order[0]]
            if at + n > LENGTH:
                row, at = row + 1, 0
            if row == ROWS:
                break
            i = order.pop(0)
            ids[row, at : at + len(prompts[i])] = prompts[i]
            position[row, at:] = np.arange(LENGTH - at)
            position[row, at + n :] = np.arange(LENGTH - at - n)
            place.append((i, row, at + len(prompts[i]) - 1))
            at += n
        ids, position = (torch.from_numpy(x).to(device) for x in (ids, position))
        rows = torch.tensor([p[1] for p in place], device=device)
        last = torch.tensor([p[2] for p in place], device=device)
        limit = torch.tensor([limits[p[0]] for p in place], device=device)
        done = torch.zeros(len(place), dtype=torch.bool, device=device)
        made = []
        for step in range(int(limit.max())):
            x = model.hidden(ids, position)[
                0
            ].detach()  # gradients stay on: the compiled layers of training serve again
            token = model.logits(x[rows, last]).argmax(-1).detach()
            token = torch.where(done, pad, token)
            made.append(token)
            done = done | (token == stop) | (step + 1 >= limit)
            last = torch.where(done, last, last + 1)
            ids[rows, last] = torch.where(done, ids[rows, last], token)
            if step % 8 == 7 and bool(done.all()):
                break
        for (i, _, _), tokens in zip(place, torch.stack(made, 1).tolist(), strict=True):
            tokens = tokens[: limits[i]]
            answers[i] = tokens[: tokens.index(stop)] if stop in tokens else tokens
    return answers


def evaluate(
    model: Model, encoder: Encoder, questions: list[Question]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Shares of right answers by set and topic, and every answer."""
    prompts = [encoder.prompt(q.messages, q.tools) for q in questions]
    limits = [q.limit for q in questions]
    answers = greedy(model, prompts, limits, encoder.stop, encoder.end)
    right: dict[str, list[bool]] = defaultdict(list)
    log = []
    for question, ids in zip(questions, answers, strict=True):
        text = encoder.decode(ids)
        ok = score(question.check, text, question.tools)
        for key in (f"{question.source}/{question.topic}", f"{question.source}/all"):
            right[key].append(ok)
        if question.source == "heldout" and question.check["kind"] == "tool":
            right["heldout/tool calls"].append(ok)
        log.append({"source": question.source, "topic": question.topic, "ok": ok, "messages": question.messages,
                    "answer": text, "check": question.check, "gold": question.gold})  # fmt: skip
    return {key: [round(sum(v) / len(v), 4), len(v)] for key, v in sorted(right.items())}, log


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--minutes", type=float, default=13.0, help="of training, compilation and evaluation not counted"
    )
    parser.add_argument("--tokens", type=float, default=1.2e9)
    parser.add_argument("--lr", type=float, default=4e-3)
    parser.add_argument("--start", type=Path, help="weights to go on from, a model.safetensors")
    parser.add_argument("--begun", type=float, default=0.0, help="share of the schedule that --start has behind it")
    parser.add_argument("--save", type=float, default=3.0, help="minutes from one saving of the weights to the next")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--questions", type=int, default=150, help="held-out conversations a topic")
    parser.add_argument("--profile", action="store_true", help="where a step's time goes, then stop")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    stream = Stream(options.seed, options.tokenizer, options.workers)  # forks before CUDA starts
    encoder = Encoder(options.tokenizer)
    questions = heldout(encoder, options.questions) + written("dev", encoder)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")  # a CPU serves to try the code out
    config = Config(vocab_size=encoder.tokenizer.get_vocab_size())
    fresh = load_file(str(options.start)) if options.start else initial(config, options.seed)
    weights = {name: w.to(device, torch.float32).requires_grad_() for name, w in fresh.items()}
    model = Model(config, weights, torch.bfloat16, compiled=device.type == "cuda")
    stream.start()

    matrices = {name: w for name, w in weights.items() if for_muon(name, w)}
    muon = Muon(matrices)
    adam = torch.optim.AdamW(
        [w for name, w in weights.items() if name not in matrices],
        lr=0.0,
        betas=(0.9, 0.95),
        weight_decay=0.0,
        fused=True,
    )
    total = sum(w.numel() for w in weights.values())
    print(
        f"{total / 1e6:.1f} M weights; topics {', '.join(topics())}; {len(questions)} questions", flush=True
    )

    rounding = Rounding(weights, device.type == "cuda")

    def step(batch: Tensor, lr: float, rounded: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        ids, position, weight, topic = batch
        follows = F.pad(position[:, 1:] != 0, (0, 1))  # the next token is of the same document
        target = ids.roll(-1, 1)
        weight = torch.where(follows, weight.roll(-1, 1), 0).flatten().float() / ANSWER
        if rounded:
            rounding.enter()
        x, balance, counts = model.hidden(ids, position)
        losses = model.token_losses(x, target)
        loss = (losses * weight).sum() / weight.sum()
        (loss + BALANCE * balance).backward()
        if rounded:
            rounding.leave()
        muon.step(lr)
        for group in adam.param_groups:
            group["lr"] = lr
        adam.step()
        for w in weights.values():
            w.grad = None
        answers = (weight == 1).float()
        by_topic = torch.zeros(2, len(TOPICS), device=device)
        by_topic[0].index_add_(0, topic.flatten(), losses.detach() * answers)
        by_topic[1].index_add_(0, topic.flatten(), answers)
        return loss.detach(), by_topic, counts

    log = (options.out / "log.jsonl").open("w")
    began = time.time()
    for _ in range(2):
        step(stream.next(device), 0.0, rounded=True)[0].item()
    print(f"compiled in {time.time() - began:.0f} s", flush=True)
    if options.profile:
        profile(lambda: step(stream.next(device), 1e-4), options.out)
        stream.close()
        return

    began = last = time.time()
    steps, since = 0, 0
    sums: Tensor | None = None
    progress = options.begun
    saved = began
    while progress < 1:
        lr = options.lr * min(1.0, (steps + 1) / WARMUP) * (1 - progress)
        loss, by_topic, counts = step(stream.next(device), lr, rounded=progress > 1 - QUANTISED)
        sums = by_topic if sums is None else sums + by_topic
        steps += 1
        if steps % 25 == 0:
            loss.item()  # waits for the GPU, so that the clock is true
        seen = steps * ROWS * LENGTH
        progress = options.begun + (1 - options.begun) * max(seen / options.tokens, (time.time() - began) / 60 / options.minutes)
        if time.time() - saved > 60 * options.save:
            saved = time.time()
            save(options.out / "model.safetensors", weights)
        if steps % 100 == 0 or progress >= 1:
            value = loss.item()
            now = time.time()
            speed = (steps - since) * ROWS * LENGTH / (now - last)
            load = counts.float() / counts.float().mean(1, keepdim=True)
            topic_loss = (sums[0] / sums[1].clamp(min=1)).tolist()
            share = (sums[1] / sums[1].sum()).tolist()
            entry = {
                "step": steps, "tokens": seen, "seconds": round(now - began, 1), "loss": round(value, 4), "lr": round(lr, 6),
                "tokens_per_second": round(speed), "load_min": round(load.min().item(), 3),
                "load_max": round(load.max().item(), 3),
                "waiting": stream.batches.qsize(), "again": round(stream.again / max(1, stream.again + stream.fresh), 3),
                "topics": {t: [round(v, 4), round(s, 3)] for t, v, s in zip(TOPICS, topic_loss, share, strict=True) if s > 0},
            }  # fmt: skip
            log.write(json.dumps(entry) + "\n")
            log.flush()
            losses = " ".join(f"{t}:{v[0]:.3f}" for t, v in entry["topics"].items())
            print(f"{steps:5d} {seen / 1e6:6.0f}M {now - began:4.0f}s {speed / 1e6:.2f}M/s loss {value:.3f} "
                  f"load {load.min():.2f}-{load.max():.2f} again {entry['again']:.2f} {losses}", flush=True)  # fmt: skip
            last, since, sums = now, steps, None
            if not math.isfinite(value):
                raise SystemExit("the loss is not finite")
    stream.close()

    save(options.out / "model.safetensors", weights)
    print("saved", flush=True)
    results: dict[str, Any] = {
        "tokens": steps * ROWS * LENGTH,
        "training_seconds": round(time.time() - began, 1),
    }
    for name in ("bf16", "4-bit"):
        began = time.time()
        if name == "4-bit":
            with torch.no_grad():
                for key, w in as_quantised(weights).items():
                    weights[key].copy_(w)
        results[name], answers = evaluate(model, encoder, questions)
        with (options.out / f"answers-{name}.jsonl").open("w") as file:
            file.writelines(json.dumps(answer, ensure_ascii=False) + "\n" for answer in answers)
        (options.out / "results.json").write_text(json.dumps(results, indent=1))
        print(f"{name}, {time.time() - began:.0f} s: " + json.dumps(results[name]), flush=True)
    print("done", flush=True)


def profile(run: Any, out: Path) -> None:
    for _ in range(10):
        run()
    torch.cuda.synchronize()
    began = time.time()
    for _ in range(20):
        run()
    torch.cuda.synchronize()
    print(f"a step takes {(time.time() - began) / 20 * 1e3:.1f} ms", flush=True)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as recorded:
        for _ in range(5):
            run()
        torch.cuda.synchronize()
    table = recorded.key_averages().table(
        sort_by="self_cuda_time_total", row_limit=45, max_name_column_width=60
    )
    (out / "profile.txt").write_text(table)
    print(f"memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")


if __name__ == "__main__":
    main()
