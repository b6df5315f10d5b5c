"""Checkpoint readers: a folder of a Hugging Face or MLX model becomes a `ModelSpec` (seam 1 of the design).

    spec = open_checkpoint("~/models/Qwen3.5-35B-A3B-4bit")

`safetensors` owns the file format, `config` the hyperparameters, `names` what the tensors are called,
`huggingface` and `mlx` what each format means by them, `assets` the tokenizer, chat template and special
tokens. Only headers and small JSON files are read, so that opening takes a fraction of a second at any size.
"""

from .reader import checkpoint_folder, open_checkpoint

__all__ = ["checkpoint_folder", "open_checkpoint"]
