"""What takes many cuts or runs of a network: sensitivity."""
