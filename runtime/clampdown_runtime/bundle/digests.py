"""SHA-256 digests in the form that the manifest holds: ``sha256:`` and 64 hexadecimal digits."""

import hashlib
import re
from pathlib import Path

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def file_digest(path: Path) -> str:
    """Digests a file in constant memory.

    Returns:
        ``sha256:`` and 64 lower-case hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def digest_of(data: bytes) -> str:
    """Digests bytes, in the same form."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def is_digest(text: str) -> bool:
    """Says whether a text has the form of a digest."""
    return _DIGEST.fullmatch(text) is not None
