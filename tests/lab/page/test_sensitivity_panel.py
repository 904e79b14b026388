"""Layers scanned one at a time."""

from support.labs import press


def test_layers_are_scanned_one_at_a_time_and_the_network_stays_as_it_is(lab):
    lab.choices["sensitivity"].value = True
    before = lab.state.snapshot.scalars()
    lab.panels["sensitivity"].button.click()
    assert lab.wait(60) and lab.state.sensitivity.complete and lab.state.activity == "ready"
    assert lab.state.snapshot.scalars() == before
    assert any(name in lab.panels["sensitivity"].plot.summary for name in ("fc1", "fc2", "fc3"))
    press(lab, "prune")
    assert lab.state.sensitivity is None, "that was another network"
