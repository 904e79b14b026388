"""A course of training steps, taken by all networks of a stack at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from prunelab.experiments.stacked import noise
from prunelab.experiments.stacked.network import Network
from prunelab.experiments.stacked.stack import Stack, stacked_factors
from prunelab.experiments.stacked.updates import UPDATERS, along
from prunelab.pruning import criteria, dropout
from prunelab.training import steps
from prunelab.training.step import Step


class Course:
    """The steps of one phase, each network with its own samples, noise, learning rate, penalty and masks.

    networks: in the order of the stack. at: the position of all of them. rates: the learning rate of the first step, of
    each network.
    """

    def __init__(self, stack: Stack, networks: Sequence[Network], at: Step, rates: Sequence[float]) -> None:
        self.at = at
        self._stack = stack
        self._networks = list(networks)
        self._device = stack.parameters[stack.trained[0]].device
        self._updater = UPDATERS[networks[0].recipe.optimizer]()
        self._losses: list[Tensor] = []  # of the steps of this epoch
        self._rates = self._numbers(rates)
        self._of_networks()

    def run(self) -> Iterator[dict[int, str]]:
        """Do the steps; yields, after each, {number of a network: why it failed}.

        Networks that failed must be taken out, by ``take``, before the next step. Losses are looked at once in an
        epoch, so that the device is not waited for at every step; what they spoil is one network's own.
        """
        while self.at.left:
            ends = self.at.last_of_epoch
            self._step()
            yield self._failed() if ends else {}

    def take(self, chosen: Sequence[int]) -> None:
        """Go on with these networks only, at the end of an epoch; the stack has taken them already."""
        numbers = torch.tensor(chosen, device=self._device)
        self._networks = [self._networks[number] for number in chosen]
        self._updater.take(numbers)
        self._rates = self._rates[numbers]
        self._of_networks()

    def _of_networks(self) -> None:
        """What each network has of its own, stacked."""
        recipes = [network.recipe for network in self._networks]
        decays = [recipe.strength if recipe.regularizer == "l2" else 0.0 for recipe in recipes]
        penalties = [recipe.strength if recipe.regularizer == "l1" else 0.0 for recipe in recipes]
        self._decays = self._numbers(decays) if any(decays) else None
        self._penalties = self._numbers(penalties) if any(penalties) else None
        self._weights = list(self._networks[0].masks)
        self._factors = stacked_factors([network.masks for network in self._networks], self._stack.parameters)
        self._dropouts = [dropout.rates(network.model) for network in self._networks]
        self._samples()
        self._order: Tensor | None = None

    def _samples(self) -> None:
        """The training samples of all data sets in one, and at which of them those of each network begin."""
        sets: dict[int, tuple[Tensor, Tensor]] = {}
        for network in self._networks:
            sets.setdefault(id(network.train[0]), network.train)
        begins = {key: number * len(self._networks[0].train[1]) for number, key in enumerate(sets)}
        xs, ys = [x for x, _ in sets.values()], [y for _, y in sets.values()]
        self._x, self._y = (xs[0], ys[0]) if len(sets) == 1 else (torch.cat(xs), torch.cat(ys))
        begin = [begins[id(network.train[0])] for network in self._networks]
        self._begins = torch.tensor(begin, device=self._device).unsqueeze(1)

    def _step(self) -> None:
        at, recipe = self.at, self._networks[0].recipe
        if self._order is None or at.batch == 0:
            self._order = self._shuffled()
        start = at.batch * recipe.batch_size
        chosen = self._order[:, start:] if at.last_of_epoch else self._order[:, start : start + recipe.batch_size]
        seeds = [steps.mix(network.recipe.seed, at.clock, 2) for network in self._networks]
        like = self._stack.parameters[self._stack.trained[0]]
        factors = noise.draw(self._stack.shapes, seeds, self._dropouts, chosen.shape[1], like)
        x, y = (self._chosen(samples, chosen) for samples in (self._x, self._y))
        losses, gradients = self._stack.losses_and_gradients(x, y, factors)
        self._losses.append(losses)
        self._update(gradients, self._rates * steps.cosine(1.0, *at.place))
        self.at = at.next()

    @staticmethod
    def _chosen(samples: Tensor, chosen: Tensor) -> Tensor:
        """``samples[chosen]``, in half the time."""
        return samples.index_select(0, chosen.flatten()).view(*chosen.shape, *samples.shape[1:])

    def _shuffled(self) -> Tensor:
        """(networks, samples): the order of each network's samples in this epoch, as indices into all samples."""
        samples = len(self._networks[0].train[1])
        seeds = [steps.mix(network.recipe.seed, self.at.origin, self.at.epoch) for network in self._networks]
        orders = {seed: steps.shuffled(samples, seed) for seed in seeds}
        return torch.stack([orders[seed] for seed in seeds]).to(self._device) + self._begins

    @torch.no_grad()
    def _update(self, gradients: dict[str, Tensor], rates: Tensor) -> None:
        """One step of the optimizer. Gradients of cut weights are zero, so that these and their moments stay zero."""
        parameters = self._stack.parameters
        cut = [name for name in self._factors if name in gradients]
        if cut:
            torch._foreach_mul_([gradients[name] for name in cut], [self._factors[name] for name in cut])
        for name in self._weights:
            if name in gradients:
                weight, gradient = parameters[name], gradients[name]
                if self._penalties is not None:
                    gradient.addcmul_(weight.sign(), along(self._penalties, weight))
                if self._decays is not None:
                    gradient.addcmul_(weight, along(self._decays, weight))
        self._updater.step([parameters[name] for name in gradients], list(gradients.values()), rates)

    def _failed(self) -> dict[int, str]:
        """Networks with a loss or a weight that is not finite, and in which step it was seen."""
        losses = torch.stack(self._losses).double().cpu()
        self._losses = []
        failed = {}
        for number, network in enumerate(self._networks):
            bad = (~torch.isfinite(losses[:, number])).nonzero()
            if len(bad):
                first = int(bad[0])
                step = self.at.number - len(losses) + first
                failed[number] = f"the loss became {float(losses[first, number])} in step {step}"
                continue
            for name, parameter in network.model.named_parameters():
                if not criteria.finite(parameter):
                    failed[number] = f"{name} got NaN or infinite values in step {self.at.number}"
                    break
        return failed

    def _numbers(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=self._device)
