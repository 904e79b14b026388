"""The command line: what a command takes and what it does, one module a command, imported when it runs."""

from prunelab.cli.app import main as main
