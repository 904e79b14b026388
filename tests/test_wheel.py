"""What is shipped: a wheel, made by way of the source archive, that holds the whole package and needs no checkout."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: object, cwd: Path = ROOT) -> str:
    """Output of a command that must succeed; no setting of ours leads it back to the checkout."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PRUNELAB"))}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=env, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def sources(folder: str) -> set[str]:
    """Files below a folder of the checkout, without what tools leave there."""
    left = {"__pycache__", ".ipynb_checkpoints", ".virtual_documents", ".DS_Store"}
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not left.intersection(path.parts) and path.suffix != ".pyc"
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """A fresh environment with the wheel in it; the packages it needs are borrowed from this one, so no network."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel)
    (site,) = folder.glob("lib/python*/site-packages")
    borrowed = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    # A plain path in a .pth file: the .pth files over there, an editable install's among them, are not followed.
    (site / "borrowed.pth").write_text("\n".join(borrowed))
    return folder


def test_the_wheel_holds_every_file_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {name for name in names if not name.partition("/")[0].endswith((".dist-info", ".data"))}
    expected = sources("prunelab") | {f"prunelab/{name}" for name in sources("notebooks")}
    assert shipped == expected
    assert {"prunelab/py.typed", "prunelab/assets/digits.npz"} <= shipped
    kinds = {Path(name).suffix for name in shipped}
    assert {".py", ".js", ".css", ".npz"} <= kinds


def test_the_wheel_states_its_license_and_command(wheel):
    archive = zipfile.ZipFile(wheel)
    text = {Path(n).name: archive.read(n).decode() for n in archive.namelist() if ".dist-info/" in n}
    assert "MIT License" in text["LICENSE"]
    assert "prunelab = prunelab.cli:main" in text["entry_points.txt"]
    assert "License-Expression: MIT" in text["METADATA"]


def test_the_installed_package_is_loaded_and_finds_its_files(installed, tmp_path):
    code = """
import pathlib, prunelab, prunelab.data, prunelab.lab.widgets.plot
package = pathlib.Path(prunelab.__file__).parent
print(package)
print(len(prunelab.data.load("digits").train_x))
print(*sorted(str(p.relative_to(package)) for p in package.glob("notebooks/**/*") if p.is_file()), sep="\\n")
"""
    package, count, *notebooks = run(installed / "bin" / "python", "-c", code, cwd=tmp_path).splitlines()
    assert Path(package).is_relative_to(installed)
    assert count == "1438"
    assert {name for name in notebooks if name} == sources("notebooks")


def test_what_jupyter_looks_for_lies_where_it_looks(installed):
    share = Path("prunelab/share")
    for source, place in ((share / "jupyter/voila", "share/jupyter/voila"), (share / "etc/jupyter", "etc/jupyter")):
        files = {Path(name).relative_to(source) for name in sources(source.as_posix())}
        assert files and all((installed / place / name).is_file() for name in files)
    assert not (installed / "share/jupyter/kernels").exists(), "ipykernel's own lies there"


def test_the_command_answers_from_an_empty_folder(installed, tmp_path):
    help_text = run(installed / "bin" / "prunelab", "--help", cwd=tmp_path)
    assert "dashboard" in help_text
    assert not list(tmp_path.iterdir())
