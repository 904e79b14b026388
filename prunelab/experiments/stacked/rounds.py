"""The whole run of one stack: dense training, then rounds of prune and retrain, until every network is done."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence

import torch

from prunelab.experiments.stacked.architecture import Architecture, new_network
from prunelab.experiments.stacked.course import Course
from prunelab.experiments.stacked.groups import Build, Job
from prunelab.experiments.stacked.network import Network, Samples
from prunelab.experiments.stacked.stack import Stack
from prunelab.pruning.masks import Masks
from prunelab.results.sweep import FailedRun, Run
from prunelab.sessions import courses
from prunelab.sessions.validation import arguments


class Rounds:
    """A stack on its way. Jobs with the same dense network share its training."""

    def __init__(self, group: Sequence[Job], shared: Architecture, build: Build | None, device: torch.device) -> None:
        self._shared = shared
        self._build = build
        self._device = device
        self._networks: list[Network] = []
        self._round = 0
        self._at = courses.dense(group[0].recipe, group[0].start)
        sharing: dict[tuple[object, ...], list[Job]] = {}
        for job in group:
            sharing.setdefault(job.dense, []).append(job)
        self._served: list[Sequence[Job]] = list(sharing.values())  # by the networks of the stack

    @property
    def left(self) -> int:
        """Training steps that are left to do, over all networks; those of networks that failed are not done."""
        here = len(self._served) * self._at.left
        jobs = (job for jobs in self._served for job in jobs)
        return here + sum((job.recipe.rounds - self._round) * job.retraining.total for job in jobs)

    def run(self) -> Iterator[Run | FailedRun | None]:
        """The results as they are there, and None after every step."""
        self._build_networks()
        yield from self._train([network.recipe.learning_rate for network in self._networks], "training")
        yield from self._branch()
        while self._networks:
            self._round += 1
            self._at = courses.retraining(self._networks[0].recipe, self._at, self._round)  # equal in all of them
            for network in self._networks:
                with self._shares([network]):
                    network.prune(self._round)
            yield None
            yield from self._train([courses.retraining_rate(n.recipe) for n in self._networks], "retraining")
            yield from self._finish()

    def _build_networks(self) -> None:
        data: dict[int, tuple[Samples, Samples]] = {}
        with self._shares(self._networks):
            models = (new_network(jobs[0], self._build, self._device) for jobs in self._served)
            self._stack = Stack(models, len(self._served), self._shared.shapes)
            for jobs, model in zip(self._served, self._stack.models, strict=True):
                own = jobs[0].data
                if id(own) not in data:
                    data[id(own)] = arguments.tensors(model, own)
                self._networks.append(Network(jobs, model, Masks(model), *data[id(own)], self._shared.owners))

    def _train(self, rates: Sequence[float], phase: str) -> Iterator[FailedRun | None]:
        """The steps of a phase. rates: the learning rate of the first step, of each network."""
        if not self._networks or not self._at.left:
            return
        course = Course(self._stack, self._networks, self._at, rates)
        first = dict(zip(self._networks, rates, strict=True))
        steps = course.run()
        while self._networks:
            with self._shares(self._networks):
                failed = next(steps, None)
            if failed is None:
                return
            self._at = course.at
            if failed:
                for number, reason in failed.items():
                    network = self._networks[number]
                    yield from self._failures(network, f"{reason} of {phase}", first[network])
                chosen = [number for number in range(len(self._networks)) if number not in failed]
                self._keep(chosen)
                if chosen:
                    course.take(chosen)
            yield None

    def _branch(self) -> Iterator[Run | FailedRun]:
        """Test the dense networks, and give each job one of its own. What is only cut is done then."""
        sources: list[int] = []
        branches: list[Network] = []
        for number, network in enumerate(self._networks):
            with self._shares([network]):
                tested = network.tested()
            if not math.isfinite(tested.loss):
                yield from self._failures(network, f"the test loss became {tested.loss} after training", None)
                continue
            for job in network.jobs:
                branch = network.branch(job, tested, apart=not job.retraining.total)
                if job.retraining.total:
                    branches.append(branch)
                    sources.append(number)
                else:
                    yield self._only_cut(branch)
        self._replace(sources, branches)

    def _only_cut(self, network: Network) -> Run:
        with self._shares([network]):
            for round in range(1, network.recipe.rounds + 1):
                network.prune(round)
            tested = network.tested()
        return network.result(tested, self._shared.wiring)

    def _finish(self) -> Iterator[Run | FailedRun]:
        """The results of the networks that have done all their rounds; the others go on."""
        for network in self._networks:
            if network.recipe.rounds > self._round:
                continue
            with self._shares([network]):
                tested = network.tested()
            if math.isfinite(tested.loss):
                yield network.result(tested, self._shared.wiring)
            else:
                yield from self._failures(network, f"the test loss became {tested.loss} after retraining", None)
        self._keep([n for n, network in enumerate(self._networks) if network.recipe.rounds > self._round])

    def _failures(self, network: Network, what: str, rate: float | None) -> Iterator[FailedRun]:
        """A failure for each job of a network. rate: learning rate of the phase's first step; None: not told."""
        about = "" if rate is None else f" (learning rate {rate:.3g})"
        reason = f"{what}, round {self._round}{about}: this run stopped. Try a lower learning_rate"
        for job in network.jobs:
            yield FailedRun(recipe=job.given, reason=reason, seconds=network.seconds / len(network.jobs))

    def _keep(self, chosen: list[int]) -> None:
        """Go on with these networks, by number."""
        self._replace(chosen, [self._networks[number] for number in chosen])

    def _replace(self, sources: list[int], networks: list[Network]) -> None:
        """Go on with ``networks``, which have the weights of the networks numbered ``sources``."""
        if networks and networks != self._networks:
            self._stack.take(sources, [network.model for network in networks])
        self._networks = networks
        self._served = [network.jobs for network in networks]

    @contextlib.contextmanager
    def _shares(self, networks: list[Network]) -> Iterator[None]:
        """The time of the block is shared equally among the networks (those there at its end)."""
        began = time.perf_counter()
        yield
        for network in networks:
            network.seconds += (time.perf_counter() - began) / len(networks)
