"""Removes dead neurons: a smaller dense network with the same outputs."""
