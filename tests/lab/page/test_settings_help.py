"""The "?" of the settings says what each of them means, in full."""

from __future__ import annotations

import re
from html import unescape

import pytest

from prunelab.lab.page import controls, settings_help
from prunelab.recipe import help_text


@pytest.mark.parametrize("group", controls.GROUPS)
def test_every_setting_of_the_group_is_explained_under_its_own_label(group):
    said = settings_help.heading(group, "Training")
    names = [name for part in controls.GROUPS[group] for name in part]
    pairs = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", said)
    assert [(unescape(term), unescape(text)) for term, text in pairs] == [
        (controls.make(name, controls.Recipe().to_dict()[name]).description, help_text(name)) for name in names
    ]


def test_two_labs_on_a_page_open_their_own():
    ids = [re.findall(r'popovertarget="(.*?)"|id="(.*?)"', settings_help.heading("train", "T")) for _ in range(2)]
    (button, box), (other, _) = ids
    assert button[0] == box[1] != other[0]
