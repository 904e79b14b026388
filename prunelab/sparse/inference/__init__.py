"""Sparse layers for inference, each by the fastest kernel of this machine."""
