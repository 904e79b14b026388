"""A page that is saved as HTML has all that its widgets need: their scripts first of all."""

from __future__ import annotations

from ipywidgets import embed

import prunelab as pl
from support.labs import QUICK


def test_what_is_left_out_of_a_saved_page_by_default_is_nothing_of_ours():
    lab = pl.Lab(QUICK, measure=False)
    assert lab.wait(60)
    try:
        saved = embed.dependency_state([lab], drop_defaults=True)
        whole = embed.dependency_state([lab], drop_defaults=False)
    finally:
        lab.stop()
    ours = [name for name, widget in whole.items() if "_esm" in widget["state"] or "code" in widget["state"]]
    assert len(ours) > 20
    for name in ours:
        assert saved[name]["state"].keys() == whole[name]["state"].keys()
