"""Measures on this machine what prunelab promises. ``prunelab bench`` prints the table.

Results stay comparable on a machine with other load: they are ratios rather than times, of candidates that take turns,
and medians with quartiles rather than means.
"""

from __future__ import annotations
