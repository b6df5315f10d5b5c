"""What the tensors of a Qwen3.5-MoE checkpoint are called, whatever prefix they carry, and where each goes.

Every stored tensor must end up somewhere: in the model, or among what is known to be no part of the text
model. A weight that nothing asked for is an error, since ignoring it silently would give wrong answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import CheckpointError
from ..spec import Config, Extent, Format, expected_shape
from .safetensors import Entry, Folder

FLOAT_DTYPES = {"F32": "f32", "F16": "f16", "BF16": "bf16"}

# Role -> name below the text prefix; layer roles below "layers.N.". Names ending in ".weight" may be
# quantised by MLX unless the role is in NEVER_QUANTISED.
GLOBAL_NAMES = {"embed": "embed_tokens.weight", "norm": "norm.weight", "head": "lm_head.weight"}
LAYER_NAMES = {
    "input_norm": "input_layernorm.weight",
    "post_norm": "post_attention_layernorm.weight",
    "router": "mlp.gate.weight",
    "shared_gate": "mlp.shared_expert.gate_proj.weight",
    "shared_up": "mlp.shared_expert.up_proj.weight",
    "shared_down": "mlp.shared_expert.down_proj.weight",
    "shared_expert_gate": "mlp.shared_expert_gate.weight",
    "q": "self_attn.q_proj.weight",
    "k": "self_attn.k_proj.weight",
    "v": "self_attn.v_proj.weight",
    "o": "self_attn.o_proj.weight",
    "q_norm": "self_attn.q_norm.weight",
    "k_norm": "self_attn.k_norm.weight",
    "in_qkv": "linear_attn.in_proj_qkv.weight",
    "in_z": "linear_attn.in_proj_z.weight",
    "in_a": "linear_attn.in_proj_a.weight",
    "in_b": "linear_attn.in_proj_b.weight",
    "conv": "linear_attn.conv1d.weight",
    "A_log": "linear_attn.A_log",
    "dt_bias": "linear_attn.dt_bias",
    "linear_norm": "linear_attn.norm.weight",
    "out": "linear_attn.out_proj.weight",
}
NORM_ROLES = frozenset({"norm", "input_norm", "post_norm", "q_norm", "k_norm"})  # N1: these take norm_shift
VECTOR_ROLES = NORM_ROLES | {"A_log", "dt_bias", "linear_norm"}  # stored with one dimension
NEVER_QUANTISED = VECTOR_ROLES | {"conv"}

# Prefixes of the text model, and of what is not the text model; the longest that fits counts.
_TEXT_PREFIXES = ("model.language_model.", "language_model.model.", "model.")
_HEAD_NAMES = ("lm_head.", "language_model.lm_head.")
_SKIPPED = (
    ("model.visual.", "vision tower"),
    ("visual.", "vision tower"),
    ("vision_tower.", "vision tower"),
    ("model.vision_tower.", "vision tower"),
    ("multi_modal_projector.", "vision tower"),
    ("mtp.", "multi-token prediction head"),
    ("model.mtp.", "multi-token prediction head"),
    ("language_model.mtp.", "multi-token prediction head"),
    ("model.language_model.mtp.", "multi-token prediction head"),
    ("language_model.model.mtp.", "multi-token prediction head"),
)
_SKIPPED_PREFIXES = tuple(prefix for prefix, _ in _SKIPPED)


class TextTensors:
    """The text model's tensors under names without prefix ("layers.0.mlp.gate.weight"), each to be taken
    once.

    `prefix` is what the names carry in the files ("model.language_model."); `skipped` counts what is left
    out, by kind.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.prefix, self._example = "", ""
        self.skipped: dict[str, int] = {}
        self._entries: dict[str, Entry] = {}
        self._full: dict[str, str] = {}
        for name, entry in folder.tensors.items():
            kind = None
            if name.startswith(_SKIPPED_PREFIXES):
                kind = next(kind for prefix, kind in _SKIPPED if name.startswith(prefix))
            elif name.endswith(".rotary_emb.inv_freq"):
                kind = "rotary frequencies"  # a buffer that follows from the config
            if kind is not None:
                self.skipped[kind] = self.skipped.get(kind, 0) + 1
                continue
            short = self._without_prefix(name)
            if short in self._entries:
                raise CheckpointError(f"{folder.where(name)}: the same weight as {self._full[short]}")
            self._entries[short] = entry
            self._full[short] = name
        if not self._entries:
            raise CheckpointError(f"{folder.path}: no tensors of a text model")

    def _without_prefix(self, name: str) -> str:
        for prefix in _TEXT_PREFIXES:
            if name.startswith(prefix):
                break
        else:
            for head in _HEAD_NAMES:
                if name.startswith(head):
                    return "lm_head." + name[len(head) :]
            raise CheckpointError(f"{self.folder.where(name)}: not a tensor of a Qwen3.5-MoE model")
        if prefix != self.prefix:
            if self.prefix:
                raise CheckpointError(
                    f"{self.folder.where(name)}: contradicts {self._example}: one checkpoint names its "
                    f"tensors {prefix}* or {self.prefix}*, not both"
                )
            self.prefix, self._example = prefix, name
        return name[len(prefix) :]

    def __contains__(self, short: str) -> bool:
        return short in self._entries

    def names(self) -> Iterable[str]:
        return self._entries.keys()

    def peek(self, short: str) -> Entry | None:
        return self._entries.get(short)

    def stored_name(self, short: str) -> str:
        """The name in the files, also of a tensor that is not there."""
        if short in self._full:
            return self._full[short]
        if short.split(".")[0] == "lm_head":
            return ("language_model." if self.prefix == "language_model.model." else "") + short
        return self.prefix + short

    def where(self, short: str) -> str:
        """File and tensor, for messages."""
        entry = self._entries.get(short)
        place = self.folder.path if entry is None else self.folder.files[entry.file]
        return f"{place}: tensor {self.stored_name(short)}"

    def missing(self, short: str, why: str = "") -> CheckpointError:
        return CheckpointError(f"{self.where(short)}: missing{why}")

    def note_skipped(self, kind: str, short: str) -> None:
        """Drops a stored tensor that the model does not need."""
        self.skipped[kind] = self.skipped.get(kind, 0) + 1
        self._entries.pop(short)

    def floats(self, short: str, shape: tuple[int, ...], why: str = "") -> Entry:
        """Takes a tensor that must be there, of exactly this shape, in bf16, f16 or f32."""
        entry = self._entries.get(short)
        if entry is None:
            raise self.missing(short, why)
        if entry.dtype not in FLOAT_DTYPES:
            raise CheckpointError(
                f"{self.where(short)}: dtype: {entry.dtype} is not supported; supported: "
                f"{', '.join(FLOAT_DTYPES)}"
            )
        if entry.shape != shape:
            raise CheckpointError(
                f"{self.where(short)}: shape: {list(entry.shape)}, but the config asks for {list(shape)}"
            )
        del self._entries[short]
        return entry

    def any(self, short: str) -> Entry:
        """Takes a tensor that must be there; the caller checks it."""
        entry = self._entries.pop(short, None)
        if entry is None:
            raise self.missing(short)
        return entry

    def finish(self, config: Config) -> None:
        """CheckpointError when a tensor was not taken."""
        if not self._entries:
            return
        short = next(iter(self._entries))
        more = f" (and {len(self._entries) - 1} more)" if len(self._entries) > 1 else ""
        why = "nothing in this model uses it, and leaving out a weight could give wrong answers"
        match = re.match(r"layers\.([0-9]{1,6})\.(\w+)", short)
        if match is not None:
            layer, part = int(match[1]), match[2]
            if layer >= config.layers:
                why = f"num_hidden_layers is {config.layers}"
            elif part in ("self_attn", "linear_attn"):
                why += f"; layer {layer} is {config.layer_types[layer]} by the config"
        raise CheckpointError(f"{self.where(short)}: unexpected{more}: {why}")

    def notes(self) -> tuple[str, ...]:
        counted = (f"{kind} ({n} tensor{'s' if n > 1 else ''})" for kind, n in self.skipped.items())
        return (*counted, *self.folder.notes)


def extent(entry: Entry) -> Extent:
    return Extent(entry.file, entry.offset, entry.length)


def stored_shape(config: Config, role: str, mlx: bool) -> tuple[int, ...]:
    """The shape in the files of an unquantised dense weight."""
    rows, cols = expected_shape(config, role)
    if role in VECTOR_ROLES:
        return (cols,)
    if role == "conv":
        return (rows, cols, 1) if mlx else (rows, 1, cols)
    return (rows, cols)


def float_format(entry: Entry, rows: int, cols: int) -> Format:
    return Format(FLOAT_DTYPES[entry.dtype], rows, cols)
