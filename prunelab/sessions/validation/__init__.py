"""Checks of what a session is made of, so that no run fails late for a reason known early."""
