"""What the line is, and what is said of a file that is left of it."""

import plotly.graph_objects as go
import pytest

from prunelab import views
from prunelab.hardware import Machine
from prunelab.results.measurement import Measurement, Size


def measured(packed: int, bound: int = 134_000) -> Measurement:
    parts = [("dense", 1_066_000), ("packed", packed), ("bound", bound)]
    return Measurement(Machine("a processor", 2, "a system", "2.13"), 1, 12, tuple(Size(n, b, "") for n, b in parts))


@pytest.mark.parametrize(("packed", "below"), [(129_800, True), (136_000, False)])
def test_a_file_below_the_line_is_said_to_be_and_the_line_is_called_what_it_is(packed, below):
    view = views.size(measured(packed))
    go.Figure(view)
    assert ("below the entropy of a mask without structure" in view["layout"]["title"]["text"]) == below
    assert view["layout"]["annotations"][0]["text"] == "entropy if places were independent: 134.0 KB"
    assert "bound" not in views.summary(view), "nothing here is a bound for every file"
