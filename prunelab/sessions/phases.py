"""Which step (train, prune, retrain) may follow which phase."""

from __future__ import annotations

from prunelab.errors import SessionError
from prunelab.results.snapshot import Phase


def check(step: str, phase: Phase) -> None:
    """Raise SessionError, with what to do instead, if ``step`` ("train", "prune", "retrain") cannot follow ``phase``.

    Any other step, such as "run", is always allowed.
    """
    if step == "train" and phase not in ("new", "training"):
        raise SessionError(f"dense training is over (phase {phase}): prune, or start a new session")
    if step == "retrain" and phase not in ("pruned", "retraining", "retrained"):
        raise SessionError(f"nothing has been pruned yet (phase {phase}): prune first, then retrain")
    if step == "prune" and phase == "new":
        raise SessionError(
            "the network is untrained: pruning by magnitude needs weights that mean something. Train, or, if this is a "
            "model of your own that has learned already, say Session(..., trained=True)"
        )
