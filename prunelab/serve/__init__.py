"""How pages are served: Voila and Jupyter, their settings, and who visits."""
