"""The base-size encoder is put together from the parts that packages carry."""

import io
import zipfile

import pytest

from benchmarks.encoders import FILES, MPNET, PARTS, encoder_folder
from clampdown.demo.encoder import minilm
from clampdown_runtime import ClampdownError


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Five packages with a part of a zip file each."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as packed:
        for name in (*FILES, "desktop.ini"):
            packed.writestr(f"{MPNET}/{name}", f"contents of {name}")
    data = whole.getvalue()
    size = len(data) // PARTS + 1
    for number in range(1, PARTS + 1):
        place = tmp_path / "packages" / f"{MPNET}-pypi-part_{number:03}" / "input"
        place.mkdir(parents=True)
        (place.parent / "__init__.py").touch()
        part = data[(number - 1) * size : number * size]
        (place / f"{MPNET}.zip.{number:03}").write_bytes(part)
    monkeypatch.syspath_prepend(tmp_path / "packages")
    return tmp_path / "packages"


@pytest.mark.usefixtures("packages")
def test_parts_are_put_together_once(tmp_path):
    folder = encoder_folder("mpnet", tmp_path / "cache")
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert (folder / "config.json").read_text() == "contents of config.json"
    (folder / "config.json").write_text("kept")
    assert encoder_folder("mpnet", tmp_path / "cache") == folder
    assert (folder / "config.json").read_text() == "kept"


def test_a_missing_part_is_named_and_nothing_is_left(packages, tmp_path):
    next(packages.glob("*part_003/input/*")).unlink()
    with pytest.raises(ClampdownError, match=r"all-mpnet-base-v2\.zip\.003"):
        encoder_folder("mpnet", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_the_small_one_is_the_demos(tmp_path):
    assert encoder_folder("minilm", tmp_path) == minilm()
