"""How-to pages keep their word: the code of each is run, block by block, as by somebody who copies it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from dask.distributed import LocalCluster
from markdown_it import MarkdownIt
from markdown_it.token import Token
from typer.main import get_command

from prunelab.cli.app import app
from support.docs_site import SOURCES
from support.servers import CHECKOUT

GUIDES = sorted((SOURCES / "how-to").glob("*.md"))
RUN = ("run", "measure")  # commands that end soon; of the others only the arguments are checked
SCHEDULER = "tcp://scheduler:8786"  # stands for the reader's own
SCRIPT = 'if __name__ == "__main__":'  # a block that is a file of its own: processes that it starts read it again


def blocks(guide: Path) -> list[Token]:
    """The code of a page; all of it is in a language that is checked here."""
    tokens = MarkdownIt("commonmark").parse(guide.read_text(encoding="utf-8"))
    found = [token for token in tokens if token.type in ("fence", "code_block") and not token.info.startswith("{")]
    for token in found:
        assert token.info in ("python", "sh"), f"{guide.name}: not checked, {token.info!r}:\n{token.content}"
    return found


@pytest.fixture
def scheduler(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a cluster, for the page that needs one."""
    if SCHEDULER not in request.getfixturevalue("guide").read_text(encoding="utf-8"):
        yield SCHEDULER
        return
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_the_code_runs(guide: Path, scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"__name__": guide.stem}
    for number, block in enumerate(blocks(guide)):
        code = block.content.replace(SCHEDULER, scheduler)
        if block.info == "sh":
            for line in code.splitlines():
                check_line(line)
        elif SCRIPT in code:
            Path(f"block{number}.py").write_text(code, encoding="utf-8")
            expect_success(sys.executable, f"block{number}.py")
        else:
            exec(compile("\n" * (block.map[0] + 1) + code, guide, "exec"), names)


def expect_success(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stderr)


def check_line(line: str) -> None:
    """Run a line of a shell, or check that it could be run."""
    program, *arguments = shlex.split(line, comments=True)
    if program == "prunelab" and arguments[0] in RUN:
        expect_success(sys.executable, "-m", "prunelab.cli", *arguments)
    elif program == "prunelab":
        get_command(app).commands[arguments[0]].make_context(arguments[0], arguments[1:])
    elif program == "make":
        assert re.search(rf"^{arguments[0]}:", (CHECKOUT / "Makefile").read_text(), re.MULTILINE), line
    else:
        assert (program, arguments[0]) == ("pip", "install"), line
        extras = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert all(extra in extras for extra in re.findall(r"\[(.*?)\]", line)), line
