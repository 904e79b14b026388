"""Widgets that share layout and style: which do, that none changes them for the others, and that a page has few."""

from __future__ import annotations

import ipywidgets
import pytest

import prunelab as pl
from prunelab.lab.page.unheard import _with_parts
from prunelab.lab.widgets import basics
from prunelab.lab.widgets.number_field import NumberField
from prunelab.lab.widgets.plot import Plot
from prunelab.lab.widgets.shared_looks import HIDDEN, is_shown, shared_layout, show

KINDS = [
    *(basics.VBox, basics.HBox, basics.Accordion, basics.Button, basics.Checkbox, basics.Dropdown, basics.HTML),
    *(basics.Label, basics.Text, NumberField, Plot),
]


@pytest.mark.parametrize("kind", KINDS)
def test_two_of_a_kind_share_what_they_are_not_given(kind):
    one, other, own = kind(), kind(), kind(layout=ipywidgets.Layout(width="5px"))
    assert one.layout is other.layout is shared_layout() and own.layout.width == "5px"
    assert getattr(one, "style", None) is getattr(other, "style", None)


@pytest.mark.parametrize("kind", KINDS[:9])
def test_they_are_ipywidgets_own_on_the_page(kind):
    """The state that a page gets is that of ipywidgets' widget, but for the models of its looks."""
    plain = getattr(ipywidgets, kind.__name__)
    ours, theirs = kind().get_state(), plain().get_state()
    assert {**ours, "layout": 0, "style": 0} == {**theirs, "layout": 0, "style": 0}
    assert shared_layout().get_state() == ipywidgets.Layout().get_state()
    if "style" in theirs:
        assert kind().style.get_state() == plain().style.get_state()


def test_layouts_with_the_same_values_are_one_and_others_are_not():
    assert shared_layout(width="auto", min_width="1px") is shared_layout(min_width="1px", width="auto")
    assert shared_layout(width="auto").width == "auto" and shared_layout().width is None


def test_a_shared_layout_cannot_be_changed_and_the_error_says_what_to_do():
    button, other = basics.Button(), basics.Button()
    way = r"layout\.width .*'5px'.*widget\.layout = ipywidgets\.Layout\(width='5px'\)"
    with pytest.raises(AttributeError, match=way):
        button.layout.width = "5px"
    assert button.layout.width is None
    button.layout = ipywidgets.Layout(width="5px")
    assert button.layout.width == "5px" and other.layout.width is None


def test_one_that_was_closed_is_made_again():
    before = shared_layout(width="77px")
    before.close()
    assert shared_layout(width="77px") is not before and shared_layout(width="77px").width == "77px"


def test_showing_and_hiding_concerns_one_widget_and_keeps_its_classes():
    one, other = basics.Button(), basics.Button()
    one.add_class("pl-preset")
    show(one, False)
    show(one, False)
    assert not is_shown(one) and is_shown(other) and one._dom_classes == ("pl-preset", HIDDEN)
    show(one, True)
    assert is_shown(one) and one._dom_classes == ("pl-preset",)


def test_few_of_a_labs_models_are_looks():
    lab = pl.Lab(start=False)
    widgets = list(_with_parts(lab))
    looks = [one for one in widgets if isinstance(one, ipywidgets.Layout | ipywidgets.Style)]
    assert len(looks) <= 12 and len(widgets) >= 150
    lab.close()
