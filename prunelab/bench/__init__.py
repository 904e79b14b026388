"""What prunelab promises, measured on this machine. ``prunelab bench`` prints the table.

Ratios rather than times, candidates that take turns rather than one after another, medians with quartiles rather than
means: on a machine that does other things too, that is what stays comparable.
"""

from __future__ import annotations
