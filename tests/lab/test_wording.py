"""What is said about every state, and the story."""

from prunelab.lab import links, wording
from prunelab.lab.messages import LabState
from prunelab.recipe import Recipe
from prunelab.results.subject import Subject
from support.labs import QUICK, press


def test_words_for_every_state():
    for activity in ("starting", "ready", "training", "paused", "failed"):
        state = LabState(activity, QUICK)
        assert wording.status(state) and wording.attributes(state)["state"] == activity
        assert set(wording.reasons(state)) <= set(wording.TIPS) == set(links.BUTTONS)
    assert wording.status(LabState("training", QUICK, "training", 0.62, 8.2)) == "training 62 % · 8 s left"


def test_the_title_names_what_the_recipe_cannot():
    birds = Subject("SpeechNet", "birds")
    assert wording.title(Recipe(model="own", data="own"), birds) == "birds · SpeechNet · seed 0"
    assert wording.title(Recipe(model="own", seed=3), birds) == "digits · SpeechNet · seed 3"
    assert wording.title(Recipe(), birds) == "digits · lenet-300-100 · seed 0", "the subject is still the last run's"
    assert wording.title(Recipe(model="own", data="own")) == "data of one's own · a model of one's own · seed 0"


def test_the_story_is_told_when_something_has_settled(lab):
    assert "At quality 1.50" in lab.status.story and "would be left" in lab.status.story
    press(lab, "prune")
    assert lab.status.story.startswith(f"{100 * lab.state.snapshot.density:.1f} % of the connections are left")
