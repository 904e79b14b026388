"""What the settings of a step mean, behind a "?" in their heading: by hover, finger and keyboard alike."""

from __future__ import annotations

import secrets
from html import escape

from prunelab.lab.page.controls import GROUPS, label
from prunelab.recipe import help_text


def heading(group: str, title: str) -> str:
    """HTML of the heading of a group of settings. group: a key of GROUPS."""
    # The browser's own popover: no script, and Escape or a press elsewhere closes it.
    identity = f"pl-{group}-help-{secrets.token_hex(4)}"  # there may be several labs on a page
    shown, more = GROUPS[group]
    rows = "".join(f"<dt>{escape(label(name))}</dt><dd>{escape(help_text(name))}</dd>" for name in (*shown, *more))
    return (
        f'<h3 class="pl-heading">{escape(title)} <button type="button" class="prunelab-term-button" '
        f'popovertarget="{identity}" aria-label="What are the settings of {escape(title)}?">?</button></h3>'
        f'<div id="{identity}" class="prunelab-term-text pl-settings-help" popover><dl>{rows}</dl></div>'
    )
