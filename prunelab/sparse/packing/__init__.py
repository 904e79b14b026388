"""The packed file format: exact, close to the entropy of the masks, without pickle."""
