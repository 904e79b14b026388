"""What Binder makes of the repository: the image that repo2docker derives, its packages, and where the badges lead."""

import re
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from repo2docker import buildpacks
from repo2docker.app import Repo2Docker

from support.servers import CHECKOUT

BADGE = re.compile(r"\(https://mybinder\.org/v2/gh/[\w.-]+/[\w.-]+/[\w.-]+(\?[^)]*)\)")
LOCKED = re.compile(r"/(?P<name>[a-z0-9._-]+?)-(?P<version>[0-9][^-]*)-[^-/]+\.(?:conda|tar\.bz2)")
# Packages that conda-forge calls otherwise.
PYPI_NAMES = {"nbconvert-core": "nbconvert", "matplotlib-base": "matplotlib"}


@pytest.fixture
def pack(monkeypatch):
    """The first of repo2docker's build packs that takes the repository, as its ``build`` chooses."""
    monkeypatch.chdir(CHECKOUT)
    app = Repo2Docker(repo=str(CHECKOUT))
    chosen = next(pack for pack in (kind(base_image=app.base_image) for kind in app.buildpacks) if pack.detect())
    chosen.platform = "linux/amd64"  # Binder's
    return chosen


def requirements() -> list[Requirement]:
    lines = (CHECKOUT / "binder" / "requirements.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-", "."))]


def test_the_image_has_the_python_of_the_tests_and_installs_what_is_asked_for(pack):
    assert type(pack) is buildpacks.PythonBuildPack
    assert pack.binder_dir == "binder"
    assert pack.python_version == "3.11"
    steps = pack.render({"NB_USER": "jovyan", "NB_UID": "1000"})
    install = steps.index('pip install --no-cache-dir -r "binder/requirements.txt"')
    assert steps.index("COPY --chown=1000:1000 src/ ${REPO_DIR}/") < install  # the checkout is there by then
    assert steps.rindex("USER ${NB_USER}") > install
    assert 'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in steps


def test_torch_is_the_cpu_build_of_the_version_that_the_tests_run_with():
    (torch,) = requirements()
    (pinned,) = re.findall(r"^torch==(.+)$", (CHECKOUT / "constraints.txt").read_text(), re.MULTILINE)
    assert str(torch) == f"torch=={pinned}+cpu"  # the index of CPU builds alone has it
    lines = (CHECKOUT / "binder" / "requirements.txt").read_text().splitlines()
    assert "--extra-index-url https://download.pytorch.org/whl/cpu" in lines


def test_the_checkout_is_installed_and_pip_leaves_the_images_jupyter_alone(pack):
    """What the image has fits prunelab, so that Binder's own pages go on; but for the ipykernel that does not."""
    assert "." in (CHECKOUT / "binder" / "requirements.txt").read_text().splitlines()
    (lock,) = (file for file in pack.get_build_script_files() if file.endswith("3.11-linux-64.lock"))
    lines = (Path(buildpacks.__file__).parent / lock).read_text().splitlines()
    found = [match for match in map(LOCKED.search, lines) if match]
    there = {PYPI_NAMES.get(match["name"], match["name"]): match["version"] for match in found}
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    ours = [Requirement(line) for line in project["dependencies"]]
    both = {need for need in ours if need.name in there}
    assert {"jupyterlab", "ipywidgets", "ipykernel"} <= {need.name for need in both}
    replaced = {need.name for need in both if Version(there[need.name]) not in need.specifier}
    assert replaced <= {"ipykernel"}  # 7.0 there; see pyproject.toml


def test_what_starts_the_server_gives_torch_one_thread_and_becomes_the_server():
    start = CHECKOUT / "binder" / "start"
    done = subprocess.run(
        [start, "sh", "-c", 'echo "$OMP_NUM_THREADS $0 $*"', "server", "a  b"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1 server a  b\n"


def test_the_badges_open_the_dashboard_and_the_notebooks_in_jupyterlab():
    queries = [parse_qs(urlsplit(link).query) for link in BADGE.findall((CHECKOUT / "README.md").read_text())]
    paths = [query["urlpath"][0] for query in queries]
    assert len(paths) == 2
    dashboard, notebooks = paths
    assert dashboard.startswith("voila/render/") and notebooks.startswith("lab/tree/")
    assert (CHECKOUT / dashboard.removeprefix("voila/render/")).is_file()
    assert (CHECKOUT / notebooks.removeprefix("lab/tree/")).exists()
