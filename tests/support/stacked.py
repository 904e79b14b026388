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
from prunelab.sessions import courses
from prunelab.sessions.validation import arguments
from prunelab.training.step import Step

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
            tensors = arguments.tensors(model, job.data)
            self.networks.append(Network([job], model, Masks(model), *tensors, shared.owners))
        self.at = group[0].start

    def dense(self) -> Course:
        """Dense training, by the recipes."""
        recipes = [network.recipe for network in self.networks]
        return self._course(courses.dense(recipes[0], self.at), [recipe.learning_rate for recipe in recipes])

    def retraining(self, round: int) -> Course:
        """Retraining after the cut of a round, by the recipes."""
        recipes = [network.recipe for network in self.networks]
        return self._course(courses.retraining(recipes[0], self.at, round), list(map(courses.retraining_rate, recipes)))

    def _course(self, at: Step, rates: list[float]) -> Course:
        self.at = replace(at, number=at.total)  # where it will end
        return Course(self.stack, self.networks, at, rates)


def done(course: Course) -> None:
    """Take all its steps; no network fails."""
    assert not any(course.run())


def ran(session: pl.Session) -> tuple[pl.Snapshot, float]:
    """The last snapshot of a session's run, and the accuracy right after its last cut."""
    cut = None
    for snapshot in session.run():
        if snapshot.phase == "pruned":
            cut = snapshot.test_accuracy
    return snapshot, cut
