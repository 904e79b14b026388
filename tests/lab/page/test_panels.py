"""Ends that are round, and that stay where they are while what is shown changes a little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import prunelab as pl
from prunelab import views
from prunelab.formatting import round_up
from prunelab.lab.page.panels import steady
from prunelab.views.figure import axis, figure


@pytest.mark.parametrize("value", [1e-12, 0.1, 0.3, 0.7, 1.0, 1.01, 9.99, 10.0, 123.0, 999.9, 1000.0, 7e8])
def test_rounded_ends_are_the_least_that_hold_the_value(value):
    end = round_up(value)
    assert value <= end <= value * 4 / 3 + 1e-15
    assert round_up(end) == end


def test_rounding_can_be_coarser():
    assert round_up(201.0, (1, 2, 5, 10)) == 500


def test_axes_rest_while_what_is_shown_still_fits_and_fills_them():
    def view(low, high):
        return figure([], "", xaxis=axis("x", range=[low, high]), yaxis=axis("y"))

    drawn = view(0, 100)
    for low, high, kept in (
        (0, 100, True),
        (0, 50, True),
        (40, 90, True),
        (0, 20, False),
        (-1, 60, False),
        (60, 0, False),
    ):
        wanted = view(low, high)
        assert steady(wanted, drawn)["layout"]["xaxis"]["range"] == ([0, 100] if kept else [low, high])
        assert wanted["layout"]["xaxis"]["range"] == [low, high], "views stay as they are"
    assert steady(view(0, 5), {}) == view(0, 5)


def test_an_axis_that_rests_keeps_its_ticks():
    def view(end, **more):
        return figure([], "", xaxis=axis("x", range=[-end, end], **more))

    drawn = view(4, tickvals=[-2, 0, 2], ticktext=["−2", "0", "2"])
    rests = steady(view(2, tickvals=[-1, 0, 1], ticktext=["−1", "0", "1"]), drawn)
    assert rests["layout"]["xaxis"] == drawn["layout"]["xaxis"]
    assert steady(view(5, tickvals=[-2.5, 0, 2.5]), drawn) == view(5, tickvals=[-2.5, 0, 2.5])


def test_counts_beside_a_histogram_are_short_and_stand_at_the_same_places():
    session = pl.Session(pl.Recipe(model="lenet-300-100"))
    first = session.snapshot()
    layer = first.layers[0]
    for most, said in ((7, ["0", "4", "8"]), (1600, ["0", "800", "1.6k"]), (23_000, ["0", "12k", "24k"])):
        counts = np.zeros_like(layer.kept_counts)
        counts[40] = most
        layers = (replace(layer, kept_counts=counts), *first.layers[1:])
        ruler = views.weights(replace(first, layers=layers))["layout"]["yaxis"]
        assert ruler["ticktext"] == said
        assert [tick / ruler["range"][1] for tick in ruler["tickvals"]] == [0, 0.5, 1]
        assert most <= ruler["range"][1] < 1.5 * most
