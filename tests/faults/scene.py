"""A fresh place for one trial: a destination, a temporary folder, and what a command does there."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx
from onnx import numpy_helper

from clampdown_calib import load_calibration
from clampdown_runtime.bundle.digests import file_digest
from clampdown_runtime.bundle.files import open_bundle
from clampdown_runtime.errors import ClampdownError

from .originals import OLD_THRESHOLD, Originals

Command = Literal["threshold", "export", "calibrate", "serve"]
State = Literal["old", "new", "nothing", "half-written"]

NEW_THRESHOLD = 1.5


@dataclass(frozen=True)
class Scene:
    """The folders of one trial; ``temporary_root`` is another disk for the temporary folder."""

    command: Command
    originals: Originals
    root: Path
    temporary_root: Path | None = None

    @property
    def beside(self) -> Path:
        """What is watched for leftovers."""
        return self.root / "beside"

    @property
    def place(self) -> Path:
        """Where the command writes; but for `threshold` below folders that it has to make."""
        if self.command == "threshold":
            return self.beside / "bundle"
        return self.beside / "made" / "by it" / self.command

    @property
    def temporary(self) -> Path:
        return (self.temporary_root or self.root) / "temporary"

    @property
    def before(self) -> State:
        return "old" if self.command == "threshold" else "nothing"

    @property
    def line(self) -> tuple[object, ...]:
        """The command's arguments."""
        it = self.originals
        return {
            "threshold": ("threshold", self.place, "--value", NEW_THRESHOLD),
            "export": (
                *("export", it.model, "--calibration", it.calibration),
                *("--out", self.place, "--format", "ort"),
            ),
            "calibrate": it.calibrate(self.place),
            "serve": ("serve", it.bundle, "--out", self.place),
        }[self.command]

    def set_up(self) -> "Scene":
        for folder in (self.beside, self.temporary):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        if self.command == "threshold":
            shutil.copytree(self.originals.bundle, self.place)
        return self

    def state(self) -> State:
        """What is at the place."""
        if not self.place.exists():
            return "nothing"
        try:
            return _STATES[self.command](self)
        except (ClampdownError, OSError):
            return "half-written"

    def left_beside(self) -> tuple[str, ...]:
        """What is beside the place, made parents included where the place is not there."""
        return _left(self.beside, self.place)

    def left_in_temporary(self) -> tuple[str, ...]:
        return tuple(sorted(path.name for path in self.temporary.iterdir()))


def _left(folder: Path, place: Path) -> tuple[str, ...]:
    found = []
    for path in sorted(folder.iterdir()):
        if path == place:
            continue
        if path in place.parents and place.exists():
            found += [f"{path.name}/{name}" for name in _left(path, place)]
        else:
            found.append(path.name)
    return tuple(found)


def graph_threshold(bundle: Path) -> float:
    """The threshold in a bundle's graph, whatever its manifest says."""
    model = onnx.load(open_bundle(bundle).model_path)
    [array] = [
        numpy_helper.to_array(value)
        for value in model.graph.initializer
        if value.name == "threshold"
    ]
    return float(array[0])


def _bundle(scene: Scene) -> State:
    manifest = open_bundle(scene.place).manifest
    if graph_threshold(scene.place) != manifest.threshold:
        return "half-written"
    if scene.command == "export":
        return "new"
    return {OLD_THRESHOLD: "old", NEW_THRESHOLD: "new"}.get(manifest.threshold, "half-written")


def _calibration(scene: Scene) -> State:
    load_calibration(scene.place)
    return "new"


def _site(scene: Scene) -> State:
    """Whole when every file is that of the page which was made without a fault."""
    found, expected = (_digests(folder) for folder in (scene.place, scene.originals.site))
    return "new" if found == expected else "half-written"


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in folder.rglob("*")
        if path.is_file()
    }


_STATES = {"threshold": _bundle, "export": _bundle, "calibrate": _calibration, "serve": _site}
