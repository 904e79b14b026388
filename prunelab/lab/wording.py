"""The texts of the page: the state of the lab, and what can be done now. Pure functions, plain text, no markup."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from prunelab.formatting import layer_of, percent, time_left
from prunelab.lab.messages import BUSY, LabState
from prunelab.recipe import OWN, Recipe
from prunelab.results.budget import Budget
from prunelab.results.measurement import BATCH
from prunelab.results.snapshot import Snapshot
from prunelab.results.subject import Subject
from prunelab.views import key_figures

# The cards' names, and the term in the glossary that explains each.
CARD_TERMS = {
    "accuracy": "accuracy",
    "connections": "connections",
    "effective": "effective density",
    "compression": "compression",
    "dropout": "dropout adjustment",
    "file": "file",
    "speed": "speed",
    "zeros still zero": "zeros still zero",
}
CARDS = tuple(CARD_TERMS)

# Accuracy, or part of another metric's scale, that a cut costs, from which the page points out the way back.
DEEP = 0.3
UNMENDED = 0.05  # the same after retraining: 18 of the 360 test digits, far beyond their noise

TIPS = {
    "train": "Train a dense network from the start, by the settings above",
    "prune": "Cut now, as the settings of this step say",
    "retrain": "Train the survivors",
    "run": "Train if needed, then prune and retrain round after round",
    "pause": "Hold the run after this batch, or go on",
    "reset": "Back to the dense trained network",
    "measure": "Measure bytes and latency of the network as it is now",
}

# Of buttons whose label is another word than the action that they ask for.
LABELS = {
    "run": "Run all",
    "scan": "Scan layers",
    "budget": "Use these",
    "tradeoff": "Draw the curve",
    "load": "Load this run",
}

# What takes the page's network, or changes it: one at a time.
EXCLUSIVE = ("train", "prune", "retrain", "run", "measure", "scan", "budget", "compare", "tradeoff", "load")

# Of a slider that is let go with the switch "live".
WAITS_FOR_COMPARISON = (
    "A comparison is on the page: letting go of a slider starts no run. Wait, or press Stop; then let go of it again."
)


def label(button: str, state: LabState) -> str:
    """The label of a button."""
    if button == "pause" and state.activity == "paused":
        return "Resume"
    if button == "reset" and state.comparing:
        return "Stop"
    return LABELS.get(button, button.capitalize())


def tip(button: str, state: LabState) -> str:
    """What a button does."""
    if button == "reset" and state.comparing:
        return "Leave the comparison: your network comes back as it was"
    return TIPS[button]


def title(recipe: Recipe, subject: Subject | None = None) -> str:
    """The experiment in one line. subject: names custom data and models; while a run begins, the last run's."""
    names = subject or Subject.of(recipe)
    data = names.data if recipe.data == OWN else recipe.data
    model = names.model if recipe.model == OWN else recipe.model
    return f"{data} · {model} · seed {recipe.seed}"


def status(state: LabState) -> str:
    """The current activity, with progress and time left."""
    words = {"starting": "starting", "ready": "ready", "failed": "stopped", "paused": "paused"}
    text = words.get(state.activity, state.doing or state.activity)
    if state.activity == "starting" and state.doing:
        text = state.doing
    if state.progress is not None:
        text += f" {100 * state.progress:.0f} %"
    if state.left is not None and state.activity != "paused":
        text += f" · {time_left(state.left)} left"
    return f"{state.comparing} · {text}" if state.comparing else text


def doing(snapshot: Snapshot) -> str:
    """The step that a run is at: "training", or round and phase."""
    if snapshot.round == 0:
        return "training"
    return f"round {snapshot.round} of {max(snapshot.rounds, snapshot.round)}: {snapshot.phase}"


def about_to_lose(preview: Snapshot | None) -> str | None:
    """A warning that a cut would leave nothing of a layer; None where it would not."""
    lost = "" if preview is None else _spared(preview)
    return f"Too deep: {lost} would lose every connection; the strongest one will be kept." if lost else None


def was_spared(pruned: Snapshot) -> str | None:
    """A warning, after a cut, that the strongest connection of a layer was spared; None if none was."""
    lost = _spared(pruned)
    less = "Ask for a higher density." if pruned.target is not None and pruned.target.density else "Lower the quality."
    return f"{lost} would have lost every connection: the strongest one was kept. {less}" if lost else None


def went_too_deep(snapshot: Snapshot | None) -> str | None:
    """A word after a cut that cost much, or that retraining could not mend: what it cost, and the way back."""
    if snapshot is None or snapshot.test_accuracy is None or snapshot.dense_accuracy is None:
        return None
    objective = snapshot.objective
    lost = snapshot.dense_accuracy - snapshot.test_accuracy
    lost /= objective.scale(snapshot.dense_accuracy, snapshot.test_accuracy)
    fell = f"from {objective.text(snapshot.dense_accuracy)} to {objective.text(snapshot.test_accuracy)}"
    retrained = snapshot.phase == "retrained" and snapshot.steps > 0  # a round that only cuts has no steps
    if retrained and lost >= UNMENDED:
        return (
            f"Retraining did not mend this cut: {objective.metric} is down {fell}. "
            f"Reset goes back to {snapshot.origin.network}; cut less, or in more rounds."
        )
    if snapshot.phase in ("pruned", "retrained") and not retrained and lost >= DEEP:
        deep = f"This cut was deep: {objective.metric} fell {fell}."
        if snapshot.recipe.retrain_epochs:
            return f"{deep} Retrain and see what comes back, or Reset to {snapshot.origin.network}."
        return f"{deep} Reset goes back to {snapshot.origin.network}; nothing is retrained while its epochs are 0."
    return None


def _spared(snapshot: Snapshot) -> str:
    return ", ".join(layer_of(layer.name) for layer in snapshot.layers if layer.spared)


def budget_kept(budget: Budget) -> str:
    """A notice about qualities per layer that keep a budget: what they cost, and on which samples that was found."""
    objective, chosen = budget.objective, budget.chosen
    within = objective.gap(budget.tolerance)
    if not budget.scale:
        return f"No cut of all layers together loses at most {within}: their qualities are 0, nothing would be cut."
    lost = f"{objective.gap(chosen.lost)} {'less' if chosen.lost >= 0 else 'more'} than dense"
    return (
        f"These qualities keep {percent(budget.density)} of the connections, {objective.says(chosen.after)}, {lost}; "
        f"at most {within} were to be lost. They were chosen on the same {chosen.samples:,} test samples."
    )


def left_out(unknown: Iterable[str], layers: Iterable[str]) -> str:
    """A notice about qualities of unknown layers. layers: parameter names of the layers that the network has."""
    known = ", ".join(map(layer_of, layers))
    return f"quality of {', '.join(unknown)}: left out, this network's layers are {known}."


def cards(state: LabState) -> list[dict[str, str]]:
    """The cards at the top of the page: "name", "value", and "more", a second line."""
    now, preview = state.viewed or state.snapshot, None if state.viewed else state.preview
    if now is None:
        return [{"name": name, "value": "–", "more": ""} for name in CARDS]
    accuracy = _card(now.objective.metric, *key_figures.accuracy(now))
    connections = _card("connections", *key_figures.connections(now))
    compression = _card("compression", *key_figures.compression(now, state.subject))
    dropout = _card("dropout", *key_figures.dropout(now))
    effective = _card("effective", *key_figures.effective(now))
    if preview is not None:
        about = "" if preview.exact else "about "
        accuracy["more"] = f"{about}{key_figures.right(preview)} if cut now"
        connections["more"] = f"{key_figures.connections(preview)[0]} if cut now"
        uncounted = key_figures.uncounted(state.subject)
        compression["more"] = f"{key_figures.compression(preview)[0]} if cut now" + (
            f"; {uncounted}" if uncounted else ""
        )
        if preview.dropouts:
            dropout["more"] = f"{key_figures.dropout(preview)[0]} if cut now"
        if preview.effective is not None:
            effective["more"] = f"{key_figures.effective(preview)[0]} if cut now"
    zeros = _card("zeros still zero", *key_figures.zeros(now))
    return [accuracy, connections, effective, compression, dropout, *_measured(state), zeros]


def concealed(state: LabState, waits: bool) -> LabState:
    """The state without what is still to be guessed: the preview's accuracy and, if a guess ``waits`` for its result,
    the accuracies of the run.
    """

    def hidden(snapshot: Snapshot | None) -> Snapshot | None:
        if snapshot is None:
            return None
        return replace(snapshot, test_accuracy=None, test_loss=None, train_loss=None, predicted=snapshot.predicted[:0])

    state = replace(state, preview=hidden(state.preview))
    if not waits:
        return state
    return replace(state, snapshot=hidden(state.snapshot), history=(), viewed=None, warning=None)


def _measured(state: LabState) -> list[dict[str, str]]:
    """The cards of file size and speed, also where nothing was gained. Earlier snapshots were not measured."""
    measurement = state.measurement
    file = speed = ("–", "not measured yet" if state.viewed is None else "measured at the end only")
    if measurement is not None and state.viewed is None:
        file = key_figures.file(measurement)
        speed = key_figures.speed(measurement, BATCH) if BATCH in measurement.batches else speed
    return [_card("file", *file), _card("speed", *speed)]


def _card(name: str, value: str, more: str) -> dict[str, str]:
    return {"name": name, "value": value, "more": more}


def story(state: LabState) -> str:
    """The page's main finding in a sentence or two, for screen readers; empty while something runs."""
    now, preview = state.viewed or state.snapshot, None if state.viewed else state.preview
    if now is None or state.activity in BUSY:
        return ""
    kept = f"{percent(now.density)} of the connections are left, {now.objective.metric} {key_figures.right(now)}."
    if preview is None:
        return kept
    quality = "" if preview.quality is None else f"At quality {preview.quality:.2f} "
    own = {layer.quality for layer in preview.layers}
    quality = "At these qualities " if quality and len(own) > 1 else quality
    fall = f"{percent(preview.density)} would be left, {now.objective.metric} {key_figures.right(preview)}."
    return f"{quality}{fall} Now {kept}"


def step_of(state: LabState) -> str:
    """Which of the three steps is highlighted: the one that runs, or the one that comes next."""
    doing = _phase(state.snapshot)
    if state.activity in BUSY or state.activity == "paused":
        return "train" if doing in ("new", "training") else "prune" if doing == "trained" else "retrain"
    return {"new": "train", "training": "train", "pruned": "retrain", "retraining": "retrain"}.get(doing, "prune")


def reasons(state: LabState) -> dict[str, str]:
    """{button: why it is disabled now}; buttons that are not in it are enabled."""
    phase, busy = _phase(state.snapshot), state.activity in BUSY
    if busy:
        wait = "Pause the run first" if state.activity != "starting" else "The lab is starting"
        no = dict.fromkeys(EXCLUSIVE, wait)
        return no | ({"pause": "Nothing to pause yet", "reset": wait} if state.activity == "starting" else {})
    if state.comparing and state.activity == "paused":  # it is no network of the visitor's that is on the page
        no = dict.fromkeys(EXCLUSIVE, "A comparison is paused: resume or stop it")
        del no["compare"]  # another one may take its place
        return no
    no = {} if state.activity in ("paused", "measuring", "scanning", "tracing") else {"pause": "Nothing is running"}
    if state.activity == "tracing":
        no |= dict.fromkeys(("tradeoff", "load"), "Wait, or stop the curve first")
    if state.snapshot is None:
        nothing = ("prune", "retrain", "reset", "measure", "scan", "budget", "tradeoff")
        return no | dict.fromkeys(nothing, "There is no network yet: train one")
    if phase == "new":
        no["prune"] = "Train first: random weights say nothing about what matters"
    if phase in ("new", "training", "trained"):
        no["retrain"] = "Nothing is cut yet: prune first"
    return no


def attributes(state: LabState) -> dict[str, str]:
    """The state of the lab as data attributes of its root element, for style sheets and tests."""
    shown = state.viewed or state.snapshot
    facts: dict[str, Any] = {"state": state.activity, "step": step_of(state), "phase": _phase(shown)}
    if state.comparing:
        facts["comparing"] = "yes"
    if shown is not None:
        facts |= {"round": shown.round, "clock": shown.clock, "kept": shown.kept, "total": shown.total}
        facts |= {"accuracy": _four(shown.test_accuracy), "zeros": "yes" if shown.zeros_hold else "no"}
    if state.preview is not None and state.viewed is None:
        preview = state.preview
        target = f"{preview.quality:.2f}" if preview.quality is not None else f"{preview.density:.2f}"
        facts |= {"preview": target, "preview-kept": preview.kept, "preview-accuracy": _four(preview.test_accuracy)}
    return {name: str(value) for name, value in facts.items()}


def _four(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _phase(snapshot: Snapshot | None) -> str:
    return "new" if snapshot is None else snapshot.phase
