"""The command line: one module per command, which is imported when the command runs."""

from prunelab.cli.app import main as main
