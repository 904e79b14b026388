"""A hub on one machine, to try what a class will see: everybody who knows the password gets a lab of their own.

    pip install "prunelab[hub]" && npm install configurable-http-proxy
    PATH="$PWD/node_modules/.bin:$PATH" PRUNELAB_HUB_PASSWORD=... jupyterhub -f jupyterhub_config.py

Then http://127.0.0.1:8000. All servers run as the user who starts the hub, so that visitors are apart by their logins
only, not by the system: for a class put a spawner and an authenticator of yours in the place of the two below.
"""

import os
import sys
from pathlib import Path

c = get_config()  # noqa: F821
load_subconfig(str(Path(__file__).with_name("prunelab_config.py")))  # noqa: F821

PASSWORD = "PRUNELAB_HUB_PASSWORD"  # environment variable: one for everybody
if not os.environ.get(PASSWORD):
    raise SystemExit(f"{PASSWORD} is not set: choose the password that the class logs in with")
c.JupyterHub.authenticator_class = "shared-password"
c.Authenticator.allow_all = True
c.SharedPasswordAuthenticator.user_password = os.environ[PASSWORD]

c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = str(Path.cwd() / "users" / "{username}")

c.JupyterHub.bind_url = "http://127.0.0.1:8000"

# A server whose user is away goes after half an hour, and comes again with the next visit; a run that was saved goes on
# there.
CULL_AFTER, CULL_EVERY = 1800, 120  # seconds
c.JupyterHub.load_roles = [
    {
        "name": "cull-idle-servers",
        "services": ["cull-idle-servers"],
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    }
]
c.JupyterHub.services = [
    {
        "name": "cull-idle-servers",
        "command": [
            *(sys.executable, "-m", "jupyterhub_idle_culler"),
            f"--timeout={CULL_AFTER}",
            f"--cull-every={CULL_EVERY}",
        ],
    }
]
