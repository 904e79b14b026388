"""A JupyterHub as ``deploy/jupyterhub`` configures it, with its proxy, in a home of its own."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from pathlib import Path

from prunelab.serve import voila
from support.node import NODE, node_module
from support.servers import CHECKOUT, Server, start, stop, when

SHIPPED = CHECKOUT / "deploy" / "jupyterhub" / "jupyterhub_config.py"
PASSWORD = "class-of-2026"
WATCH = "the-token-of-who-asks-the-hub"
START_WITHIN = 300  # seconds for users' servers: two start at once, beside other tests, perhaps from a cold disk

# What differs here from a hub that somebody starts: where it listens, where its proxy and the notebooks' command lie,
# how patient it is, and that a test may ask it which servers are ready.
CONFIG = """
c = get_config()
load_subconfig({shipped!r})
c.JupyterHub.bind_url = "http://127.0.0.1:{ports[0]}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{ports[1]}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{ports[2]}"
c.ConfigurableHTTPProxy.command = {proxy!r}
c.Spawner.environment.update({environment!r})
c.Spawner.args.append("--allow-root")
c.Spawner.http_timeout = {patience}
c.JupyterHub.services.append({{"name": "watch", "api_token": {token!r}}})
c.JupyterHub.load_roles.append({{"name": "watch", "services": ["watch"], "scopes": ["read:users", "read:servers"]}})
"""


def start_hub(home: Path, **environment: str) -> Server:
    """A hub that answers. environment: of the users' servers. Raises FileNotFoundError where its proxy is missing."""
    proxy = [str(NODE), str(node_module("configurable-http-proxy") / "bin" / "configurable-http-proxy")]
    ports = [voila.free_port(0) for _ in range(3)]
    config = home / "jupyterhub_config.py"
    chosen = {"ports": ports, "proxy": proxy, "environment": environment, "patience": START_WITHIN, "token": WATCH}
    config.write_text(CONFIG.format(shipped=str(SHIPPED), **chosen))
    argv = [sys.executable, "-m", "jupyterhub", "-f", str(config)]
    # Users' servers start with commands by their names: this environment need not be an active one.
    commands = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    server = start(argv, home, ports[0], "hub/health", PRUNELAB_HUB_PASSWORD=PASSWORD, PATH=commands)
    # The proxy answers before the hub does, with an error.
    if not when(server, lambda: "JupyterHub is now running at" in server.log):
        stop(server)
        raise RuntimeError(f"the hub did not start:\n{server.log}")
    return server


def expect_ready(hub: Server, user: str) -> None:
    """The hub says that this user's server is ready. Raises AssertionError, with the log, if that takes too long."""
    assert when(hub, lambda: _is_ready(hub, user), START_WITHIN), f"{user}'s server did not start:\n{hub.log}"


def _is_ready(hub: Server, user: str) -> bool:
    headers = {"Authorization": f"token {WATCH}"}
    # Without a proxy, whatever the environment says: this is our own machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(f"{hub.url}hub/api/users/{user}", headers=headers), timeout=60) as answer:
        servers = json.loads(answer.read())["servers"]
    return bool(servers.get("", {}).get("ready"))
