"""Mutates a folder: files that are missing, too many, links, pipes, folders or oddly named."""

import os
from pathlib import Path

from tests.fuzz.source import Source

ODD_NAMES = (
    b"extra",
    b".hidden",
    b" ",
    b"a\nb",
    b"\x1b[31m",
    b"\xff\xfe",
    b"a\\b",
    b"c:d",
    b"x" * 255,
    b"pytorch_model.bin",
    b"adapter_config.json",
    b"model.safetensors.index.json",
    b"custom.py",
    b"special_tokens_map.json",
    b"added_tokens.json",
    b"vocab.txt",
    b"chat_template.jinja",
)


def mutate(source: Source, folder: Path) -> None:
    """Changes one or two entries of a folder in place."""
    for _ in range(source.randint(1, 2)):
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        if files:
            source.choice(CHANGES)(source, source.choice(files), folder)


def _remove(_: Source, file: Path, __: Path) -> None:
    file.unlink()


def _empty(_: Source, file: Path, __: Path) -> None:
    file.write_bytes(b"")


def _folder(source: Source, file: Path, _: Path) -> None:
    file.unlink()
    file.mkdir()
    if source.once_in(2):
        (file / "inside").write_bytes(b"x")


def _link(source: Source, file: Path, folder: Path) -> None:
    """A link in the place of a file."""
    data = file.read_bytes()
    file.unlink()
    target = source.choice(("itself", "outside", "missing", "folder", "inside", "zeros"))
    if target == "inside":
        (folder / "target").write_bytes(data)
    targets = {
        "itself": file,
        "outside": source.outside,
        "missing": folder / "missing",
        "folder": folder,
        "inside": folder / "target",
        "zeros": Path("/dev/zero"),
    }
    file.symlink_to(targets[target])


def _pipe(_: Source, file: Path, __: Path) -> None:
    """Reading it would wait for ever."""
    file.unlink()
    os.mkfifo(file)


def _extra(source: Source, file: Path, folder: Path) -> None:
    place = source.choice((folder, file.parent)) / os.fsdecode(source.choice(ODD_NAMES))
    if place.exists():
        return
    if source.once_in(4):
        place.mkdir()
    else:
        place.write_bytes(source.choice((b"", b"{}", b"[]", b"\xff", file.read_bytes())))


def _swap(source: Source, file: Path, folder: Path) -> None:
    """The contents of another file of the folder."""
    others = sorted(path for path in folder.rglob("*") if path.is_file())
    file.write_bytes(source.choice(others).read_bytes())


def _deep(_: Source, __: Path, folder: Path) -> None:
    for _level in range(100):
        folder = folder / "d"
    folder.mkdir(parents=True, exist_ok=True)


CHANGES = (_remove, _empty, _folder, _link, _link, _pipe, _extra, _extra, _swap, _deep)
