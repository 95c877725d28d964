"""What a user chooses of a bundle, checked in one place."""

from dataclasses import dataclass
from typing import Literal, get_args

from clampdown_runtime.bundle.manifest import Mode
from clampdown_runtime.errors import ExportError

FileFormat = Literal["onnx", "ort"]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """The options of a bundle.

    Attributes:
        mode: ``detect-then-purify`` answers flagged rows anew, ``purify`` every row, ``detect``
            only flags.
        file_format: ``ort`` writes the graph in ONNX Runtime's format, too, with the
            required-operators configuration of a minimal build.
        with_tokenizer: write the graph with the tokenizer in front, too, for stacks without a
            Hugging Face tokenizer.

    Raises:
        ExportError: an option is unknown, or needs a package that is not installed.
    """

    mode: Mode = "detect-then-purify"
    file_format: FileFormat = "onnx"
    with_tokenizer: bool = False

    def __post_init__(self) -> None:
        for name, value, kind in (
            ("mode", self.mode, Mode),
            ("file format", self.file_format, FileFormat),
        ):
            if value not in get_args(kind):
                raise ExportError(
                    f"The {name}",
                    found=repr(value),
                    expected=f"one of {', '.join(get_args(kind))}",
                    hint="Correct the option.",
                )
        if self.with_tokenizer:
            from clampdown_exporter.text_input.with_tokenizer import (  # noqa: PLC0415 - torch
                extensions_library,
            )

            extensions_library()
