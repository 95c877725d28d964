"""Signatures of bundles, made and checked by OpenSSF's model-signing, without any network."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clampdown.extras import needs_extra
from clampdown_runtime.bundle.files import open_bundle
from clampdown_runtime.bundle.manifest import SIGNATURE_FILE
from clampdown_runtime.errors import BundleError, ClampdownError
from clampdown_runtime.writing.working_folder import working_folder

if TYPE_CHECKING:
    from model_signing import hashing


def sign(
    bundle: str | Path,
    *,
    private_key: Path,
    password: str | None = None,
    certificate: Path | None = None,
    chain: Sequence[Path] = (),
) -> Path:
    """Sign every file of a bundle, its manifest included.

    Args:
        bundle: a whole bundle; its signature is written into it, over one that is there.
        private_key: a PEM file with an elliptic-curve key.
        password: of the key, where it is encrypted.
        certificate: a PEM file with the certificate of the key, to sign with it.
        chain: those between it and the one that the other side trusts.

    Returns:
        The signature's path, in the format of Sigstore's bundles.

    Raises:
        BundleError: the bundle is damaged.
        ClampdownError: the package is missing, or a key or certificate cannot be used.
    """
    opened = open_bundle(bundle)
    destination = opened.path / SIGNATURE_FILE
    with needs_extra("sign", "signing"):
        from model_signing import signing  # noqa: PLC0415 - an extra
    config = signing.Config()  # type: ignore[no-untyped-call]
    config.set_hashing_config(_hashing())
    with _explained(private_key, "a key, and certificates if any, to sign with"):
        if certificate is None:
            # Bytes, whatever its annotation says: it hands them on to cryptography as they are.
            locked: Any = None if password is None else password.encode()
            config.use_elliptic_key_signer(private_key=private_key, password=locked)
        else:
            config.use_certificate_signer(
                private_key=private_key, signing_certificate=certificate, certificate_chain=chain
            )
    # Beside the bundle, in which no half-written file may lie.
    with working_folder(opened.path) as place:
        config.sign(opened.path, place / SIGNATURE_FILE)
        (place / SIGNATURE_FILE).replace(destination)
    return destination


def check_signature(
    bundle: str | Path,
    *,
    signature: Path | None = None,
    public_key: Path | None = None,
    chain: Sequence[Path] = (),
) -> None:
    """Check that every file of a bundle is what somebody signed, and that none is missing or more.

    Args:
        bundle: the folder.
        signature: the bundle's own when None.
        public_key: a PEM file with the key of who signed; or
        chain: PEM files with the certificates that are trusted.

    Raises:
        BundleError: there is no signature, it is of another key, or of other files.
        ClampdownError: the package is missing, a key cannot be read, or both or neither were given.
    """
    if (public_key is None) == (not chain):
        raise ClampdownError(
            "The signature",
            found="a public key and certificates" if chain else "neither key nor certificates",
            expected="exactly one of the two",
            hint="Pass --public-key, or --certificate-chain.",
        )
    folder = Path(bundle)
    place = folder / SIGNATURE_FILE if signature is None else signature
    with needs_extra("verify", "signing"):
        from model_signing import verifying  # noqa: PLC0415 - an extra
    if not place.is_file():
        raise BundleError(
            str(place),
            found="no such file",
            expected="the signature of the bundle",
            hint="Get it from whom the bundle is from: `clampdown sign` makes it.",
        )
    config = verifying.Config()  # type: ignore[no-untyped-call]
    config.set_hashing_config(_hashing())
    with _explained(public_key or chain[0], "the key or certificates of who signed"):
        if public_key is not None:
            config.use_elliptic_key_verifier(public_key=public_key)
        else:
            config.use_certificate_verifier(certificate_chain=chain)
    try:
        config.verify(folder, place)
    except Exception as error:  # of cryptography, of protobuf, of the package itself
        # It says of other files by what digests they differ, which nobody can read.
        of_others = str(error).startswith("Signature mismatch")
        why = "it is of other files" if of_others else str(error) or type(error).__name__
        raise BundleError(
            str(place),
            found=f"a signature that does not hold ({why})",
            expected="one of these very files, by that key",
            hint="Do not run this bundle: it, its signature or the key is another one.",
        ) from error


def _hashing() -> "hashing.Config":
    from model_signing import hashing  # noqa: PLC0415 - an extra

    config = hashing.Config()  # type: ignore[no-untyped-call]
    # Relative to the folder that is signed.
    return config.set_ignored_paths(paths=[SIGNATURE_FILE], ignore_git_paths=False)


@contextmanager
def _explained(path: Path, expected: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of cryptography, whose kinds differ from release to release
        raise ClampdownError(
            str(path),
            found=f"a file that cannot be used ({str(error) or type(error).__name__})",
            expected=expected,
            hint="Pass PEM files; an encrypted key needs its password.",
        ) from error
