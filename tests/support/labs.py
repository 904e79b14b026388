"""Labs in a script, as their tests use them: pressed, and waited for by what they report."""

import os
import threading
from pathlib import Path

import prunelab as pl

QUICK = pl.Recipe(model="mlp-small", epochs=3, retrain_epochs=2, rounds=2)
LINK = QUICK.to_query()
LONG = pl.Recipe(model="mlp-small", epochs=10000)


def press(lab: pl.Lab, name: str) -> None:
    assert not lab.buttons[name].disabled, lab.buttons[name].tooltip
    lab.buttons[name].click()
    assert lab.wait(60)


def reached(lab: pl.Lab, test, seconds: float = 60) -> None:
    """Wait until the page shows such a state."""
    seen = threading.Event()

    def listen(state):
        if test(state):
            seen.set()

    lab.on_state(listen)
    assert seen.wait(seconds)
    lab.on_state(listen, remove=True)


def usable(lab: pl.Lab) -> None:
    press(lab, "train")
    assert lab.status.trouble == "" and lab.state.snapshot.phase == "trained"


def address(lab: pl.Lab, query: str = LINK) -> str:
    return f"{query}&session={lab.status.session}"


def folder(lab: pl.Lab) -> Path:
    return Path(os.environ["PRUNELAB_CACHE"]) / "visits" / lab.status.session
