"""All exercises, by name; one module for each lesson that has some."""

from __future__ import annotations

from prunelab.lessons.checks import (
    batch_statistics,
    budget,
    dead,
    dropout,
    file_size,
    noise,
    penalties,
    random_cuts,
    rounds,
    shared_threshold,
    threshold,
    training_step,
)
from prunelab.lessons.exercise import Exercise

MODULES = (
    noise,
    threshold,
    training_step,
    rounds,
    random_cuts,
    penalties,
    dropout,
    shared_threshold,
    dead,
    batch_statistics,
    file_size,
    budget,
)
EXERCISES: dict[str, Exercise] = {each.name: each for module in MODULES for each in module.EXERCISES}
