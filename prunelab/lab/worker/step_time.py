"""How long a training step takes, tried on a copy: for a network that was not trained on this page."""

from __future__ import annotations

import time

from prunelab import torch_state
from prunelab.pruning.copies import copied
from prunelab.sessions.session import Session
from prunelab.sessions.validation import arguments
from prunelab.training import objective as objectives
from prunelab.training import optimizers, steps

MOST = 20  # steps that are timed
SECONDS = 0.1  # that they may take, with the one before them that warms up
SLOW = 0.5  # seconds from which the first step counts, and no other is tried


def step_seconds(session: Session) -> float | None:
    """Seconds of a step of dense training by the session's recipe; None if its model or loss raises an error.

    The session stays as it is, and so do torch's random numbers.
    """
    try:
        return _timed(session)
    except Exception:  # of somebody's own model or loss; training itself will say it
        return None


def _timed(session: Session) -> float:
    recipe, data = session.recipe, session.data
    model, loss = copied((session.model, session.loss))
    frozen = torch_state.held(model)
    x, y = arguments.placed(model, data.train_x[: recipe.batch_size], data.train_y[: recipe.batch_size])
    functions = objectives.loss_and_metric(loss, session.metric, data.train_y)
    parameters = dict(model.named_parameters(remove_duplicate=False))
    weights = [parameters[name] for name in session.masks]
    masked = {id(weight) for weight in weights}
    others = [p for p in model.parameters() if id(p) not in masked]
    decay, l1 = (recipe.strength if recipe.regularizer == kind else 0.0 for kind in ("l2", "l1"))
    optimizer = optimizers.make_optimizer(recipe.optimizer, weights, others, rate=0.0, decay=decay)
    threads = torch_state.threads_for(session.masks.total, recipe.batch_size)
    with torch_state.threads(threads), torch_state.seeded(recipe.seed, x.device):
        times = [time.perf_counter()]
        while len(times) < MOST + 2 and times[-1] - times[0] < (SECONDS if len(times) > 2 else SLOW):
            steps.training_step(model, optimizer, x, y, l1=l1, weights=weights, frozen=frozen, functions=functions)
            times.append(time.perf_counter())
    first = min(1, len(times) - 2)  # not the one that warms up, unless it is the only one
    return (times[-1] - times[first]) / (len(times) - 1 - first)
