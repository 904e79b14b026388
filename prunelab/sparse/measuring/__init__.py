"""Bytes by format, microseconds by batch size."""
