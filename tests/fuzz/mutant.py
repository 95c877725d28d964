"""One mutant: its name says everything about it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.seal import LISTS, seal
from tests.fuzz.source import Source
from tests.fuzz.targets import Target

TREE = "files"
"""The mutator of whole folders."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """The name of a mutant.

    Attributes:
        seed: of the run.
        target: what it is fed to.
        mutator: what changes the specimen; empty for a specimen as it is.
        index: its number among those of the same target and mutator.
    """

    seed: int
    target: str
    mutator: str
    index: int

    def __str__(self) -> str:
        return f"{self.seed}/{self.target}/{self.mutator}/{self.index}"


def make(mutant: Mutant, target: Target, specimens: Path, folder: Path, outside: Path) -> str:
    """Write the mutant's folder; returns the specimen and the file that was changed.

    Args:
        mutant: its name.
        target: what it is for.
        specimens: where the valid folders are.
        folder: to write, not there yet.
        outside: a file that nothing may open.
    """
    source = Source.of(str(mutant), outside)
    if mutant.mutator in ("", TREE):
        # The index counts through the specimens where nothing is drawn.
        chosen = source.choice(target.specimens)
        if not mutant.mutator:
            chosen = target.specimens[mutant.index % len(target.specimens)]
        shutil.copytree(specimens / chosen, folder)
        if mutant.mutator:
            _change_tree(source, folder)
        return chosen
    specimen, name = source.choice(_places(target, mutant.mutator, specimens))
    shutil.copytree(specimens / specimen, folder)
    path = folder / name
    path.write_bytes(mutator_of(mutant.mutator)(source, path.read_bytes()))
    if name not in LISTS:
        seal(folder, [path])
    return f"{specimen}/{name}"


def mutator_of(name: str) -> Callable[[Source, bytes], bytes]:
    """The mutator of a name, whose packages are imported as it is asked for."""
    from tests.fuzz.mutators import (
        config_json,
        json_values,
        octets,
        onnx_fields,
        rows_files,
        safetensors_file,
        tokenizer_json,
    )

    return {
        "bytes": octets.mutate,
        "json": json_values.mutate,
        "config": config_json.mutate,
        "protobuf": onnx_fields.mutate,
        "safetensors": safetensors_file.mutate,
        "tokenizer": tokenizer_json.mutate,
        "rows": rows_files.mutate,
    }[name]


def _places(target: Target, mutator: str, specimens: Path) -> list[tuple[str, str]]:
    """Every file that the mutator may change, with its specimen; as often as a glob finds it."""
    return [
        (specimen, path.relative_to(specimens / specimen).as_posix())
        for specimen in target.specimens
        for pattern in target.mutators[mutator]
        for path in sorted((specimens / specimen).glob(pattern))
        if path.is_file()
    ]


def _change_tree(source: Source, folder: Path) -> None:
    from tests.fuzz.mutators import tree

    tree.mutate(source, folder)
    if source.once_in(2):
        return
    try:
        seal(folder, sorted(path for path in folder.rglob("*") if path.is_file()))
    except (ValueError, KeyError, TypeError, OSError):
        # The list of digests is what was changed.
        return
