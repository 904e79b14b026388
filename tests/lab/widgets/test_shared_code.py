"""What all widgets of a kind share is sent once, and again after it was closed."""

from prunelab.lab.widgets.number_field import NumberField, NumberFieldCode
from prunelab.lab.widgets.plot import Plot, PlotlyLibrary


def sent(widget):
    """Characters of scripts and styles that a page gets with a widget."""
    return sum(len(str(widget.get_state().get(name, ""))) for name in ("_esm", "_css"))


def test_number_fields_share_their_code_and_bring_little_of_their_own():
    one, other = NumberField(), NumberField()
    assert one.library is other.library
    shared = one.library.get_state()
    assert "prunelab-number-handle" in shared["code"] and ".prunelab-number-handle" in shared["style"]
    assert sent(one) < (len(shared["code"]) + len(shared["style"])) / 3


def test_each_kind_has_its_own():
    assert type(NumberField().library) is NumberFieldCode
    assert type(Plot().library) is PlotlyLibrary


def test_a_closed_library_is_made_again():
    first = NumberField().library
    first.close()
    second = NumberField().library
    assert second is not first and second.comm is not None
    assert NumberField().library is second
