"""What every trial starts from: a tiny model, its calibration, and a bundle of it."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from .forked import Forked

OLD_THRESHOLD = 0.5


@dataclass(frozen=True)
class Originals:
    """Where they lie."""

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def clean(self) -> Path:
        return self.folder / "clean.jsonl"

    @property
    def calibration(self) -> Path:
        return self.folder / "calibration"

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"

    @property
    def layers_file(self) -> Path:
        """The names of the model's layers, which its nodes do not tell."""
        return self.folder / "layers"

    def calibrate(self, out: Path) -> tuple[object, ...]:
        """The arguments of a calibration."""
        layers = self.layers_file.read_text()
        return (
            *("calibrate", self.model, "--clean", self.clean),
            *("--layers", layers, "--out", out),
        )

    @property
    def site(self) -> Path:
        """The page, where its client is built and it is asked for; it is absent elsewhere."""
        return self.folder / "site"


def make_originals(folder: Path, *, with_site: bool) -> Originals:
    """Make them in processes of their own: one that has run a session has threads to fork."""
    made = Originals(folder)
    scratch = folder / "scratch"
    scratch.mkdir()
    Forked(lambda: _write_model(made), temporary=scratch).ended().require(0)
    # With ONNX Runtime's format, which is converted in the temporary folder.
    for line in (
        made.calibrate(made.calibration),
        (
            *("export", made.model, "--calibration", made.calibration),
            *("--out", made.bundle, "--format", "ort"),
        ),
        ("threshold", made.bundle, "--value", OLD_THRESHOLD),
    ):
        Forked(line, temporary=scratch).ended().require(0)
    if with_site:
        Forked(("serve", made.bundle, "--out", made.site), temporary=scratch).ended()
    shutil.rmtree(scratch)
    return made


def _write_model(made: Originals) -> None:
    import tiny_graph
    import tiny_transformers

    # An ONNX file: it need not be traced, which takes most of the time of an export.
    layers = tiny_graph.save_onnx_model(made.model)
    made.layers_file.write_text(",".join(layers))
    rows = [json.dumps({"text": text}) for text in tiny_transformers.texts(60)]
    made.clean.write_text("\n".join(rows))
