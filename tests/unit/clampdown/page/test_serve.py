"""The command that serves the page says what it needs, and where it looked."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from clampdown.cli.commands.serve import serve
from clampdown.page.site import write_site
from clampdown_runtime import ClampdownError, open_bundle


def test_install_without_a_checkout_is_told_of(bundle_path: Path, tmp_path: Path) -> None:
    place = tmp_path / "site-packages" / "runtime" / "clients" / "node"
    with pytest.raises(ClampdownError) as caught:
        write_site(open_bundle(bundle_path), tmp_path / "site", client=place)
    assert caught.value.found == f"no {place}"
    assert "pip install -e" in caught.value.hint


def test_checkout_without_the_client_is_told_to_build_it(bundle_path: Path, tmp_path: Path) -> None:
    place = tmp_path / "checkout" / "runtime" / "clients" / "node"
    place.mkdir(parents=True)
    with pytest.raises(ClampdownError) as caught:
        write_site(open_bundle(bundle_path), tmp_path / "site", client=place)
    assert str(place / "dist") in caught.value.found
    assert f"`make client` in {tmp_path / 'checkout'};" in caught.value.hint


def test_help_says_that_a_checkout_is_needed() -> None:
    shown = " ".join(CliRunner().invoke(serve, ["--help"]).stdout.split())
    assert "installed with `pip install -e`, after `make client`" in shown
