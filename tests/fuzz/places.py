"""Where a run has its specimens, its mutants and what it watches."""

import atexit
import functools
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """A folder of a run's own, removed at the end of the process."""

    root: Path

    @property
    def specimens(self) -> Path:
        """The valid folders."""
        return self.root / "specimens"

    @property
    def watched(self) -> Path:
        """Everything that a target may write to without asking: home, temporary files, mutant."""
        return self.root / "watched"

    @property
    def home(self) -> Path:
        """The home folder of the workers."""
        return self.watched / "home"

    @property
    def temporary(self) -> Path:
        """The temporary folder of the workers."""
        return self.watched / "tmp"

    @property
    def outside(self) -> Path:
        """A file beside the mutant, which nothing may open."""
        return self.watched / "outside"

    @property
    def folder(self) -> Path:
        """The mutant."""
        return self.watched / "mutant"

    @property
    def log(self) -> Path:
        """What the worker prints."""
        return self.root / "log"

    @property
    def changed(self) -> Path:
        """What the mutant at work was made from, should its worker die."""
        return self.root / "changed"

    @property
    def trace(self) -> Path:
        """The stack of a worker that died or hung."""
        return self.root / "trace"


@functools.cache
def places() -> Places:
    """Those of this process, with the folders that are watched."""
    root = Path(tempfile.mkdtemp(prefix="clampdown-fuzz-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    made = Places(root)
    for folder in (made.home, made.temporary):
        folder.mkdir(parents=True)
    # Long enough to be the weights of a tiny model.
    made.outside.write_bytes(bytes(range(256)) * 64)
    return made
