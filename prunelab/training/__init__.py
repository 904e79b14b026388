"""Training steps, evaluation, optimizers."""
