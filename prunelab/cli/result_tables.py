"""The result of a session, as JSON types and as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from prunelab.formatting import percent, times

if TYPE_CHECKING:
    from prunelab.results.snapshot import Snapshot
    from prunelab.sessions.session import Session


def as_dict(session: Session) -> dict[str, Any]:
    """A session's recipe, current state, layers and rounds, as JSON types. Accuracies and densities are 0 to 1."""
    now = session.snapshot()
    return {
        "prunelab_result": 1,
        "recipe": session.recipe.to_dict(),
        "key": session.recipe.key,
        "phase": now.phase,
        "round": now.round,
        "steps": now.clock,
        "accuracy": now.test_accuracy,
        "dense_accuracy": now.dense_accuracy,
        "kept": now.kept,
        "total": now.total,
        "density": now.density,
        "compression": now.compression,
        "zeros_hold": now.zeros_hold,
        "layers": [
            {
                "name": layer.name,
                "shape": list(layer.shape),
                "kept": layer.kept,
                "total": layer.total,
                "density": layer.density,
                "threshold": layer.threshold,
                "deviation": layer.deviation,
            }
            for layer in now.layers
        ],
        "rounds": [row for number in range(1, now.round + 1) if (row := _round(number, session)) is not None],
    }


def _round(number: int, session: Session) -> dict[str, Any] | None:
    """The figures of a round; accuracy_retrained is None until the round has ended.

    None for a round that the history of a very large network had no memory for.
    """
    snapshots = [snapshot for snapshot in session.history if snapshot.round == number]
    pruned = _last(snapshots, "pruned")
    retrained = _last(snapshots, "retrained")
    shown = retrained or pruned
    if shown is None:
        return None
    return {
        "round": number,
        "quality": shown.quality,
        "density": shown.density,
        "compression": shown.compression,
        "accuracy_pruned": None if pruned is None else pruned.test_accuracy,
        "accuracy_retrained": None if retrained is None else retrained.test_accuracy,
    }


def _last(snapshots: list[Snapshot], phase: str) -> Snapshot | None:
    return next((snapshot for snapshot in reversed(snapshots) if snapshot.phase == phase), None)


def tables(result: dict[str, Any]) -> list[Table]:
    """The result of ``as_dict`` as tables: layers, then rounds."""
    return [_layers(result), *([_rounds(result)] if result["rounds"] else [])]


def _layers(result: dict[str, Any]) -> Table:
    accuracy = exact(result["accuracy"])
    if result["dense_accuracy"] is not None:
        accuracy += f" (dense {exact(result['dense_accuracy'])})"
    zeros = "zeros still zero" if result["zeros_hold"] else "ZEROS CAME BACK"
    table = Table(title=f"accuracy {accuracy} · {times(result['compression'])} fewer connections · {zeros}")
    table.add_column("layer")
    for name in ("kept", "total", "density", "threshold"):
        table.add_column(name, justify="right")
    for layer in result["layers"]:
        table.add_row(layer["name"], *_kept(layer), _number(layer["threshold"]))
    table.add_section()
    table.add_row("all", *_kept(result), "")
    return table


def _rounds(result: dict[str, Any]) -> Table:
    table = Table(title="rounds")
    for name in ("round", "quality", "density", "compression", "accuracy when cut", "retrained"):
        table.add_column(name, justify="right")
    for row in result["rounds"]:
        table.add_row(
            str(row["round"]), _number(row["quality"]), exact(row["density"]), times(row['compression']),
            exact(row["accuracy_pruned"]), exact(row["accuracy_retrained"]),
        )  # fmt: skip
    return table


def _kept(part: dict[str, Any]) -> tuple[str, str, str]:
    return f"{part['kept']:,}", f"{part['total']:,}", exact(part["density"])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def exact(share: float | None) -> str:
    """A share of 0 to 1 as a percentage with two decimals; a dash for None."""
    return "–" if share is None else percent(share, 2)
