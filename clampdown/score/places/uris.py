"""URIs of files and folders: what begins with a scheme and ``://`` is one, all else is a path."""

import re
from typing import NamedTuple
from urllib.parse import unquote

# In a pattern `?` is any letter, in a URI it begins the options. They are names with values, and
# stand at the end. A scheme has two letters at least, as a drive of Windows has one.
_OPTION = r"[a-z_]+=[^&?]*"
_URI = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<authority>[^/?]*)(?P<path>.*?)"
    rf"(?P<options>\?{_OPTION}(?:&{_OPTION})*)?",
    re.DOTALL,
)
# Up to the last @, or to a slash where there is none: secrets have slashes, too, and are often not
# encoded. Digits alone are a port.
_PASSWORD = re.compile(r"(?<=://)([^/:@?]*):(?!\d+(?:[/?]|$))(?:.*@|[^/?]*)", re.DOTALL)
_ENDPOINT = re.compile(r"[?&](endpoint_override=[^&]*)")


class Uri(NamedTuple):
    """A URI's parts.

    Attributes:
        root: the URI of all that can be reached there, such as ``s3://bucket/?region=eu-west-1``.
        path: below it, decoded, without slashes at its ends.
    """

    root: str
    path: str

    @property
    def is_local(self) -> bool:
        """Whether it names a file of this machine."""
        return self.root.startswith("file://")


def split_uri(text: str) -> Uri | None:
    """The parts of a URI; None where the text is a path."""
    found = _URI.fullmatch(text)
    if found is None:
        return None
    root = f"{found['scheme'].lower()}://{found['authority']}/{found['options'] or ''}"
    # The path is decoded here, so that spaces and brackets need not be encoded.
    names = unquote(found["path"]).split("/")
    return Uri(root, "/".join(name for name in names if name))


def server(root: str) -> tuple[str, str]:
    """What tells the store of a root from others: scheme, bucket and endpoint, without a user."""
    scheme, _, rest = root.partition("://")
    endpoint = _ENDPOINT.search(rest)
    authority = rest[: endpoint.start()] if endpoint else rest.partition("?")[0]
    # Azure's containers stand where others have a user.
    bucket = authority if scheme.startswith("abfs") else authority.rpartition("@")[2]
    return f"{scheme}://{bucket}", endpoint[1] if endpoint else ""


def shown(text: str) -> str:
    """A path or URI without a password, and without options, for an error or a record."""
    found = _URI.fullmatch(text)
    return _PASSWORD.sub(r"\1@", text if found is None else text[: found.end("path")])
