"""Sparse layers for inference, each with the fastest kernel of this machine."""
