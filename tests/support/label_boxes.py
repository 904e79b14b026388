"""Where the labels of a small plot are, by the number of their characters."""

import html
import itertools


def boxes(view):
    """Boxes of labels in pixels, in a plot of 170 x 120: 6.3 for a character, 14 for the line."""
    low, high = view["layout"]["xaxis"]["range"]
    for label in view["layout"]["annotations"]:
        x, y = 170 * (label["x"] - low) / (high - low), 120 * label["y"] / view["layout"]["yaxis"]["range"][1]
        width, left = 6.3 * len(html.unescape(label["text"])), x + label["xshift"]
        left -= width if label["xanchor"] == "right" else 0
        yield left, left + width, y + label["yshift"] - 7, y + label["yshift"] + 7


def apart(view) -> bool:
    """Whether no label of the view lies on another."""
    return not any(
        a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3] for a, b in itertools.combinations(boxes(view), 2)
    )
