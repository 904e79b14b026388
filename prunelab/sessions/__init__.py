"""Train, prune, retrain, repeat: a run as a resumable stream of snapshots."""
