"""Chooses the reader of a checkpoint folder and assembles its `ModelSpec`."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import CheckpointError
from ..spec import ModelSpec, Tensor, layer_roles
from . import assets, huggingface, mlx
from .config import RawConfig, read_config, read_raw_config
from .names import GLOBAL_NAMES, LAYER_NAMES, TextTensors
from .safetensors import WANTED, Entry, Folder, open_folder, other_weights


def checkpoint_folder(path: str | Path) -> Path:
    """The absolute path of a checkpoint's folder. CheckpointError when there is none, or it is a file."""
    folder = Path(os.path.abspath(Path(path).expanduser()))
    if not folder.exists():
        raise CheckpointError(f"{folder}: no such folder")
    if not folder.is_dir():
        hint = "; GGUF files are not supported" if folder.suffix == ".gguf" else ""
        raise CheckpointError(f"{folder}: give the checkpoint's folder, not a file in it{hint}")
    return folder


def open_checkpoint(path: str | Path) -> ModelSpec:
    """Describes the checkpoint in a folder, Hugging Face or MLX, without reading its weights.

    Every tensor is accounted for: its dtype, shape and place in its file agree with config.json and with each
    other. Raises CheckpointError, which names file, tensor and field, otherwise.
    """
    folder = checkpoint_folder(path)
    if not os.path.lexists(folder / "config.json"):
        raise CheckpointError(f"{folder}: no config.json{other_weights(folder)}; {WANTED}")
    raw = read_raw_config(folder)
    store = open_folder(folder)
    text = TextTensors(store)
    is_mlx = _is_mlx(text, raw)

    q_norm = next(
        (text.peek(name) for name in text.names() if name.endswith(".self_attn.q_norm.weight")), None
    )
    head_dim = q_norm.shape[0] if q_norm is not None and len(q_norm.shape) == 1 else None
    config = read_config(raw, head_dim=head_dim, has_head="lm_head.weight" in text)

    reader = (mlx.Reader if is_mlx else huggingface.Reader)(text, config, raw)

    if config.tied_head:
        _drop_tied_head(text, raw)
    tensors: dict[tuple[str, int], Tensor] = {}
    for role, short in GLOBAL_NAMES.items():
        if role == "head" and config.tied_head:
            continue
        why = ", but tie_word_embeddings is false" if role == "head" else ""
        tensors[role, -1] = reader.dense(role, short, why)
    tables = []
    for layer, kind in enumerate(config.layer_types):
        for role in layer_roles(kind):
            why = f" (layer {layer} is {kind} by the config)"
            tensors[role, layer] = reader.dense(role, f"layers.{layer}.{LAYER_NAMES[role]}", why)
        tables.append(reader.experts(layer))
    text.finish(config)

    eos, notes = assets.eos_ids(raw, folder, config.vocab)
    return ModelSpec(
        path=folder,
        source=reader.source,
        config=config,
        files=store.files,
        tensors=tensors,
        experts=tuple(tables),
        norm_shift=reader.norm_shift,
        eos_ids=eos,
        tokenizer_file=assets.tokenizer_file(folder),
        chat_template=assets.chat_template(folder),
        special_tokens=assets.special_tokens(folder),
        notes=text.notes() + notes,
    )


def _is_mlx(text: TextTensors, raw: RawConfig) -> bool:
    """The two layouts differ in the norms' convention, so a mistake here would be silent: the convolution's
    layout, the experts' names and the presence of scales must all say the same."""
    votes: dict[bool, str] = {}  # is it MLX? -> the first tensor that says so
    for short in text.names():
        if ".mlp.experts." in short:
            votes.setdefault(False, short)
        elif ".mlp.switch_mlp." in short or short.endswith(".scales"):
            votes.setdefault(True, short)
        elif short.endswith(".linear_attn.conv1d.weight"):
            entry = text.peek(short)
            shape = entry.shape if entry is not None else ()
            if len(shape) == 3 and (shape[1] == 1) != (shape[2] == 1):
                votes.setdefault(shape[2] == 1, short)
    if len(votes) == 2:
        is_mlx, is_hf = text.where(votes[True]), text.where(votes[False])
        raise CheckpointError(
            f"{is_mlx} is of the MLX layout, but {is_hf} is of the Hugging Face layout; the norms of the two "
            "differ, so a mixture cannot be read"
        )
    if not votes:
        raise CheckpointError(
            f"{raw.path.parent}: no tensors of routed experts: not a Mixture-of-Experts checkpoint"
        )
    return next(iter(votes))


def _drop_tied_head(text: TextTensors, raw: RawConfig) -> None:
    """A tied model may store its head a second time; it must then be the embedding, bit for bit."""
    for part in ("weight", "scales", "biases"):
        short, twin = f"lm_head.{part}", text.peek(f"embed_tokens.{part}")
        head = text.peek(short)
        if head is None:
            continue
        if (
            twin is None
            or (head.dtype, head.shape) != (twin.dtype, twin.shape)
            or not _same(text.folder, head, twin)
        ):
            raise CheckpointError(
                f"{text.where(short)}: differs from the embedding, but {raw.path}: "
                "tie_word_embeddings is true"
            )
        text.note_skipped("second copy of the tied head", short)


def _same(folder: Folder, a: Entry, b: Entry) -> bool:
    step = 1 << 20
    try:
        with open(folder.files[a.file], "rb") as file_a, open(folder.files[b.file], "rb") as file_b:
            file_a.seek(a.offset)
            file_b.seek(b.offset)
            left = a.length
            while left > 0:
                n = min(step, left)
                if file_a.read(n) != file_b.read(n):
                    return False
                left -= n
    except OSError as error:
        raise CheckpointError(f"{folder.files[a.file]}: cannot be read: {error.strerror or error}") from None
    return True
