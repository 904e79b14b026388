"""How long each phase of training is, and which part of which learning-rate cycle. Pure functions of recipe and round.

All of them take ``at``, the current step, and return the start of the phase as a ``Step``.
"""

from __future__ import annotations

from prunelab.recipe import Recipe
from prunelab.training.step import Step


def dense(recipe: Recipe, at: Step) -> Step:
    """Dense training: one cycle of its own."""
    return at.phase(recipe.epochs)


def retraining(recipe: Recipe, at: Step) -> Step:
    """Retraining after a cut."""
    return at.phase(recipe.retrain_epochs)


def retraining_rate(recipe: Recipe) -> float:
    """Learning rate at the start of the cycle of retraining."""
    return recipe.learning_rate * recipe.retrain_rate
