"""How long each phase of training is, and which part of which learning-rate cycle. Pure functions of recipe and round.

They take ``at``, the current step, and return the start of the phase as a ``Step``.
"""

from __future__ import annotations

from prunelab.recipe import Recipe
from prunelab.recipe.schedules import gradual_cut
from prunelab.training.step import Step


def dense(recipe: Recipe, at: Step) -> Step:
    """Dense training: one cycle of its own."""
    return at.phase(recipe.epochs)


def retraining(recipe: Recipe, at: Step, round: int) -> Step:
    """Retraining after the cut of ``round`` (1 to rounds; later rounds are like the last).

    A gradual recipe has one cycle for all rounds, as long as their retraining would be otherwise; this is the part of
    it from one cut to the next, or to the end. Rewinding repeats dense training from an early epoch on. Source: Renda,
    Frankle and Carbin 2020, "Comparing Rewinding and Fine-tuning in Neural Network Pruning", section 2.
    """
    if recipe.rewind != "none":
        dense_steps = recipe.epochs * at.per_epoch
        return at.part(recipe.rewind_epoch * at.per_epoch, dense_steps, dense_steps)
    if not recipe.gradual:
        return at.phase(recipe.retrain_epochs)
    cycle = recipe.rounds * recipe.retrain_epochs * at.per_epoch
    first, last = (int(gradual_cut(number, recipe.rounds) * cycle) for number in (round, round + 1))
    return at.part(first, last if round < recipe.rounds else cycle, cycle)


def retraining_rate(recipe: Recipe) -> float:
    """Learning rate at the start of the cycle of retraining."""
    return recipe.learning_rate * (recipe.retrain_rate if recipe.rewind == "none" else 1.0)


def constant_rate(recipe: Recipe) -> bool:
    """Whether the learning rate of retraining stays as it is at the start; rewinding takes that of dense training."""
    return recipe.retrain_schedule == "constant" and recipe.rewind == "none"


def goes_on(recipe: Recipe, round: int) -> bool:
    """Whether the retraining of ``round`` is followed by the next part of the same cycle."""
    return recipe.gradual and round < recipe.rounds
