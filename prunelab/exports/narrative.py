"""What was done in a run and its results, in sentences and numbers. Plain text, no markup."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from html import unescape
from importlib.metadata import version

import prunelab
from prunelab import hardware
from prunelab.exports.script import by_recipe, learned_before, steps_taken, unfinished
from prunelab.formatting import count, kilobytes, percent, times
from prunelab.recipe import OWN, Recipe
from prunelab.results.measurement import BATCH, Measurement
from prunelab.results.objective import CLASSIFYING
from prunelab.results.snapshot import Snapshot
from prunelab.results.subject import Subject
from prunelab.views import key_figures


def plain(text: str) -> str:
    """Text of a view without plotly.js's markup."""
    return unescape(re.sub(r"</?(?:b|i|sub|sup)>", "", text.replace("<br>", " ")))


def title(subject: Subject, now: Snapshot) -> str:
    """The result in one line."""
    experiment = f"{subject.model} on {subject.data}"
    right = "" if now.test_accuracy is None else f", {now.objective.says(now.test_accuracy)}"
    if now.kept == now.total:
        return f"{experiment}: dense{right}"
    return f"{experiment}: {times(now.compression)} fewer connections{right}"


def told(recipe: Recipe, history: Sequence[Snapshot], subject: Subject | None = None) -> str:
    """What was done, in a few sentences. recipe, subject: of the run. history: its snapshots, at least one."""
    r, now = recipe, history[-1]
    subject = subject or Subject.of(recipe)
    optimizer = {"sgd": "SGD with momentum 0.9", "adam": "Adam"}[r.optimizer]
    penalty = "no penalty" if r.regularizer == "none" else f"{r.regularizer.upper()} penalty {r.strength:g}"
    rates = sorted({d.original for d in now.dropouts if d.original})
    extras = [f"dropout {' and '.join(f'{rate:g}' for rate in rates)}"] if rates else ["no dropout"]
    extras += ["batch normalisation"] if r.batch_norm and r.model != OWN else []
    if now.objective != CLASSIFYING:
        penalty = f"loss {now.objective.loss}, {penalty}"
    parts = [
        f"The network, {subject.model}, {_trained(r, history, subject)}: "
        f"{optimizer}, learning rate {r.learning_rate:g}, batches of {r.batch_size}, {penalty}, "
        f"{' and '.join(extras)}, seed {r.seed}.",
        *_rounds(r, history),
    ]
    if now.round and rates and r.adjust_dropout:
        parts.append("Dropout was lowered as connections went, by the square root of what was kept.")
    if now.round and r.distill:
        parts.append(
            f"In retraining {percent(r.distill)} of the loss compared with the outputs of {now.origin.network}."
        )
    if now.round and r.batch_norm and r.model != OWN and r.recalibrate:
        parts.append("Batch normalisation was measured again after each cut.")
    return " ".join(filter(None, [*parts, unfinished(now)]))


def _trained(r: Recipe, history: Sequence[Snapshot], subject: Subject) -> str:
    """How the dense network came about, as far as the run knows."""
    if learned_before(history):
        return f"had learned before this run; retraining is on {subject.data}"
    first = next(iter(steps_taken(history)), None)
    length = _many(r.epochs, "epoch")
    if first is not None and first.what == "train" and first.left:
        length = f"{_many(first.end.clock, 'step')} of its {length}"
    return f"was trained on {subject.data} for {length}"


def _rounds(r: Recipe, history: Sequence[Snapshot]) -> list[str]:
    """Sentences about the cuts and retrainings so far."""
    start, cuts = history[0], [s for s in history if s.phase == "pruned"]
    zeros = start.round == 0 and start.kept < start.total
    said = [f"{percent(1 - start.density)} of its connections were zero from the start."] if zeros else []
    if not cuts:
        return [*said, f"Nothing {'else ' if zeros else ''}is cut yet."]
    if all(by_recipe(s) and s.recipe == r for s in cuts):
        last = cuts[-1].round
        done = f"{last} of " if last < r.rounds else ""
        cut = f"In {done}{_many(max(last, r.rounds), 'round')}, {_cut(r, last)}"
    else:
        steps = [f"{_target(s)} in round {s.round}" for s in cuts]
        cut = f"Connections were cut by hand: {', then '.join(steps)}"
    return [*said, f"{'; '.join([cut, *_retrainings(r, history, len(cuts))])}."]


def _retrainings(r: Recipe, history: Sequence[Snapshot], cuts: int) -> list[str]:
    """How the survivors were retrained, in parts of a sentence. One that is under way is left to ``unfinished``."""
    taken = [step for step in steps_taken(history) if step.what == "retrain"]
    retrained = [step.recipe for step in taken if step.end.steps and not step.left]
    left = sum(step.left for step in taken) - (not history[-1].settled)
    parts = []
    if retrained:
        often = "after each cut" if len(retrained) == cuts else _many(len(retrained), "time")
        parts.append(_retrained(r, retrained, often, history[0].origin.network))
    elif history[-1].settled and not left:
        parts.append("nothing was retrained")
    if left > 0:
        parts.append("one retraining was left before its end" if left == 1 else f"{left} were left before their end")
    return parts


def _retrained(r: Recipe, retrained: Sequence[Recipe], often: str, network: str) -> str:
    """How survivors were retrained by these recipes. network: what was trained before the cuts."""
    if all(by == r for by in retrained) and r.rewind != "none":
        back = f"set back to their values after {_many(r.rewind_epoch, 'epoch')} of dense training and "
        again = f"{back if r.rewind == 'weights' else ''}trained as {network} was after epoch {r.rewind_epoch}"
        return f"{often} the survivors were {again}"
    if all(by == r for by in retrained) and r.gradual:
        start = "from" if r.retrain_schedule == "cosine" else "at"
        cycle = f"{_many(r.rounds * r.retrain_epochs, 'epoch')} {start} {_rate(r)} of the learning rate"
        return f"all within one learning-rate cycle of {cycle}"
    lengths = dict.fromkeys(f"{_many(by.retrain_epochs, 'epoch')} at {_rate(by)}" for by in retrained)
    return f"{often} the survivors were retrained for {' or '.join(lengths)} of the learning rate"


def _rate(r: Recipe) -> str:
    return f"{'' if r.retrain_schedule == 'cosine' else 'a constant '}{r.retrain_rate:g}"


def _target(cut: Snapshot) -> str:
    """The target of a manual cut in words."""
    assert cut.target is not None
    if cut.target.common_density is not None:
        return f"until {percent(cut.target.common_density)} were left"
    if cut.target.density is not None:
        return f"until {percent(cut.density)} were left, by densities of each layer's own"
    return "below qualities of their own" if cut.quality is None else f"below quality {cut.quality:g}"


def _cut(r: Recipe, last: int) -> str:
    """How the recipe's cuts were made up to the round ``last``."""
    if r.rule == "density":
        unit = {"weight": "connections", "neuron": "neurons and filters"}[r.unit]
        place = {"global": "all layers together", "layer": "each layer alone"}[r.scope]
        left = percent(r.target_of_round(last).common_density or 0.0)
        which = "the weakest" if r.criterion == "magnitude" else "randomly chosen"
        back = f"; {r.regrow:g} of as many came back at each cut, where the gradient was largest" if r.regrow else ""
        return f"{which} {unit} of {place} were cut, on a cubic schedule, until {left} were left{back}"
    whose = {"dense": "its dense weights", "survivors": "its surviving weights", "all": "all its weights"}[r.std]
    general = _quality(r, r.quality, last)
    values = [f"but {_quality(r, quality, last, general)} for {name}" for name, quality in r.layer_quality]
    qualities = ", ".join([general, *values])
    return f"connections below quality x standard deviation of {whose} were cut, with a quality {qualities}"


def _quality(r: Recipe, quality: float, last: int, general: str = "") -> str:
    """A quality up to the round ``last``. general: that of the other layers in words, where this is one layer's own."""
    schedule = r.quality_schedule(quality)
    first, now = (f"{schedule.at(number / r.rounds):.3g}" for number in (1, last))
    if first == now:
        return f"of {now}"
    return f"to {now}" if general.startswith("rising") else f"rising from {first} to {now}"


def headline(
    now: Snapshot, measurement: Measurement | None, subject: Subject | None = None
) -> list[tuple[str, str, str]]:
    """The key figures: (name, value, a second line)."""
    density, of_all = key_figures.connections(now)
    rows = [
        (now.objective.metric, *key_figures.accuracy(now)),
        ("density", density, f"{of_all} connections"),
        ("compression", *key_figures.compression(now, subject)),
    ]
    if measurement is not None:
        packed, smaller = key_figures.file(measurement)
        rows.append(("file", packed, f"{smaller}, {kilobytes(measurement.bytes('dense'))}"))
    if measurement is not None and measurement.batches:
        batch = BATCH if BATCH in measurement.batches else measurement.batches[-1]
        rows.append(("speed", *key_figures.speed(measurement, batch)))
    return [*rows, ("zeros still zero", *key_figures.zeros(now))]


def surroundings(measurement: Measurement | None) -> list[tuple[str, str]]:
    """What a run depends on besides the recipe: versions, and the machine (that of the measurement, else this one)."""
    machine = hardware.machine() if measurement is None else measurement.machine
    return [
        ("prunelab", prunelab.__version__),
        ("torch", version("torch")),
        ("Python", platform.python_version()),
        ("machine", f"{machine.processor}, {machine.cores} cores, {machine.system}"),
    ]


def _many(number: int, what: str) -> str:
    return f"{count(number)} {what}" + ("" if number == 1 else "s")
