"""A server is loaded without the grammar of IRIs, and its schemas are checked all the same."""

import subprocess
import sys

import pytest

CODE = """
import importlib
import sys
importlib.import_module(sys.argv[1])
import jsonschema
print("rfc3987_syntax" in sys.modules, sys.modules["rfc3987_syntax"], "lark" in sys.modules)
try:
    jsonschema.validate({"port": "many"}, {"properties": {"port": {"type": "integer"}}})
except jsonschema.ValidationError as error:
    print(error.message)
"""


@pytest.mark.parametrize("server", ["prunelab.serve.voila_app", "prunelab.workshop.server"])
def test_a_server_builds_no_grammar_and_checks_schemas(server):
    done = subprocess.run([sys.executable, "-c", CODE, server], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == ["True None False", "'many' is not of type 'integer'"], done.stderr
