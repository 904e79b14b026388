"""A process that has loaded what a lab's kernel needs, and forks kernels: each starts in a fraction of a second.

    python -P -m prunelab.lab.kernel_server <descriptor of a connection>

What was loaded (torch above all) lies in memory once for all its kernels. ``serve/fork_provisioner.py`` starts this
process and asks it for kernels: a message names a kernel's arguments, environment and folder, the answer its process,
or why there is none.
The process ends when whoever asks is gone, and its kernels end with it (ipykernel watches its parent).

Linux only: elsewhere the libraries of the system do not bear a fork. Nothing here may start threads or compute with
torch, whose threads would be missing in the kernels; libraries that start threads while they are imported (OpenBLAS)
know of forks.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from multiprocessing.connection import Connection
from typing import NoReturn

import ipywidgets
import numpy
import torch
from ipykernel.kernelapp import IPKernelApp
from setproctitle import getproctitle, setproctitle

import prunelab.lab.app  # noqa: F401  # with it, all that a page's kernel imports before the lab stands


def main(descriptor: int) -> None:
    """Fork a kernel for each message, until the other end of the connection is closed."""
    # Kernels are not waited for: whoever asked for one watches it.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # Objects that no collection looks at stay where they are, in pages that all kernels share.
    gc.collect()
    gc.freeze()
    getproctitle()  # finds where titles are written by the environment that is there at first
    connection = Connection(descriptor)
    connection.send_bytes(b"{}")
    while True:
        try:
            request = json.loads(connection.recv_bytes())
        except EOFError:
            return
        try:
            process = os.fork()
        except OSError as error:  # no memory, or too many processes: with this one all its kernels would end
            connection.send_bytes(json.dumps({"trouble": error.strerror or str(error)}).encode())
            continue
        if process == 0:
            connection.close()
            _become_kernel(**request)
        connection.send_bytes(json.dumps({"process": process}).encode())


def _become_kernel(arguments: list[str], environment: dict[str, str], folder: str | None) -> NoReturn:
    """Be what ``python -m ipykernel_launcher`` with these arguments would be."""
    os.setsid()  # signals for the kernel reach what it starts, too
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    if folder:
        os.chdir(folder)
    sys.argv = ["ipykernel_launcher", *arguments]
    setproctitle(" ".join([sys.executable, "-m", *sys.argv]))  # so that lists of processes tell kernels apart
    # As in a process of its own: no two kernels draw the same numbers, unless they are told to. (Python's own generator
    # sees to that by itself.)
    numpy.random.seed()
    torch.seed()
    app = IPKernelApp.instance()
    # The server that asked is not the parent.
    app.initialize([*arguments, f"--IPKernelApp.parent_handle={os.getppid()}"])  # type: ignore[no-untyped-call]
    # ipywidgets does so when it is imported, which was before there was a kernel: a page would find no way to ask for
    # all widgets at once, and ask for each.
    ipywidgets.register_comm_target(app.kernel)
    app.start()  # type: ignore[no-untyped-call]
    sys.exit()


if __name__ == "__main__":
    main(int(sys.argv[1]))
