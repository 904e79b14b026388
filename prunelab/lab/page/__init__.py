"""The parts of the page, as widgets."""
