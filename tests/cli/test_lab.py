"""``prunelab lab``: the user's copy of the notebooks."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from prunelab import resources
from prunelab.cli import lab
from prunelab.cli.app import app
from prunelab.cli.notebook_copies import LEFT_OUT

SHIPPED = {
    path.relative_to(resources.notebooks())
    for path in resources.notebooks().rglob("*")
    if path.is_file() and not LEFT_OUT.intersection(path.parts)
}


@pytest.fixture
def copy():
    def run(folder):
        return CliRunner().invoke(app, ["lab", "--copy-only", str(folder)])

    return run


def test_only_copying_brings_all_notebooks_and_starts_nothing(copy, tmp_path):
    folder = tmp_path / "mine"
    done = copy(folder)
    assert done.exit_code == 0 and "dashboard.ipynb" in done.stdout
    assert {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()} == SHIPPED


def test_what_the_user_has_changed_stays_and_what_is_missing_comes_again(copy, tmp_path):
    copy(tmp_path)
    (tmp_path / "dashboard.ipynb").write_text("mine")
    gone = next(path for path in SHIPPED if path.name != "dashboard.ipynb")
    (tmp_path / gone).unlink()
    done = copy(tmp_path)
    assert done.stdout.strip() == f"new in {tmp_path}: {gone.name}"
    assert (tmp_path / "dashboard.ipynb").read_text() == "mine"
    assert copy(tmp_path).stdout.strip() == f"nothing new for {tmp_path}"


def test_a_folder_that_cannot_be_written_is_an_error_of_one_line(copy, tmp_path):
    (tmp_path / "file").write_text("")
    done = copy(tmp_path / "file" / "below")
    assert done.exit_code == 1
    assert "the notebooks can't be copied to" in done.stderr and "Not a directory" in done.stderr


def test_a_file_in_the_place_of_a_folder_is_named(copy, tmp_path):
    (tmp_path / "lessons").write_text("")
    done = copy(tmp_path)
    assert done.exit_code == 1 and f"{tmp_path / 'lessons'}: File exists" in done.stderr.replace("\n", "")


def test_a_lesson_that_does_not_exist_is_refused_before_anything_is_copied(tmp_path):
    done = CliRunner().invoke(app, ["lab", str(tmp_path / "mine"), "--no-browser", "--port", "0", "--lesson", "99"])
    assert done.exit_code == 2 and "there is no lesson 99: there are 0 to 13" in done.stderr
    assert not (tmp_path / "mine").exists()


def test_a_newcomer_is_not_asked_whether_he_wants_news_and_his_own_settings_count(copy, tmp_path, monkeypatch):
    """What JupyterLab itself makes of the settings that it is started with."""
    started = {}
    monkeypatch.setattr(lab.process, "serve_until_stopped", lambda argv, env, **_: started.update(env))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path / "own"))
    (tmp_path / "own" / "labconfig").mkdir(parents=True)
    own = {"disabledExtensions": {"@jupyterlab/celltags-extension": True}}
    (tmp_path / "own" / "labconfig" / "page_config.json").write_text(json.dumps(own))
    done = CliRunner().invoke(app, ["lab", str(tmp_path / "mine"), "--no-browser", "--port", "0"])
    assert done.exit_code == 0, done.output
    asked = "import json; from jupyterlab_server.config import get_page_config as g; print(json.dumps(g([])))"
    answer = subprocess.run([sys.executable, "-c", asked], env=started, capture_output=True, text=True, check=True)
    disabled = json.loads(answer.stdout)["disabledExtensions"]
    assert {"@jupyterlab/apputils-extension:announcements", "@jupyterlab/celltags-extension"} <= set(disabled)
