"""Links that a lab follows and makes."""

import pytest

import prunelab as pl
from prunelab.serve import visitor
from support.labs import press, usable


@pytest.mark.parametrize(
    ("link", "said"),
    [("quality=nan", "quality = nan"), ("rounds=-3", "rounds = -3"), ("nonsense=1", "nonsense"), ("data=cats", "cats")],
)
def test_a_bad_link_changes_nothing_and_is_told(lab, link, said):
    before = lab.recipe
    lab.follow(link)
    assert said in lab.status.trouble and "Nothing was changed" in lab.status.trouble and lab.recipe == before
    usable(lab)


def test_a_good_link_sets_the_controls_and_trains_if_it_must(lab):
    lab.follow("model=mlp-small&epochs=2&quality=0.7&seed=3")
    lab.wait(60)
    assert lab.session.recipe.seed == 3 and lab.controls["quality"].value == 0.7
    network = lab.session
    lab.follow("model=mlp-small&epochs=2&quality=0.9&seed=3&std=all")
    lab.wait(60)
    assert lab.session is network, "no new network for settings of pruning"
    preview = lab.state.preview
    assert lab.recipe.std == preview.recipe.std == "all" and preview.quality == 0.9
    press(lab, "prune")
    assert lab.session.recipe.std == "all"


def test_a_link_to_own_data_or_a_monstrous_number_is_told(lab):
    for link, said in (("data=own", "whose own?"), ("model=own", "whose own?"), ("seed=" + "9" * 400, "seed")):
        before = lab.recipe
        lab.follow(link)
        assert said in lab.status.trouble and lab.recipe == before
    usable(lab)


def test_a_quality_for_a_layer_that_is_not_there_is_left_out_and_told(lab):
    lab.follow("model=mlp-small&epochs=3&retrain_epochs=2&rounds=2&quality.fc9=1&quality.fc1=0.4")
    lab.wait(60)
    assert "fc9" in lab.status.trouble and lab.recipe.layer_quality == (("fc1", 0.4),)
    press(lab, "prune")
    assert lab.session.recipe.layer_quality == (("fc1", 0.4),)
    lab.controls["quality"].value = 1.1
    lab.wait(60)
    assert lab.recipe.layer_quality == (("fc1", 0.4),), "it is told once, and nothing of it is left"
    press(lab, "train")
    assert lab.state.snapshot.phase == "trained"


def test_a_link_says_all_that_is_on_the_page_and_brings_it_back(lab):
    lab.controls["quality"].value = 0.9
    lab.choices["pixels"].value = False
    lab.choices["size"].value = False
    query = lab.link()
    assert "hide=pixels,size" in query and "quality=0.9" in query and "model=mlp-small" in query
    lab.choices["pixels"].value = True
    other = pl.Lab(start=False)
    other.follow(query)
    other.wait(60)
    assert other.recipe == lab.recipe and other.options.hide == ("pixels", "size")
    assert other.panels["pixels"].layout.display == "none" and not other.choices["pixels"].value
    assert other.session.recipe.quality == 0.9
    other.stop()


def test_a_visitors_link_is_read_over_the_servers_own(monkeypatch):
    monkeypatch.setenv("PRUNELAB_LINK", "model=mlp-small&epochs=2&guess=true&lock=data&quality.fc1=0.4&rounds=7")
    monkeypatch.setattr(visitor, "query", lambda: "quality=1.2&lock=seed")
    lab = pl.Lab.for_page(measure=False)
    assert lab.wait(60)
    assert lab.recipe == pl.Recipe(model="mlp-small", epochs=2, quality=1.2, layer_quality={"fc1": 0.4}, rounds=7)
    assert lab.options.guess and lab.options.lock == ("data", "seed")
    lab.controls["rounds"].value = pl.Recipe().rounds  # what is usual elsewhere, but not here
    lab.layers.own = {}
    link, wanted = lab.link(), lab.recipe
    monkeypatch.setattr(visitor, "query", lambda: link)
    other = pl.Lab.for_page(measure=False)
    assert other.wait(60)
    assert other.recipe.rounds == wanted.rounds and other.options == lab.options
    assert other.recipe.quality == 1.2 and dict(other.recipe.layer_quality) == {"fc1": 1.2}, "as the common one"
    lab.stop()
    other.stop()
