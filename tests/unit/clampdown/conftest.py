"""What the command line's tests share."""

import sys
from types import ModuleType

import onnx
import pytest
import tiny_bundle
from click.testing import CliRunner

from clampdown.cli.main import main


@pytest.fixture
def invoke():
    """Runs a command line; the result has exit_code, stdout and stderr."""
    return lambda *arguments, **keys: CliRunner().invoke(
        main, [str(argument) for argument in arguments], **keys
    )


@pytest.fixture
def replace_package(monkeypatch):
    """Puts functions in the place of a module that imports torch."""

    def replace(name, **functions):
        package = ModuleType(name)
        for key, function in functions.items():
            setattr(package, key, function)
        monkeypatch.setitem(sys.modules, name, package)

    return replace


@pytest.fixture
def negated(replace_package):
    """Makes the undefended model one whose logits are the bundle's negated."""

    def write_undefended(bundle, destination):
        assert bundle.manifest
        onnx.save(tiny_bundle.other_model(), destination)

    replace_package("clampdown_exporter.bundle.remove_defence", write_undefended=write_undefended)


@pytest.fixture
def failing(monkeypatch):
    """Makes `clampdown doctor` raise an exception."""

    def fail(error):
        def examine():
            raise error

        monkeypatch.setattr(sys.modules["clampdown.cli.commands.doctor"], "examine", examine)

    return fail
