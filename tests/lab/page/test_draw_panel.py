"""Drawings, read by the dense network and by the pruned one."""

import copy

import numpy as np
import pytest
import torch
from torch.nn.utils import prune

from support.labs import press, reached
from support.messages import say


def test_a_drawing_is_read_by_both_networks(lab):
    lab.choices["draw"].value = True
    panel = lab.panels["draw"]
    assert tuple(panel.sheet.size) == (8, 8)
    say(panel.sheet, {"kind": "example"})
    lab.wait(60)
    reading = lab.state.classification
    assert len(reading.dense) == len(reading.pruned) == 10 and abs(sum(reading.dense) - 1) < 1e-6
    assert reading.dense == reading.pruned != reading.preview, "nothing is cut yet"
    press(lab, "prune")
    say(panel.sheet, {"kind": "example"})
    lab.wait(60)
    assert lab.state.classification.dense != lab.state.classification.pruned
    panel.sheet.clear()
    lab.wait(60)
    assert lab.state.classification.preview is None
    assert not any(lab.state.classification.dense) and "raw a digit" in panel.plot.summary


def test_a_drawing_is_read_anew_when_the_networks_change(lab):
    panel = lab.panels["draw"]
    lab.choices["draw"].value = True
    picture = lab.state.data.test_x[0, 0]
    panel.sheet.value = (255 * picture).round().byte().numpy().tobytes()
    assert lab.wait(60)
    before = lab.state.classification
    assert before.dense == pytest.approx(before.pruned)
    lab.controls["quality"].value = 2.0
    press(lab, "prune")
    after = lab.state.classification
    assert after.dense == pytest.approx(before.dense) and after.pruned != pytest.approx(before.pruned)
    with torch.no_grad():
        scores = lab.session.model.eval()(torch.from_numpy(panel.sheet.prepared()).reshape(1, 1, 8, 8))
    assert after.pruned == pytest.approx(scores.double().softmax(1)[0].tolist(), abs=1e-6)
    assert [bar["x"] for bar in panel.plot.figure["data"]][1] == [round(100 * p, 2) for p in after.pruned]


def test_while_the_slider_moves_the_drawing_is_read_as_the_cut_would_leave_it(lab):
    panel = lab.panels["draw"]
    lab.choices["draw"].value = True
    picture = lab.state.data.test_x[3, 0]
    panel.sheet.value = (255 * picture).round().byte().numpy().tobytes()
    assert lab.wait(60)
    x = torch.from_numpy(panel.sheet.prepared()).reshape(1, 1, 8, 8)
    seen = set()
    for quality in (0.3, 1.2, 2.4):
        lab.controls["quality"].value = quality
        assert lab.wait(60)
        read = lab.state.classification
        # The oracle: the cut, by torch alone.
        twin = copy.deepcopy(lab.session.model).eval()
        for layer in twin:
            if isinstance(layer, torch.nn.Linear):
                deviation = layer.weight.detach().double().std(correction=0)
                prune.l1_unstructured(layer, "weight", int((layer.weight.abs() <= quality * deviation).sum()))
        with torch.no_grad():
            assert read.preview == pytest.approx(twin(x).double().softmax(1)[0].tolist(), abs=1e-5)
        assert read.pruned == read.dense
        bars = {bar["name"]: bar["x"] for bar in panel.plot.figure["data"]}
        assert bars["if cut now"] == [round(100 * p, 2) for p in read.preview]
        assert "if cut now" in panel.plot.figure["layout"]["title"]["text"]
        seen.add(read.preview)
    assert len(seen) == 3
    press(lab, "prune")
    assert lab.state.classification.preview is None
    assert lab.state.classification.pruned == pytest.approx(read.preview, abs=1e-6)


def test_a_drawing_on_a_sheet_of_another_size_costs_no_run(lab):
    """It was drawn while other data were on their way to the page."""
    lab.controls["epochs"].value = 3000
    lab.buttons["train"].click()
    reached(lab, lambda state: state.activity == "training" and state.snapshot.clock > 20)
    lab.hand.submit("read", about=np.ones((28, 28), np.float32))
    at = lab.state.snapshot.clock
    reached(lab, lambda state: state.activity == "training" and state.snapshot.clock > at + 50)
    assert lab.state.trouble is None
    lab.controls["quality"].value = 0.7
    reached(lab, lambda state: state.preview is not None and state.preview.quality == 0.7)
    assert lab.state.trouble is None
