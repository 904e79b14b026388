"""What stands on the page, as widgets."""
