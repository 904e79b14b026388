"""Links that a lab follows and makes."""

import pytest

import prunelab as pl
from prunelab.lab.widgets.shared_looks import is_shown
from prunelab.serve import visitor
from support.labs import press, usable


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("quality=nan", "quality = nan"),
        ("rounds=-3", "rounds = -3"),
        ("data=cats", "cats"),
        ("optimizer=adm", "mean adam"),
    ],
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


def test_misspelt_keys_are_named_and_the_rest_of_the_link_counts(lab):
    before = lab.recipe
    lab.follow("v=2&utm_source=<b>news</b>&quality=0.7&theme=dark&raunds=5&hide=mask&session=secret")
    lab.wait(60)
    assert lab.recipe == before.changed(quality=0.7) and lab.options.hide == ("mask",)
    notice = lab.status.trouble
    assert "this link: raunds (did you mean rounds?). The rest of it counts" in notice
    assert "secret" not in notice and "could not be used" not in notice
    usable(lab)


def test_another_optimizer_by_link_learns_at_the_rate_that_suits_it():
    lab = pl.Lab(pl.Recipe(model="mlp-small", epochs=10), measure=False, start=False)
    lab.follow("v=2&optimizer=adam")
    assert lab.wait(60)
    assert lab.session.recipe == pl.Recipe(model="mlp-small", epochs=10, optimizer="adam")
    assert lab.session.recipe.learning_rate == lab.controls["learning_rate"].value == 0.01
    assert lab.state.snapshot.test_accuracy > 0.9, "at the rate of SGD it would not have learned"
    lab.stop()


def test_what_a_run_leaves_on_the_page_is_as_usual_as_before():
    lab = pl.Lab(pl.Recipe(model="mlp-small", retrain_epochs=2, rounds=1), measure=False)
    assert lab.wait(60)
    lab.follow("v=2&quality=0.8")
    assert lab.wait(60)
    press(lab, "run")
    assert lab.recipe.usual == lab.session.recipe.usual == ("learning_rate", "epochs", "scope")
    lab.controls["optimizer"].value, lab.controls["data"].value = "adam", "mnist"
    assert lab.recipe == pl.Recipe(
        model="mlp-small", retrain_epochs=2, rounds=1, quality=0.8, optimizer="adam", data="mnist"
    )
    press(lab, "prune")  # of the network that is there, which was trained on digits
    assert lab.session.recipe.data == "digits" and lab.session.recipe.usual == ("learning_rate", "epochs", "scope")
    lab.stop()


def test_a_step_takes_the_number_that_stands_in_its_control():
    """The choice of other data is for the next training; until then the network is the one that there is."""
    lab = pl.Lab(pl.Recipe(model="mlp-small", epochs=3), measure=False)
    assert lab.wait(60)
    lab.controls["data"].value = "mnist"
    assert lab.controls["retrain_epochs"].value == 3
    press(lab, "prune")
    press(lab, "retrain")
    assert (lab.session.recipe.data, lab.session.recipe.retrain_epochs) == ("digits", 3)
    lab.stop()


def test_a_saved_session_comes_back_as_usual_as_it_was(tmp_path):
    recipe = pl.Recipe(model="mlp-small", retrain_epochs=20, epochs=2)  # 20 are usual, but here they were wanted
    first = pl.Lab(recipe, directory=tmp_path, measure=False)
    assert first.wait(60)
    first.stop()
    lab = pl.Lab(directory=tmp_path, measure=False)
    assert lab.wait(60)
    assert lab.recipe == recipe and lab.recipe.usual == ("learning_rate", "scope")
    lab.controls["optimizer"].value = "adam"
    assert lab.controls["learning_rate"].value == 0.01
    lab.stop()


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
    assert not is_shown(other.panels["pixels"]) and not other.choices["pixels"].value
    assert other.session.recipe.quality == 0.9
    other.stop()


def test_a_visitors_link_is_read_over_the_servers_own(monkeypatch):
    monkeypatch.setenv("PRUNELAB_LINK", "v=2&model=mlp-small&epochs=2&guess=true&lock=data&quality.fc1=0.4&rounds=7")
    monkeypatch.setattr(visitor, "query", lambda: "v=2&quality=1.2&lock=seed")
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
    assert other.recipe.quality == 1.2 and not other.recipe.layer_quality, "it follows the common one"
    lab.stop()
    other.stop()


def test_the_address_follows_the_page_where_the_page_followed_its_address(monkeypatch):
    monkeypatch.setenv("PRUNELAB_LINK", "v=2&model=mlp-small&epochs=2&rounds=7")
    monkeypatch.setenv("VOILA_KERNEL_ID", "1")
    monkeypatch.setattr(visitor, "query", lambda: "theme=dark&v=2&quality=1.20&optimiser=adam")
    lab = pl.Lab.for_page(measure=False)
    assert lab.wait(60)
    assert lab.status.query is None, "nothing has changed yet"
    lab.controls["optimizer"].value = "adam"
    assert lab.status.query == "v=2&model=mlp-small&optimizer=adam&epochs=2&quality=1.2&rounds=7" == lab.link()
    lab.controls["rounds"].value = 3
    lab.controls["quality"].value = 1.5
    lab.choices["pixels"].value = False
    lab.wait(60)
    assert lab.status.query == lab.link() == "v=2&model=mlp-small&optimizer=adam&epochs=2&rounds=3&hide=pixels"
    lab.controls["batch_size"].value = 1
    lab.controls["batch_norm"].value = True
    lab.wait(60)
    assert "batch_size=1" in lab.status.query and "batch_norm" not in lab.status.query, "the last that can be followed"
    lab.stop()


def test_a_refused_link_stays_in_the_address_until_something_changes(monkeypatch):
    monkeypatch.setenv("VOILA_KERNEL_ID", "1")
    monkeypatch.setattr(visitor, "query", lambda: "rounds=0&model=mlp-small")
    lab = pl.Lab.for_page(measure=False)
    assert lab.wait(60)
    assert lab.status.query is None and "rounds = 0" in lab.status.trouble
    lab.controls["seed"].value = 1
    assert lab.status.query == "v=2&seed=1"
    lab.controls["seed"].value = 0
    assert lab.status.query == "v=2", "what the link said is not on the page"
    lab.stop()


def test_the_address_of_a_notebook_is_not_ours(lab):
    lab.controls["quality"].value = 0.9
    lab.wait(60)
    assert lab.status.query is None
    page = pl.Lab.for_page(measure=False)  # outside of Voila
    page.controls["seed"].value = 3
    assert page.wait(60) and page.status.query is None
    page.stop()


def test_a_link_of_an_earlier_version_means_what_it_meant_and_one_of_a_newer_is_told(lab):
    lab.follow("rule=density&unit=neuron&density=0.5")
    assert lab.wait(60)
    assert (lab.recipe.retrain_rate, lab.recipe.scope) == (0.1, "global")
    assert lab.link().startswith("v=2&") and "retrain_rate=0.1" in lab.link() and "scope=global" in lab.link()
    before = lab.recipe
    lab.follow("v=99&quality=0.3")
    assert "newer prunelab" in lab.status.trouble and "Nothing was changed" in lab.status.trouble
    assert lab.recipe == before
    usable(lab)


@pytest.mark.parametrize("key", ["show", "hide", "lock"])
@pytest.mark.parametrize("names", ["data", None, 3], ids=str)
def test_what_is_no_list_of_names_is_said_as_it_was_given(key, names):
    with pytest.raises(pl.RecipeError, match=f"{key} = {names!r}: must be a list of names"):
        pl.Lab(start=False, **{key: names})


def test_names_may_come_from_an_iterator():
    lab = pl.Lab(start=False, hide=(name for name in ("size", "speed")))
    assert lab.options.hide == ("size", "speed")
    lab.close()


@pytest.mark.parametrize("query", ["quality=2.5", "quality=2.5&epochs=2"])
def test_a_link_counts_although_what_the_one_before_set_is_not_drawn_yet(lab, query, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(lab._bridge, "post", lambda lane, update: None)  # a browser that is slow
        lab.follow("quality=1.4")
        assert lab.wait(60) and lab.state.adopted.quality == 1.4
    lab.follow(query)
    assert lab.wait(60)
    assert lab.recipe.quality == lab.controls["quality"].value == lab.state.preview.quality == 2.5
