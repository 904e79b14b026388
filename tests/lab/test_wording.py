"""What is said about every state, and the story."""

from prunelab.lab import wording
from prunelab.lab.messages import Report
from support.labs import QUICK, press


def test_words_for_every_state():
    for state in ("starting", "ready", "training", "paused", "failed"):
        report = Report(state, QUICK)
        assert wording.status(report) and wording.attributes(report)["state"] == state
        assert set(wording.reasons(report)) <= set(wording.BUTTONS)
    assert wording.status(Report("training", QUICK, "training", 0.62, 8.2)) == "training 62 % · 8 s left"


def test_the_story_is_told_when_something_has_settled(lab):
    assert "At quality 1.50" in lab.status.story and "would be left" in lab.status.story
    press(lab, "prune")
    assert lab.status.story.startswith(f"{100 * lab.report.snapshot.density:.1f} % of the connections are left")
