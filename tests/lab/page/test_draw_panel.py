"""Drawings, read by the dense network and by the pruned one."""

import pytest
import torch

from support.labs import press
from support.messages import say


def test_a_drawing_is_read_by_both_networks(lab):
    lab.choices["draw"].value = True
    panel = lab.panels["draw"]
    assert tuple(panel.sheet.size) == (8, 8)
    say(panel.sheet, {"kind": "example"})
    lab.wait(60)
    reading = lab.state.classification
    assert len(reading.dense) == len(reading.pruned) == 10 and abs(sum(reading.dense) - 1) < 1e-6
    assert reading.dense == reading.pruned, "nothing is cut yet"
    press(lab, "prune")
    say(panel.sheet, {"kind": "example"})
    lab.wait(60)
    assert lab.state.classification.dense != lab.state.classification.pruned
    panel.sheet.clear()
    lab.wait(60)
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
