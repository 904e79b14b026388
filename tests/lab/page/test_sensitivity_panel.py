"""Layers scanned one at a time."""

import pytest

import prunelab as pl
from support.labs import QUICK, press


def test_layers_are_scanned_one_at_a_time_and_the_network_stays_as_it_is(lab):
    lab.choices["sensitivity"].value = True
    before = lab.state.snapshot.scalars()
    lab.panels["sensitivity"].button.click()
    assert lab.wait(60) and lab.state.sensitivity.complete and lab.state.activity == "ready"
    assert lab.state.snapshot.scalars() == before
    assert any(name in lab.panels["sensitivity"].plot.summary for name in ("fc1", "fc2", "fc3"))
    press(lab, "prune")
    assert lab.state.sensitivity is None, "that was another network"


def scanned(lab):
    panel = lab.panels["sensitivity"]
    lab.choices["sensitivity"].value = True
    panel.button.click()
    assert lab.wait(60) and lab.state.sensitivity.complete
    return panel


def test_the_scan_sets_the_layers_own_qualities(lab):
    panel = lab.panels["sensitivity"]
    lab.choices["sensitivity"].value = True
    assert panel.use.disabled and "Scan the layers first" in panel.use.tooltip
    panel = scanned(lab)
    lab.controls["rule"].value = "density"
    lab.wait(60)
    assert not panel.use.disabled
    panel.use.click()
    assert lab.wait(60) and lab.state.trouble is None
    own, scan = dict(lab.recipe.layer_quality), lab.state.sensitivity
    assert lab.recipe.rule == "quality" and set(own) == {"fc1", "fc2", "fc3"}
    scales = {round(own[name.removesuffix(".weight")] / q, 6) for name, q in scan.qualities(0.01).items() if q}
    assert len(scales) == 1, "one scale for what each layer can bear alone"
    preview = lab.state.preview
    assert preview.exact and scan.accuracy - preview.test_accuracy <= 0.01 + 1e-9
    assert lab.layers.sliders["fc1"].value == own["fc1"], "the sliders say it"
    assert f"{100 * preview.test_accuracy:.1f} % right" in lab.state.notice and "same 3" in lab.state.notice
    press(lab, "prune")
    assert lab.state.snapshot.kept < lab.state.snapshot.total


def test_qualities_of_a_network_that_is_cut_are_not_used(lab):
    press(lab, "prune")
    panel = scanned(lab)
    assert panel.use.disabled and "Reset" in panel.use.tooltip
    press(lab, "reset")
    scanned(lab)
    assert not panel.use.disabled


def test_a_network_that_was_sparse_from_the_start_has_no_dense_weights_to_go_back_to():
    model = pl.Session(QUICK).model
    masks = pl.Masks(model)
    masks.prune(density=0.5)
    lab = pl.Lab(QUICK, model=model, masks=masks, trained=True)
    assert lab.wait(60)
    panel = scanned(lab)
    assert panel.use.disabled and "sparse from the start" in panel.use.tooltip and "Reset" not in panel.use.tooltip
    lab.stop()


@pytest.mark.parametrize("ramp", [True, False])
def test_after_one_round_the_network_is_cut_at_these_qualities(ramp):
    lab = pl.Lab(QUICK.changed(rounds=1, ramp=ramp), measure=False)
    assert lab.wait(60)
    scanned(lab).use.click()
    assert lab.wait(60)
    kept = lab.state.preview.kept
    press(lab, "prune")
    assert lab.state.snapshot.kept == kept
    lab.stop()
