"""The packed file: exact, near the entropy of the masks, no pickle."""
