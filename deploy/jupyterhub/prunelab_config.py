"""What prunelab asks of a JupyterHub, whatever starts its servers: load it from the hub's own configuration.

    load_subconfig("prunelab_config.py")                                      # in jupyterhub_config.py
    sudo cp prunelab_config.py /opt/tljh/config/jupyterhub_config.d/          # The Littlest JupyterHub

Needed where users' servers run: ``pip install prunelab``. Servers that nobody uses are ended by the hub's idle culler:
The Littlest JupyterHub and the Helm chart have one, ``jupyterhub_config.py`` adds one. ``deploy/kubernetes`` says the
same to the Helm chart.
"""

c = get_config()  # noqa: F821

# The page that a user sees first. A teacher's link for everybody, whoever they are:
# https://HUB/hub/user-redirect/voila/render/dashboard.ipynb?quality=1.2
c.Spawner.default_url = "/voila/render/dashboard.ipynb"

# Each user's folder gets the notebooks that it lacks; what is there stays as it is. Then the server, with its options:
# also where they cannot be copied, since who has no room for them has to come in to make some.
START = 'prunelab lab --copy-only .; exec jupyterhub-singleuser "$@"'
c.Spawner.cmd = ["/bin/sh", "-c", START, "prunelab"]
c.Spawner.http_timeout = 120  # seconds until it answers: a class that begins at once shares few cores

# A server takes about 120 MB, and a page of the lab 300 MB beside it. How far a limit is kept is the spawner's affair:
# those for Kubernetes, Docker and systemd do, those that only start a process do not.
c.Spawner.mem_limit = "1G"
c.Spawner.mem_guarantee = "450M"
c.Spawner.cpu_limit = 1
# Threads of torch beyond the share of a core would only wait for each other.
c.Spawner.environment = {"OMP_NUM_THREADS": "1"}

# A page that vanished leaves its kernel: that goes after five minutes.
c.Spawner.args = [
    "--MappingKernelManager.cull_idle_timeout=300",
    "--MappingKernelManager.cull_interval=30",
]
