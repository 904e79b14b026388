"""``prunelab workshop``: what it refuses in one line, and what it starts the server with."""

from __future__ import annotations

import socket

import pytest
from typer.testing import CliRunner

from prunelab.cli import workshop
from prunelab.cli.app import app
from prunelab.serve import visitor
from prunelab.workshop import environment


@pytest.fixture
def started(monkeypatch):
    """What a server would be started with."""
    found = {}
    monkeypatch.setattr(
        workshop.process, "serve_until_stopped", lambda argv, env, **rest: found.update(argv=argv, env=env, **rest)
    )
    monkeypatch.setattr(workshop.hardware, "memory", lambda: 4 * 10**9)
    return found


def run(*arguments: str):
    return CliRunner().invoke(app, ["workshop", "--port", "0", *arguments])


@pytest.mark.parametrize(("arguments", "words"), [
    (["--max-visitors", "1000"], "1000 labs at once"),
    (["--pool", "1000"], "1001 labs at once"),
    (["--token", " "], "--token is empty"),
    (["--address", "lab.school.example"], "must be a whole address"),
    (["--address", "ftp://lab.school.example/"], "must be a whole address"),
    (["--link", "quality=20"], "quality = 20"),
    (["--link", "lesson=99"], "there is no such lesson"),
    (["--link", "preset=nonsense"], "there is no such preset"),
    (["--link", "rounds=50"], "every lab would begin with rounds = 50, and at most 30 are allowed"),
    (["--epochs", "10"], "every lab would begin with epochs = 40"),
    (["--link", "epochs=10&retrain_epochs=12", "--epochs", "10"], "retrain_epochs = 12"),
    (["--link", "preset=one-shot-or-five-rounds", "--rounds", "4"], "rounds = 5"),
])  # fmt: skip
def test_what_cannot_be_is_one_clear_line(started, arguments, words):
    done = run(*arguments)
    assert done.exit_code == 2 and words in " ".join(done.stderr.split()) and "Traceback" not in done.stderr
    assert started == {}


def test_a_port_in_use_is_told(started):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = CliRunner().invoke(app, ["workshop", "--port", str(taken.getsockname()[1])])
    assert done.exit_code == 2 and "is in use" in done.stderr and started == {}


@pytest.mark.parametrize(("link", "fetched"), [("data=mnist", True), ("data=digits", False)])
def test_data_that_have_to_be_fetched_are_fetched_once_before_labs_begin(started, monkeypatch, tmp_path, link, fetched):
    monkeypatch.setenv("PRUNELAB_DATA", str(tmp_path))  # where no file is
    done = run("--link", link)
    assert done.exit_code == 0 and started != {}, "the page says so, too"
    assert (str(tmp_path) in done.stderr.replace("\n", "")) is fetched


@pytest.mark.parametrize(("arguments", "needed"), [
    ([], True), (["--ip", "192.168.1.20"], True), (["--ip", "127.0.0.1"], False), (["--ip", "::1"], False),
])  # fmt: skip
def test_a_token_is_needed_unless_only_this_machine_can_come(started, arguments, needed):
    assert run(*arguments).exit_code == 0
    assert bool(started["env"][environment.TOKEN]) is needed
    assert len(started["env"][environment.HOST_TOKEN]) >= 20, "the host always has one"
    for secret in filter(None, (started["env"][environment.TOKEN], started["env"][environment.HOST_TOKEN])):
        assert not any(secret in word for word in started["argv"]), "every user of the machine can read it there"


def test_a_public_address_with_a_path_is_the_servers_base(started):
    assert run("--address", "https://school.example/lab", "--token", "abc", "--link", "seed=4").exit_code == 0
    assert started["env"][environment.ADDRESS] == "https://school.example/lab/?token=abc"
    assert started["url"].startswith("https://school.example/lab/host?token=")
    assert "--base_url=/lab/" in started["argv"] and "seed=4" in started["env"][visitor.LINK]
