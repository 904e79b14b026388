"""The reference: every public name has its place there, with a text, and so has every command with its options."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from sphinx.util.inventory import InventoryFile
from typer.main import get_command

from prunelab.cli.app import app
from support.docs_site import Site

PACKAGES = tuple(f"prunelab{part}" for part in ("", ".sparse", ".views", ".lessons", ".exports", ".errors"))


@pytest.fixture(scope="module")
def documented(docs_site: Site) -> dict[str, set[str]]:
    """The names that the pages describe, by kind."""
    inventory = InventoryFile.loads((docs_site.pages / "objects.inv").read_bytes(), uri="")
    return {kind: set(entries) for kind, entries in inventory.data.items()}


def public(package: str) -> list[str]:
    module = importlib.import_module(package)
    names = getattr(module, "__all__", None) or [
        name for name, value in vars(module).items() if inspect.isclass(value) and value.__module__ == package
    ]
    return [f"{package}.{name}" for name in names]


def resolved(name: str) -> tuple[Any, str]:
    """What a public name stands for, and the name of its home."""
    package, _, attribute = name.rpartition(".")
    value = getattr(importlib.import_module(package), attribute)
    if inspect.isclass(value) or inspect.isroutine(value):
        return value, f"{value.__module__}.{value.__qualname__}"
    return value, value.__name__ if inspect.ismodule(value) else name


def members(value: type) -> Iterator[str]:
    """Public methods and properties that prunelab defines."""
    for base in value.__mro__:
        if base.__module__.startswith("prunelab"):
            for name, member in vars(base).items():
                if not name.startswith("_") and (
                    inspect.isroutine(member) or isinstance(member, property | classmethod)
                ):
                    yield name


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_described(documented: dict[str, set[str]], package: str) -> None:
    described = set().union(*(names for kind, names in documented.items() if kind.startswith("py:")))
    names = public(package)
    assert names
    missing = [name for name in names if not {name, resolved(name)[1]} & described]
    assert missing == []


@pytest.mark.parametrize("package", PACKAGES)
def test_so_is_every_public_method_and_property(documented: dict[str, set[str]], package: str) -> None:
    described = documented["py:method"] | documented["py:property"]
    missing = []
    for name in public(package):
        value, home = resolved(name)
        if inspect.isclass(value):
            for member in sorted(set(members(value))):
                if not {f"{name}.{member}", f"{home}.{member}"} & described:
                    missing.append(f"{name}.{member}")
    assert missing == []


def test_so_is_every_command_with_its_options(documented: dict[str, set[str]]) -> None:
    described = documented["std:cmdoption"]
    commands = get_command(app).commands
    assert "run" in commands
    for name, command in commands.items():
        for parameter in command.params:
            for option in (*parameter.opts, *parameter.secondary_opts):
                if option.startswith("--"):
                    assert f"prunelab-{name}.{option}" in described, (name, option)
