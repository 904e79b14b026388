"""Where the files that come with prunelab lie, in a checkout and in an installed package."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent


def notebooks() -> Path:
    """The folder of the notebooks: inside the installed package, at the top level of a checkout.

    Raises FileNotFoundError when it is in neither place: the installation is not whole.
    """
    # The package first: whatever else lies beside an installed package is not ours.
    places = (PACKAGE / "notebooks", PACKAGE.parent / "notebooks")
    for place in places:
        if (place / "dashboard.ipynb").is_file():
            return place
    looked = " nor ".join(str(place) for place in places)
    raise FileNotFoundError(f"dashboard.ipynb is neither in {looked}: install prunelab again, or check it out whole")
