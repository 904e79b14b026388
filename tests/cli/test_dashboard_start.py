"""What ``prunelab dashboard`` starts with: a link, and the options over it."""

import subprocess
import sys

import pytest

from prunelab.cli.dashboard import start_query
from prunelab.cli.errors import CommandError


def test_a_copied_link_is_taken_whole_and_what_it_leaves_to_the_usual_is_left():
    link = "http://127.0.0.1:8866/?v=2&optimizer=adam&hide=mask&lock=data,model&quality.fc1=0.4&guess=true"
    start = start_query(link, data="mnist")
    assert start == "v=2&data=mnist&optimizer=adam&quality.fc1=0.4&hide=mask&lock=data,model&guess=true"


def test_keys_of_other_systems_are_left_out():
    assert start_query("?v=2&utm_source=mail&rounds=5&fbclid=x") == "v=2&rounds=5"


@pytest.mark.parametrize(
    ("link", "words"),
    [("qualty=1", "qualty is no setting of the lab; did you mean quality?"), ("rounds=0", "rounds = 0"),
     ("hide=maks", "did you mean mask"), ("data=own", "use Lab"), ("data=digits", "data stands twice")],
)  # fmt: skip
def test_what_can_be_put_right_before_anybody_comes_is_an_error(link, words):
    with pytest.raises(CommandError, match=words):
        start_query(link, data=None if link == "data=own" else "mnist")


def test_the_server_itself_loads_neither_torch_nor_widgets():
    probe = (
        "import sys, prunelab.cli.dashboard; print([m for m in ('torch', 'ipywidgets', 'plotly') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True).stdout.strip() == "[]"
