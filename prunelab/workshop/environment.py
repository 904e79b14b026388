"""Environment variables that a workshop's server is started with: others than its user cannot read them."""

TOKEN = "PRUNELAB_TOKEN"  # that visitors show; not set where none is needed
HOST_TOKEN = "PRUNELAB_HOST_TOKEN"  # that the host shows
ADDRESS = "PRUNELAB_ADDRESS"  # where visitors come in, with their token
