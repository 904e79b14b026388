"""A room for a class on one machine: places, a queue for those who find none, and a page for the host."""
