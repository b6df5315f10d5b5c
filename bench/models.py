"""Checkpoints of true shape with random weights, in the MLX layout, for measuring.

    python -m bench.models OUT --shape 35b,layers=8
    python -m bench.models OUT --view MODEL --layers 4      the first layers of a checkpoint made before, as links
    python -m bench.models OUT --view MODEL --surprise 0    the same weights with other routers

Well-behaved: every product keeps the size of its input, so activations stay finite at any depth, and no weight matrix
has a direction that it amplifies (codes are symmetric about 8, the bias is -8 scale). That also makes the weights the
same numbers in GGUF's Q4_0 (llama_file.py).

Routing is decided by the token alone, so that every engine routes alike whatever its rounding. The first 64 hidden
dimensions hold a code of the token, so large that the norm's divisor is the code's, and no layer writes there (those
rows are zero). Tokens of the lower half of the vocabulary have a topic (their number modulo 512): a code is a part
common to all, a part of the topic and a part of its own, so a stream that keeps to a topic for a few tokens
(streams.py) repeats about a third of its experts from token to token. Codes of the upper half are their own alone:
uniform routing.

An engine that asks a layer's router early, of the state that the layer before was given, must not be told the whole
choice, since a trained router would not tell it either. So the experts of every layer, the shared one among them,
write a function of the code into dimensions of that layer, and the router of the next layer reads them beside the
code, and those of the layer before by a smaller part. `surprise` is the share of a layer's experts that the state one
layer earlier does not name: 0.28 unless said otherwise, as on the demo model, whose routers are trained (docs/
lessons.md). Two layers ahead it is 1.25 times that, 0.35.

One file for each layer. Only sizes, routing and speed mean anything; the answers do not.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flashmoe import doctor

from .progress import Steps
from .shapes import CODE, ROUTER_GROUP, Shape, parse

TOPICS = 512
COMMON, TOPIC = 0.2, 0.6  # shares of a code's variance; the rest is the token's own
CODE_SIZE = 8192.0  # standard deviation of a code beside 1 of what embedding and layers write elsewhere
SURPRISE, TWO_AHEAD = 0.28, 1.25  # what a layer's choice owes to the layer before; two layers ahead, so many times it
SLOT = 16  # dimensions that the experts of a layer write for the next routers
PATTERN = 64  # rows of scales that repeat through a matrix

Tensor = tuple[str, str, list[int], Iterator[bytes | memoryview]]
Write = Callable[[], Iterator[Tensor]]
WIDTH = {"U32": 4, "BF16": 2}
ENDS, ROUTERS, INDEX = "ends.safetensors", "routers.safetensors", "model.safetensors.index.json"


def bf16(values: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Cut off, not rounded: what is stored is a number of its own."""
    return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


@cache
def block(nibbles: bool) -> bytes:
    """64 MiB of random codes, the same ones always. nibbles: of 4 bits, none of them 0."""
    raw = np.frombuffer(np.random.default_rng(7).bytes(1 << 26), np.uint8).copy()
    if nibbles:
        raw[raw & 0x0F == 0] |= 0x08  # 0 becomes 8: codes from 1 to 15, 8 in the mean
        raw[raw & 0xF0 == 0] |= 0x80
    return raw.tobytes()


class Random:
    """Random codes from one block of them, at a fresh place each time: as good as new for measuring, and fast."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def codes(self, n: int, bits: int) -> Iterator[memoryview]:
        """n bytes of codes of so many bits."""
        codes = memoryview(block(bits == 4))
        half = len(codes) // 2
        while n > 0:
            start = int(self.rng.integers(0, half))
            part = codes[start : start + min(n, half)]
            yield part
            n -= len(part)


def routing_codes(vocab: int, seed: int) -> npt.NDArray[np.uint8]:
    """4-bit codes 1 … 15 of every token's first dimensions, [vocab, CODE]."""
    rng = np.random.default_rng(seed + 1)
    values = rng.standard_normal((vocab, CODE), np.float32)
    half = vocab // 2
    topics = rng.standard_normal((TOPICS, CODE), np.float32)[np.arange(half) % TOPICS]
    common = rng.standard_normal(CODE, np.float32)
    own = 1 - COMMON - TOPIC
    values[:half] = COMMON**0.5 * common + TOPIC**0.5 * topics + own**0.5 * values[:half]
    return np.clip(np.rint(values * (7 / 3)) + 8, 1, 15).astype(np.uint8)


def affine(name: str, shape: list[int], random: Random, bits: int, group: int, silent: int = 0,
           own: range = range(0)) -> Iterator[Tensor]:  # fmt: skip
    """Matrices [.., rows, cols] whose products have the size of their input; the first `silent` rows of each are zero
    but for its `own`."""
    *lead, rows, cols = shape
    matrices = int(np.prod(lead)) if lead else 1
    # Codes of 4 bits leave 0 out, so that they are symmetric about a whole number and Q4_0 holds the same weights.
    spread, middle = (18.6**0.5, 8.0) if bits == 4 else (((4**bits - 1) / 12) ** 0.5, (2**bits - 1) / 2)
    scales = 1 / spread / cols**0.5 * (0.9 + 0.2 * random.rng.random((PATTERN, cols // group)))
    stored = (bf16(scales).astype(np.uint32) << 16).view(np.float32)
    codes = random.codes(matrices * rows * cols * bits // 8, bits)
    yield f"{name}.weight", "U32", [*shape[:-1], cols * bits // 32], codes
    for suffix, factor in ((".scales", 1.0), (".biases", -middle)):
        pattern = np.resize(bf16(stored * factor), (rows, cols // group))
        quiet = np.arange(rows) < silent
        quiet[own.start : own.stop] = False
        pattern[quiet] = 0
        yield name + suffix, "BF16", [*shape[:-1], cols // group], iter([pattern.tobytes()] * matrices)


@cache
def surprising(share: float, experts: int, k: int) -> float:
    """The share of the variance of a router's logits that must be unknown so that the rest names all but `share` of
    the k greatest of so many."""
    rng = np.random.default_rng(0)
    known, unknown = rng.standard_normal((2, 2000, experts), np.float32)

    def missed(variance: float) -> float:
        true = np.argpartition(-(math.sqrt(1 - variance) * known + math.sqrt(variance) * unknown), k - 1)[:, :k]
        named = np.zeros(known.shape, bool)
        np.put_along_axis(named, np.argpartition(-known, k - 1)[:, :k], True, 1)
        return 1 - float(np.take_along_axis(named, true, 1).mean())

    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if missed(middle) < share else (low, middle)
    return high if share else 0.0


def slot(shape: Shape, layer: int) -> range:
    """The dimensions that the experts of this layer write for the next routers. Layers share them where there are not
    enough of them."""
    count = max(1, min(shape.layers, (shape.hidden - CODE) // SLOT - 2))
    first = CODE + layer % count * SLOT
    return range(first, first + SLOT)


def reserved(shape: Shape) -> int:
    """So many of the first dimensions are the code's and the slots'."""
    return max(slot(shape, layer).stop for layer in range(shape.layers))


def router(
    name: str, rows: int, shape: Shape, layer: int, surprise: float, rng: np.random.Generator
) -> Iterator[Tensor]:
    """An 8-bit matrix [rows, hidden] whose logits are of size 1. It reads the code, and by a part that makes for the
    surprise what the experts of the two layers before have written."""
    cols, k = shape.hidden, min(shape.top_k, rows - 1)
    ahead = surprising(surprise, rows, k) if rows > 1 else 0.0
    before = max(0.0, surprising(min(surprise * TWO_AHEAD, 0.99), rows, k) - ahead) if rows > 1 else 0.0
    parts = [(range(CODE), 1 - ahead - before, 1.0)]
    # Of size: a code is CODE_SIZE and alone decides the norm; what experts write, the shared one behind its gate and k
    # with their weights, is some 0.54 (measured) times the size of these factors.
    written = 0.54 * math.sqrt(0.29 + 1.3 / shape.top_k)
    parts += [(slot(shape, layer - 1 - i), part, written / CODE_SIZE) for i, part in enumerate((ahead, before))
              if part and layer > i]  # fmt: skip
    weights = np.zeros((rows, cols))
    for columns, part, size in parts:
        spread = math.sqrt(part / len(columns)) / size * math.sqrt(CODE / cols)
        weights[:, columns.start : columns.stop] = rng.uniform(-1, 1, (rows, len(columns))) * 3**0.5 * spread
    grouped = weights.reshape(rows, -1, ROUTER_GROUP)
    scale = (bf16(abs(grouped).max(axis=(0, 2)) / 127).astype(np.uint32) << 16).view(np.float32)
    codes = np.rint(grouped / np.maximum(scale, 1e-30)[:, None]).clip(-127, 127) + 128
    stored = np.tile(scale, (rows, 1))
    yield f"{name}.weight", "U32", [rows, cols // 4], iter([codes.astype(np.uint8).tobytes()])
    yield f"{name}.scales", "BF16", list(stored.shape), iter([bf16(stored).tobytes()])
    yield f"{name}.biases", "BF16", list(stored.shape), iter([bf16(-128 * stored).tobytes()])


def vector(name: str, values: npt.NDArray[Any]) -> Tensor:
    return name, "BF16", list(values.shape), iter([bf16(values).tobytes()])


def embedding(shape: Shape, random: Random, seed: int) -> Iterator[Tensor]:
    """4 bits in groups of CODE, whatever the shape says: rows of size 1, with the token's code in front."""
    codes = routing_codes(shape.vocab, seed)
    packed = codes[:, 0::2] | codes[:, 1::2] << 4

    def rows() -> Iterator[bytes]:
        for start in range(0, shape.vocab, 4096):
            n = min(4096, shape.vocab - start)
            block = np.frombuffer(b"".join(random.codes(n * shape.hidden // 2, 4)), np.uint8).reshape(n, -1).copy()
            block[:, : CODE // 2] = packed[start : start + n]
            yield block.tobytes()

    scale = np.full(shape.hidden // CODE, 18.6**-0.5, np.float32)
    scale[: -(-reserved(shape) // CODE)] = 0  # slots are written by layers alone
    scale[0] = CODE_SIZE * 3 / 7
    stored = (bf16(scale).astype(np.uint32) << 16).view(np.float32)
    name = "language_model.model.embed_tokens"
    groups = [shape.vocab, shape.hidden // CODE]
    yield f"{name}.weight", "U32", [shape.vocab, shape.hidden // 8], rows()
    yield f"{name}.scales", "BF16", groups, iter([bf16(stored).tobytes() * shape.vocab])
    yield f"{name}.biases", "BF16", groups, iter([bf16(-8 * stored).tobytes() * shape.vocab])


def ends(shape: Shape, seed: int) -> Iterator[Tensor]:
    """Embedding, head and last norm."""
    random = Random(seed)
    yield from embedding(shape, random, seed)
    yield from affine("language_model.lm_head", [shape.vocab, shape.hidden], random, shape.bits, shape.group)
    yield vector("language_model.model.norm.weight", np.ones(shape.hidden))


def layer(shape: Shape, i: int, seed: int) -> Iterator[Tensor]:
    """All of a layer but its router."""
    random = Random(seed + 100 + i)
    name, hidden = f"language_model.model.layers.{i}", shape.hidden
    silent, own = reserved(shape), slot(shape, i)

    def matrix(part: str, dims: list[int], silent: int = 0, own: range = range(0)) -> Iterator[Tensor]:
        return affine(f"{name}.{part}", dims, random, shape.bits, shape.group, silent, own)

    yield vector(f"{name}.input_layernorm.weight", np.ones(hidden))
    yield vector(f"{name}.post_attention_layernorm.weight", np.ones(hidden))
    if shape.full_attention[i]:
        query, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
        for part, rows in (("q", 2 * query), ("k", kv), ("v", kv)):
            yield from matrix(f"self_attn.{part}_proj", [rows, hidden])
        yield from matrix("self_attn.o_proj", [hidden, query], silent)
        for part in ("q", "k"):
            yield vector(f"{name}.self_attn.{part}_norm.weight", np.ones(shape.head_dim))
    else:
        key, value = shape.key_heads * shape.linear_dim, shape.value_heads * shape.linear_dim
        heads, channels = shape.value_heads, 2 * key + value
        for part, rows in (("qkv", channels), ("z", value), ("b", heads), ("a", heads)):
            yield from matrix(f"linear_attn.in_proj_{part}", [rows, hidden])
        yield from matrix("linear_attn.out_proj", [hidden, value], silent)
        yield vector(f"{name}.linear_attn.conv1d.weight", random.rng.normal(0, 0.4, (channels, 4, 1)))
        yield vector(f"{name}.linear_attn.A_log", np.log(random.rng.uniform(0.1, 15, heads)))
        yield vector(f"{name}.linear_attn.dt_bias", random.rng.normal(-2, 0.5, heads))
        yield vector(f"{name}.linear_attn.norm.weight", np.ones(shape.linear_dim))
    yield from router(f"{name}.mlp.shared_expert_gate", 1, shape, 0, 0.0, random.rng)
    for lead, part, inner in (([], "shared_expert", shape.shared_inner), ([shape.experts], "switch_mlp", shape.inner)):
        yield from matrix(f"mlp.{part}.gate_proj", [*lead, inner, hidden])
        yield from matrix(f"mlp.{part}.up_proj", [*lead, inner, hidden])
        yield from matrix(f"mlp.{part}.down_proj", [*lead, hidden, inner], silent, own)


def routers(shape: Shape, surprise: float, seed: int) -> Iterator[Tensor]:
    """Of all layers, in a file of their own: another surprise needs no other weights."""
    for i in range(shape.layers):
        rng = np.random.default_rng(seed + 10_000 + i)
        yield from router(f"language_model.model.layers.{i}.mlp.gate", shape.experts, shape, i, surprise, rng)


def shard(i: int) -> str:
    """The file of layer i."""
    return f"layer-{i:03d}.safetensors"


def write_shard(path: Path, make: Write) -> list[str]:
    """A safetensors file; the names in it. One that is there is left."""
    header: dict[str, Any] = {}
    at = 0
    for name, dtype, dims, _ in make():
        size = int(np.prod(dims)) * WIDTH[dtype]
        header[name] = {"dtype": dtype, "shape": dims, "data_offsets": [at, at + size]}
        at += size
    if path.exists():
        return list(header)
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 4096)
    part = path.with_suffix(".partial")
    with part.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, _, data in make():
            for piece in data:
                file.write(piece)
    assert part.stat().st_size == 8 + len(text) + at, path
    part.rename(path)
    return list(header)


def save_config(out: Path, shape: Shape, seed: int, surprise: float, files: dict[str, str]) -> None:
    (out / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": files}))
    (out / "config.json").write_text(json.dumps(config(shape, seed, surprise), indent=1))


def config(shape: Shape, seed: int, surprise: float) -> dict[str, Any]:
    return {**shape.config(), "made_by": {"program": "bench.models", "seed": seed, "surprise": surprise}}


def made(model: Path) -> tuple[Shape, int, float]:
    """Shape, seed and surprise of a checkpoint that was made here. Raises ValueError for another."""
    found = json.loads((model / "config.json").read_text()) if (model / "config.json").is_file() else {}
    if found.get("made_by", {}).get("program") != "bench.models":
        raise ValueError(f"{model} was not made by this bench.models")
    return Shape.of(found), found["made_by"]["seed"], found["made_by"]["surprise"]


def write(out: Path, shape: Shape, seed: int = 0, surprise: float = SURPRISE) -> Path:
    """A checkpoint's folder. A folder that was begun is completed. Raises ValueError when another model is in it."""
    if out.exists() and any(out.iterdir()) and made(out) != (shape, seed, surprise):
        raise ValueError(f"{out} holds another model: remove it, or write elsewhere")
    out.mkdir(parents=True, exist_ok=True)
    save_config(out, shape, seed, surprise, {})
    files: dict[str, str] = {}
    parts: list[tuple[str, Write]] = [(ENDS, lambda: ends(shape, seed))]
    parts += [(ROUTERS, lambda: routers(shape, surprise, seed))]
    parts += [(shard(i), lambda i=i: layer(shape, i, seed)) for i in range(shape.layers)]  # type: ignore[misc]
    block(shape.bits == 4)
    with Steps(f"writing {out.name}", len(parts)) as steps, ThreadPoolExecutor(doctor.cores()) as pool:
        found = pool.map(lambda part: write_shard(out / part[0], part[1]), parts)
        for (name, _), names in zip(parts, found, strict=True):
            files |= dict.fromkeys(names, name)
            steps.step(name)
    save_config(out, shape, seed, surprise, files)
    return out


def view(out: Path, model: Path, layers: int | None = None, surprise: float | None = None) -> Path:
    """The first layers of a checkpoint that was made here, as a folder of links and routers of its own: no second copy
    on disk."""
    shape, seed, before = made(model)
    if layers is not None and not 1 <= layers <= shape.layers:
        raise ValueError(f"{model} has {shape.layers} layers, not {layers}")
    shape = replace(shape, layers=layers or shape.layers)
    surprise = before if surprise is None else surprise
    out.mkdir(parents=True, exist_ok=True)
    keep = [ENDS, *(shard(i) for i in range(shape.layers))]
    for name in keep:
        if not (out / name).exists():
            (out / name).symlink_to((model / name).resolve())
    index = json.loads((model / INDEX).read_text())["weight_map"]
    index = {name: file for name, file in index.items() if file in keep}
    (out / ROUTERS).unlink(missing_ok=True)
    index |= dict.fromkeys(write_shard(out / ROUTERS, lambda: routers(shape, surprise, seed)), ROUTERS)
    save_config(out, shape, seed, surprise, index)
    return out


def share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 0.75:
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0 to 0.75")
    return value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--shape", type=parse, help="such as 35b or 122b,layers=4 (default 35b; bench/shapes.py)")
    parser.add_argument("--seed", type=int, help="of the weights (0)")
    parser.add_argument("--surprise", type=share, help=f"share of a choice that cannot be guessed ({SURPRISE})")
    parser.add_argument("--view", type=Path, metavar="MODEL", help="link to this one, with --layers or --surprise")
    parser.add_argument("--layers", type=int, help="of the view")
    o = parser.parse_args()
    try:
        if o.view:
            if o.shape or o.seed is not None:
                parser.error("--view has the shape and seed of its model")
            view(o.out, o.view, o.layers, o.surprise)
        else:
            write(o.out, o.shape or parse("35b"), o.seed or 0, SURPRISE if o.surprise is None else o.surprise)
    except ValueError as error:
        parser.error(str(error))
    size = sum(path.stat().st_size for path in o.out.glob("*.safetensors"))
    print(f"{o.out}: {size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
