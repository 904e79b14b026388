"""Steps of training, tests, optimizers."""
