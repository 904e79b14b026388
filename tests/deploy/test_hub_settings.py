"""What is asked of a hub is the same in JupyterHub's own configuration, the Helm chart's values and TLJH's settings."""

import os
import re
import subprocess

import pytest
import yaml
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from support.servers import CHECKOUT

DEPLOY = CHECKOUT / "deploy"

# The chart's keys that are used, as its reference describes them (z2jh.jupyter.org, Configuration Reference): what the
# schema of the chart does not know ends an installation.
CHART = {
    "singleuser": {"image", "defaultUrl", "cmd", "memory", "cpu", "extraEnv", "storage"},
    "hub": {"config"},
    "cull": {"enabled", "users", "adminUsers", "removeNamedServers", "timeout", "every", "concurrency", "maxAge"},
}
# tljh.jupyter.org, "Configuring TLJH with tljh-config" and "Culling idle notebook servers".
LITTLEST = {"limits": {"memory", "cpu"}, "services": {"cull"}}


def asked(name: str) -> Config:
    return PyFileConfigLoader(name, path=str(DEPLOY / "jupyterhub")).load_config()


def values(name: str) -> dict:
    return yaml.safe_load((DEPLOY / name).read_text())


@pytest.fixture
def spawner() -> Config:
    return asked("prunelab_config.py").Spawner


@pytest.fixture
def culler(monkeypatch) -> dict[str, str]:
    monkeypatch.setenv("PRUNELAB_HUB_PASSWORD", "class-of-2026")
    (service,) = asked("jupyterhub_config.py").JupyterHub.services
    return dict(option.lstrip("-").split("=") for option in service["command"] if option.startswith("--"))


def test_what_is_asked_of_any_hub_leaves_its_services_and_roles_alone():
    assert set(asked("prunelab_config.py")) == {"Spawner"}


def test_the_charts_values_are_of_its_schema():
    chart = values("kubernetes/values.yaml")
    assert {part: set(keys) for part, keys in chart.items() if not set(keys) <= CHART[part]} == {}
    assert set(chart["hub"]["config"]) == {"KubeSpawner"}
    assert set(chart["singleuser"]["image"]) == {"name", "tag"}
    for resource in ("memory", "cpu"):
        assert set(chart["singleuser"][resource]) == {"limit", "guarantee"}


def test_the_charts_values_say_what_the_hubs_configuration_says(spawner, culler):
    chart = values("kubernetes/values.yaml")
    user = chart["singleuser"]
    assert user["defaultUrl"] == spawner.default_url
    assert user["cmd"] == spawner.cmd
    assert user["extraEnv"] == spawner.environment
    assert (user["memory"]["limit"], user["memory"]["guarantee"]) == (spawner.mem_limit, spawner.mem_guarantee)
    assert user["cpu"]["limit"] == spawner.cpu_limit
    assert chart["hub"]["config"]["KubeSpawner"] == {"http_timeout": spawner.http_timeout, "args": spawner.args}
    assert chart["cull"]["enabled"]
    assert {"timeout": chart["cull"]["timeout"], "cull-every": chart["cull"]["every"]} == {
        name: int(value) for name, value in culler.items()
    }


def test_the_littlest_hubs_settings_say_what_the_hubs_configuration_says(spawner, culler):
    littlest = values("tljh/config.yaml")
    assert {part: set(keys) for part, keys in littlest.items()} == LITTLEST
    assert littlest["limits"] == {"memory": spawner.mem_limit, "cpu": spawner.cpu_limit}
    seconds = {name: int(value) for name, value in culler.items()}
    assert littlest["services"]["cull"] == {
        "enabled": True,
        "timeout": seconds["timeout"],
        "every": seconds["cull-every"],
    }


def test_a_hub_on_one_machine_has_what_is_asked_of_any(spawner, monkeypatch):
    monkeypatch.setenv("PRUNELAB_HUB_PASSWORD", "class-of-2026")
    whole = asked("jupyterhub_config.py").Spawner
    assert {name: whole[name] for name in spawner} == dict(spawner)


def test_without_a_password_no_hub_starts(monkeypatch):
    monkeypatch.delenv("PRUNELAB_HUB_PASSWORD", raising=False)
    with pytest.raises(SystemExit, match="choose the password"):
        asked("jupyterhub_config.py")


@pytest.mark.parametrize("name", ["kubernetes/values.yaml", "tljh/config.yaml"])
def test_the_files_that_the_settings_name_are_there(name):
    named = re.findall(r"deploy/[\w./]+", (DEPLOY / name).read_text())
    assert named and all((CHECKOUT / path.rstrip(".")).exists() for path in named)


@pytest.mark.parametrize("full", [False, True])
def test_a_server_starts_with_its_options_whether_the_notebooks_can_be_copied_or_not(spawner, tmp_path, full):
    commands, home = tmp_path / "bin", tmp_path / "home"
    commands.mkdir()
    home.mkdir()
    for name, code in (("jupyterhub-singleuser", 'echo "started $@"'), ("prunelab", f"exit {int(full)}")):
        (commands / name).write_text(f"#!/bin/sh\n{code}\n")
        (commands / name).chmod(0o755)
    env = {**os.environ, "PATH": f"{commands}:{os.environ['PATH']}"}
    done = subprocess.run([*spawner.cmd, "--port=1"], cwd=home, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "started --port=1\n")
