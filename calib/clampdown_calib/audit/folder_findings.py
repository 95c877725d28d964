"""What lies in a model folder besides configuration, tokenizer, weights and text."""

import fnmatch
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from clampdown_calib.audit.finding import Finding, listed
from clampdown_calib.audit.pickles import pickle_in
from clampdown_calib.models.checkpoint.checkpoint_files import CHECKPOINTS, PICKLES
from clampdown_calib.models.checkpoint.lora_adapter import WEIGHTS
from clampdown_calib.models.folder_files import CONFIGURATION, VOCABULARY, leaves

EXPECTED = (
    *CONFIGURATION,
    *VOCABULARY,
    *CHECKPOINTS,
    *PICKLES,
    WEIGHTS,
    "generation_config.json",
    "preprocessor_config.json",
    "ort_config.json",
    "chat_template.json",
    "*.jinja",
    "*.onnx",
    "README*",
    "LICENSE*",
    "NOTICE*",
    "*.md",
    ".gitattributes",
    ".gitignore",
    # What the hub's client keeps beside a download.
    ".cache/huggingface/*",
)
"""Names of files that belong to a model."""

CODE = (
    *("*.py", "*.pyc", "*.pyd", "*.pyx", "*.ipynb", "*.so", "*.so.*", "*.dll", "*.dylib", "*.exe"),
    *("*.sh", "*.bat", "*.cmd", "*.ps1", "*.js", "*.mjs", "*.jar", "*.whl", "*.wasm"),
)
EXECUTABLE = (b"\x7fELF", b"#!", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\0asm")
"""How programs of Linux, scripts, programs of macOS, classes of Java and WebAssembly begin."""

PICKLED = (
    "*.pkl",
    "*.pickle",
    "*.pt",
    "*.pth",
    "*.ckpt",
    "*.joblib",
    "*.dill",
    "pytorch_model*.bin",
)
REMOTE_CODE = frozenset(("auto_map", "custom_pipelines"))
"""Keys by which transformers finds code that comes with a model."""


def folder_findings(root: Path, read: frozenset[Path]) -> Iterator[Finding]:
    """Findings on every file of a folder; nothing is opened that is not a regular file.

    Args:
        root: the model.
        read: files that the model's weights are read from.

    Raises:
        OSError: a file or folder cannot be read.
    """
    for path in sorted(_entries(root)):
        name = path.relative_to(root).as_posix()
        if path.name == ".git":
            yield Finding("file", name, "a repository, which was not looked into", review=False)
        elif path.is_symlink() and leaves(path, root):
            found = f"a symbolic link that leaves the folder, to {path.readlink()}"
            yield Finding("link", name, found, review=True)
        elif path.is_symlink() and not path.exists():
            yield Finding("link", name, "a symbolic link that leads nowhere", review=True)
        elif path.is_dir():
            yield Finding("link", name, "a symbolic link to another of its folders", review=False)
        elif not path.is_file():
            yield Finding("file", name, "not a regular file (a pipe or a device)", review=True)
        else:
            yield from _file_findings(path, name, expected=path in read or _is_any(name, EXPECTED))


def _file_findings(path: Path, name: str, *, expected: bool) -> Iterator[Finding]:
    imports = pickle_in(path)
    if imports is not None:
        shown = f", which would import {listed(imports)}" if imports else ""
        yield Finding("pickle", name, f"a pickle, which can run code{shown}", review=True)
    elif _is_any(name, PICKLED):
        yield Finding(
            "pickle", name, "named like a pickle, though not one by its bytes", review=True
        )
    elif _is_any(name, CODE) or _starts(path, EXECUTABLE):
        yield Finding("code", name, "code that comes with the model", review=True)
    elif not expected:
        found = "neither configuration, tokenizer, weights that are read, nor text about the model"
        yield Finding("file", name, found, review=False)
    if path.suffix == ".json" and path.name != "tokenizer.json":
        for key in sorted(_keys(path) & REMOTE_CODE):
            found = f"`{key}`, by which transformers finds code that comes with the model"
            yield Finding("code", name, found, review=True)


def _keys(path: Path) -> set[str]:
    """Every key of the objects in a JSON file, at any depth; none of a file that is no JSON."""
    found: set[str] = set()

    def note(pairs: list[tuple[str, object]]) -> object:
        found.update(key for key, value in pairs if value)
        return pairs

    try:
        json.loads(path.read_bytes(), object_pairs_hook=note)
    except (ValueError, RecursionError):
        # Whoever reads it says so; a key may stand before the damage.
        return found
    return found


def _is_any(name: str, patterns: tuple[str, ...]) -> bool:
    file = name.rpartition("/")[2].lower()
    return any(
        fnmatch.fnmatchcase(name if "/" in pattern else file, pattern.lower())
        for pattern in patterns
    )


def _starts(path: Path, magics: tuple[bytes, ...]) -> bool:
    with path.open("rb") as file:
        return file.read(4).startswith(magics)


def _entries(root: Path) -> Iterator[Path]:
    """Everything under a folder but its folders; links to folders are not followed."""
    for folder, folders, files in os.walk(root, onerror=_raise):
        here = Path(folder)
        yield from (here / name for name in files)
        yield from (here / name for name in folders if (here / name).is_symlink())
        if ".git" in folders:
            folders.remove(".git")
            yield here / ".git"


def _raise(error: OSError) -> NoReturn:
    raise error
