"""``python -m prunelab.cli``."""

from prunelab.cli.app import main

main()
