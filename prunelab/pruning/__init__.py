"""Masks, the strategies that compute them, and the enforcement that keeps cut weights at zero."""
