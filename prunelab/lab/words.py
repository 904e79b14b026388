"""Words: what the page says about a report, and what can be done now. Pure functions, plain text, no markup."""

from __future__ import annotations

from typing import Any

from prunelab.lab.runner import BUSY, Report
from prunelab.recipe import Recipe
from prunelab.snapshot import Snapshot
from prunelab.views.base import count, percent

BUTTONS = ("train", "prune", "retrain", "run", "pause", "reset")


def title(recipe: Recipe) -> str:
    """The experiment in one line."""
    return f"{recipe.data} · {recipe.model} · seed {recipe.seed}"


def status(report: Report) -> str:
    """What is going on, with progress and time left."""
    words = {"starting": "starting", "ready": "ready", "failed": "stopped", "paused": "paused"}
    text = words.get(report.state, report.doing or report.state)
    if report.state == "starting" and report.doing:
        text = report.doing
    if report.progress is not None:
        text += f" {100 * report.progress:.0f} %"
    if report.left is not None and report.state != "paused":
        text += f" · {_duration(report.left)} left"
    return text


def cards(report: Report) -> list[dict[str, str]]:
    """The numbers on top: name, value, and a second line."""
    now, preview = report.snapshot, report.preview
    if now is None:
        return [
            {"name": name, "value": "–", "more": ""} for name in ("accuracy", "connections", "compression", "zeros")
        ]
    dense = "" if now.dense_accuracy is None else f"dense {percent(now.dense_accuracy)}"
    accuracy = {"name": "accuracy", "value": percent(now.test_accuracy or 0), "more": dense}
    connections = {
        "name": "connections",
        "value": percent(now.density),
        "more": f"{count(now.kept)} of {count(now.total)}",
    }
    compression = {"name": "compression", "value": f"{now.compression:.1f}x", "more": "fewer connections"}
    if preview is not None:
        about = "" if preview.exact else "about "
        accuracy["more"] = f"{about}{percent(preview.test_accuracy or 0)} if cut now"
        connections["more"] = f"{percent(preview.density)} if cut now"
        compression["more"] = f"{preview.compression:.1f}x if cut now"
    holds = "yes" if now.zeros_hold else "NO"
    zeros = {"name": "zeros still zero", "value": holds, "more": f"{count(now.total - now.kept)} cut"}
    return [accuracy, connections, compression, zeros]


def step_of(report: Report) -> str:
    """Which of the three steps is lit: what is being done, or what comes next."""
    doing = _phase(report.snapshot)
    if report.state in BUSY or report.state == "paused":
        return "train" if doing in ("new", "training") else "prune" if doing == "trained" else "retrain"
    return {"new": "train", "training": "train", "pruned": "retrain", "retraining": "retrain"}.get(doing, "prune")


def reasons(report: Report) -> dict[str, str]:
    """Why a button cannot be pressed now, by button; buttons that are not named here can."""
    phase, busy = _phase(report.snapshot), report.state in BUSY
    if busy:
        wait = "Pause the run first" if report.state != "starting" else "The lab is starting"
        no = dict.fromkeys(("train", "prune", "retrain", "run"), wait)
        return no | ({"pause": "Nothing to pause yet", "reset": wait} if report.state == "starting" else {})
    no = {} if report.state == "paused" else {"pause": "Nothing is running"}
    if report.snapshot is None:
        return no | dict.fromkeys(("prune", "retrain", "reset"), "There is no network yet: train one")
    if phase == "new":
        no["prune"] = "Train first: random weights say nothing about what matters"
    if phase in ("new", "training", "trained"):
        no["retrain"] = "Nothing is cut yet: prune first"
    return no


def attributes(report: Report) -> dict[str, str]:
    """The state of the lab as data attributes of its root, for style sheets and tests."""
    shown = report.snapshot
    facts: dict[str, Any] = {"state": report.state, "step": step_of(report), "phase": _phase(shown)}
    if shown is not None:
        facts |= {"round": shown.round, "clock": shown.clock, "kept": shown.kept, "total": shown.total}
        facts |= {"accuracy": f"{shown.test_accuracy:.4f}", "zeros": "yes" if shown.zeros_hold else "no"}
    if report.preview is not None:
        facts |= {"preview": f"{report.preview.quality:.2f}", "preview-kept": report.preview.kept}
        facts |= {"preview-accuracy": f"{report.preview.test_accuracy:.4f}"}
    return {name: str(value) for name, value in facts.items()}


def _phase(snapshot: Snapshot | None) -> str:
    return "new" if snapshot is None else snapshot.phase


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "under 1 s"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
