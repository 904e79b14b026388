"""Sweeps that are quick, and a model that notes what becomes of it in the processes that train it."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

import prunelab as pl
from prunelab.results.sweep import Result
from support.own_models import blobs, small

TINY = pl.Recipe(epochs=2, retrain_epochs=2, rounds=1, batch_size=16)
DATA = (blobs(), blobs())


def bare(sweep: pl.Sweep) -> list[Result]:
    """All results, to the last bit, without their times."""
    return [replace(run, seconds=0.0) for run in sweep.runs]


class Watched(nn.Module):
    """A small model that notes its trainings, and dies while it trains if it finds the file ``deadly``: once.

    folder: gets a line in "trainings" for each copy that begins to train: the process and its torch threads.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.layers = small()
        self.folder = folder
        self.home = os.getpid()
        self.noted = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and torch.is_grad_enabled():
            if not self.noted:
                with (self.folder / "trainings").open("a") as file:
                    file.write(f"{os.getpid()} {torch.get_num_threads()}\n")
                self.noted = True
            if os.getpid() != self.home:
                with suppress(FileNotFoundError):
                    (self.folder / "deadly").unlink()
                    os.kill(os.getpid(), signal.SIGKILL)
        output: torch.Tensor = self.layers(x)
        return output

    @property
    def trainings(self) -> list[tuple[int, int]]:
        """(process, torch threads) of each copy that was trained."""
        lines = (self.folder / "trainings").read_text().splitlines()
        return [(int(process), int(threads)) for process, threads in map(str.split, lines)]

    def kill(self) -> None:
        """The next copy that trains in another process ends that process."""
        (self.folder / "deadly").touch()
