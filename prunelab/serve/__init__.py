"""Serving pages: Voila and Jupyter, their settings, and the visitor's query."""
