"""A smaller dense network, without the neurons that died."""
