"""The container, without an engine: what is copied is enough, what is installed, and that its command works there."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from prunelab.serve import voila
from support.servers import CHECKOUT, Server, stop, when

FOLDER = CHECKOUT / "deploy" / "container"
DOCKERFILE = (FOLDER / "Dockerfile").read_text()


def instructions(name: str) -> list[str]:
    """The arguments of each instruction of this name."""
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)


@pytest.fixture
def copied(tmp_path) -> Path:
    """What ``COPY .`` brings into the image."""
    folder = tmp_path / "copied"
    lines = [line for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines() if not line.startswith("#")]
    left_out = shutil.ignore_patterns(*(line.removeprefix("**/") for line in lines if line.startswith("**/")))
    assert lines[0] == "*"  # nothing but what follows
    for name in (line.removeprefix("!") for line in lines if line.startswith("!")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (CHECKOUT / name).is_dir():
            shutil.copytree(CHECKOUT / name, folder / name, ignore=left_out)
        else:
            shutil.copy(CHECKOUT / name, folder / name)
    return folder


@pytest.mark.parametrize(("extras", "project"), [("", "."), ("hub", ".[hub]")])
def test_the_image_installs_the_checkout_the_tests_versions_and_torchs_cpu_build(copied, tmp_path, extras, project):
    tools, asked = tmp_path / "bin", tmp_path / "asked"
    tools.mkdir()
    python = tools / "python"  # that writes down what it is asked for
    python.write_text(f"""#!/bin/sh
printf '%s\\n' "$PWD" "$@" > {asked}
while [ "$1" != --constraint ]; do shift; done
cp "$2" {asked}.constraints
""")
    python.chmod(0o755)
    env = {"PATH": f"{tools}:{os.environ['PATH']}", "EXTRAS": extras}
    subprocess.run(["sh", copied / "deploy" / "container" / "install.sh"], env=env, check=True)
    folder, *arguments = asked.read_text().splitlines()
    assert Path(folder) == copied and arguments[:3] == ["-m", "pip", "install"]
    assert arguments[arguments.index("--extra-index-url") + 1] == "https://download.pytorch.org/whl/cpu"
    torch, installed = arguments[-2:]
    assert installed == project
    lines = Path(f"{asked}.constraints").read_text().splitlines()
    pinned = {Requirement(line).name: line for line in lines if line and not line.startswith("#")}
    assert pinned["torch"] == torch and torch.endswith("+cpu")
    tested = (CHECKOUT / "constraints.txt").read_text().splitlines()
    assert set(lines) ^ set(tested) == {torch, torch.removesuffix("+cpu")}


def test_what_is_copied_can_be_installed(copied, tmp_path):
    argv = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist"]
    subprocess.run(argv, cwd=copied, check=True, capture_output=True)
    assert list((tmp_path / "dist").glob("prunelab-*.whl"))


def test_the_image_runs_as_a_user_with_a_home_and_installs_before():
    assert instructions("FROM") == ["python:3.11-slim"]  # the Python that the tests run with
    (user,) = instructions("USER")
    made = next(line for line in instructions("RUN") if "useradd" in line)
    assert user != "0" and f"--uid {user} " in made
    assert instructions("WORKDIR") == [f"/home/{made.split()[-1]}"]
    assert DOCKERFILE.index("install.sh") < DOCKERFILE.index("USER")
    (command,) = map(json.loads, instructions("CMD"))
    assert instructions("EXPOSE") == [command[command.index("--port") + 1]]


class Visitor:
    """Asks for pages, and keeps cookies."""

    def __init__(self) -> None:
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        # Without a proxy, whatever the environment says: this is our own machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)

    def ask(self, url: str) -> tuple[str, str]:
        """(address at the end, text)."""
        with self._opener.open(url, timeout=120) as answer:
            return answer.url, answer.read().decode()


def test_its_command_serves_the_lab_where_only_temporary_files_can_be_written(tmp_path):
    (command,) = map(json.loads, instructions("CMD"))
    assert command[0] == "prunelab"
    port = voila.free_port(0)
    argv = [sys.executable, "-m", "prunelab.cli", *command[1:], f"--port={port}", "--max-visitors=1", "--pool=0"]
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": "/nonexistent",
        "TMPDIR": str(tmp_path),
    }
    log = tmp_path / "log"
    with log.open("wb") as written:
        process = subprocess.Popen(argv, env=env, cwd="/", stdout=written, stderr=subprocess.STDOUT)
    server = Server(f"http://{voila.HOST}:{port}/", log, process, "")
    try:
        assert when(server, lambda: "For visitors:" in server.log), server.log
        token = re.search(r"For visitors: +\S+\?token=(\S+)", server.log)[1]
        stranger, invited = Visitor(), Visitor()
        assert "/login?" in stranger.ask(server.url)[0]
        assert "/login?" not in invited.ask(f"{server.url}away?token={token}")[0]
        address, page = invited.ask(f"{server.url}?model=mlp-small&epochs=1")
        assert "application/vnd.jupyter.widget-view+json" in page, (address, page, server.log)
    finally:
        stop(server)
    assert process.returncode is not None
