"""`flashmoe pull OWNER/NAME`: a checkpoint from the hub."""

from __future__ import annotations

import argparse


def main(options: argparse.Namespace) -> int:
    from ..hub import pull

    print(pull(options.model))  # the hub's own progress bars go to stderr
    return 0
