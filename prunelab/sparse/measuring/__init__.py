"""Measurements: bytes by format, microseconds by batch size."""
