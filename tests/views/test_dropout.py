"""The title says what happens to the rates, as they are written."""

import pytest

import prunelab as pl
from prunelab import views


@pytest.mark.parametrize(
    ("quality", "says"), [(0.02, "Dropout stays near 0.20: little is cut"), (1.5, "fell from 0.20")]
)
def test_a_rate_that_is_written_alike_is_not_said_to_fall(quality, says):
    session = pl.Session(pl.Recipe(epochs=1))
    session.finish("train")
    cut_now = views.dropout([session.snapshot(), session.preview(quality)])["layout"]["title"]["text"]
    assert says.replace("stays", "would stay").replace("fell", "would fall") in cut_now
    session.prune(quality)
    assert says in views.dropout(list(session.history))["layout"]["title"]["text"]
