"""The house: what each floor may import is checked, and the check finds what is planted.

See docs/explanation/architecture.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What import-linter is told to keep free of torch; of a package every module is imported.
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
TORCH_FREE = next(c["source_modules"] for c in CONTRACTS if c.get("forbidden_modules") == ["torch"])

WITHOUT_TORCH = """
import importlib, pkgutil, sys
sys.modules["torch"] = None  # from here on `import torch` raises ImportError
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    for part in pkgutil.walk_packages(getattr(module, "__path__", []), name + "."):
        importlib.import_module(part.name)
"""


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter on the prunelab that lies in ``folder``."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    env = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", code, "--no-cache"], cwd=folder, env=env, text=True, capture_output=True, timeout=120
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The package and its contracts, to plant violations in."""
    shutil.copytree(ROOT / "prunelab", tmp_path / "prunelab", ignore=shutil.ignore_patterns("__pycache__", "share"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_pictures_results_exports_and_recipes_are_imported_without_torch():
    names = [name for name in TORCH_FREE if name != "prunelab.serve"]
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *names], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_serving_needs_no_torch_either():
    code = "import sys; from prunelab.serve import process, visitor, voila; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], text=True, capture_output=True).stdout == "False\n"


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("views/size.py", "from prunelab.sessions.session import Session", "Floors"),
        ("views/size.py", "import torch", "Pictures, results, exports and recipes need no torch"),
        ("lab/worker/tasks.py", "import ipywidgets", "Only lab.page, lab.widgets and lab.app know Jupyter widgets"),
        ("lab/runs.py", "from prunelab.lab.wording import title", "Rooms of the lab"),
        ("sparse/packing/index.py", "from prunelab.sparse.inference import kernels", "Roads of sparse"),
        ("serve/voila.py", "from prunelab.serve import process\nfrom prunelab import lab", "No circles"),
        ("novelty/__init__.py", '"""A folder that nobody gave a floor."""', "Floors"),
    ],
    ids=lambda value: value.partition("\n")[0][:40],
)
def test_a_planted_violation_is_found(copied: Path, file: str, line: str, contract: str) -> None:
    planted = copied / "prunelab" / file
    planted.parent.mkdir(exist_ok=True)
    text = planted.read_text() if planted.exists() else ""
    planted.write_text(text + "\n" + line + "\n")
    done = lint(copied)
    assert done.returncode == 1 and f"{contract} BROKEN" in done.stdout, done.stdout + done.stderr


def test_the_house_as_it_is_keeps_all_contracts(copied: Path) -> None:
    done = lint(copied)
    assert done.returncode == 0 and f"{len(CONTRACTS)} kept, 0 broken" in done.stdout, done.stdout + done.stderr


def test_few_modules_stand_flat_in_the_root_and_in_the_lab():
    root = {path.name for path in (ROOT / "prunelab").glob("*.py")}
    assert root == {
        "__init__.py", "_version.py", "disk.py", "errors.py", "formatting.py", "hardware.py", "inputs.py",
        "lesson_catalogue.py", "models.py", "resources.py", "stop_signals.py", "torch_state.py",
    }  # fmt: skip
    assert {path.name for path in (ROOT / "prunelab" / "lab").glob("*.py")} == {
        "__init__.py", "app.py", "kernel_server.py", "links.py", "messages.py", "presets.py", "runs.py", "served.py",
        "show.py", "wording.py",
    }  # fmt: skip
