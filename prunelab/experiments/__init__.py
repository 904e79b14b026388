"""Experiments with many cuts or runs of a network: sensitivity."""
