"""Stacks of networks as the stacked engine makes them, to look inside; and sessions of the same recipes."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import nn

import prunelab as pl
from prunelab.experiments.stacked.architecture import architecture, new_network
from prunelab.experiments.stacked.course import Course
from prunelab.experiments.stacked.groups import grouped, jobs
from prunelab.experiments.stacked.network import Network
from prunelab.experiments.stacked.stack import Stack
from prunelab.pruning.masks import Masks
from prunelab.sessions import validation
from prunelab.training.step import Step, steps_per_epoch

CPU = torch.device("cpu")


class Bench:
    """A stack with its networks, to be trained phase by phase."""

    def __init__(
        self,
        recipes: Sequence[pl.Recipe],
        data: pl.Data | None = None,
        build: Callable[[pl.Recipe], nn.Module] | None = None,
    ) -> None:
        [group] = grouped(jobs(recipes, data, build), 64)
        shared = architecture(group, build, CPU)
        self.stack = Stack((new_network(job, build, CPU) for job in group), len(group), shared.shapes)
        self.networks = []
        for job, model in zip(group, self.stack.models, strict=True):
            tensors = validation.tensors(model, job.data)
            self.networks.append(Network([job], model, Masks(model), *tensors, shared.owners))
        recipe = group[0].recipe
        self.at = Step(per_epoch=steps_per_epoch(len(group[0].data.train_y), recipe.batch_size))

    def course(self, epochs: int, part: float = 1.0) -> Course:
        """A phase. part: its learning rate, as a part of the recipe's."""
        at = self.at.phase(epochs)
        self.at = replace(at, number=at.total)  # where the phase will end
        return Course(self.stack, self.networks, at, [part * network.recipe.learning_rate for network in self.networks])

    def train(self, epochs: int, part: float = 1.0) -> None:
        """A phase, to its end."""
        for failed in self.course(epochs, part).run():
            assert not failed


def ran(session: pl.Session) -> tuple[pl.Snapshot, float]:
    """The last snapshot of a session's run, and the accuracy right after its last cut."""
    cut = None
    for snapshot in session.run():
        if snapshot.phase == "pruned":
            cut = snapshot.test_accuracy
    return snapshot, cut
