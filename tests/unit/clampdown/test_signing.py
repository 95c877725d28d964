"""Signatures hold for the very files and the very key, and OpenSSF's own tool agrees."""

import datetime
import subprocess
import sys
from pathlib import Path

import pytest

from clampdown import check_signature, sign
from clampdown_runtime import BundleError, ClampdownError, DefendedClassifier, open_bundle

pytest.importorskip("model_signing")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PEM = serialization.Encoding.PEM
PASSWORD = "open"  # noqa: S105 - of the tests' own keys


def write_key(folder, name, password=None):
    """A private and a public key; returns the private one."""
    key = ec.generate_private_key(ec.SECP256R1())
    encryption = (
        serialization.BestAvailableEncryption(password.encode())
        if password
        else serialization.NoEncryption()
    )
    (folder / f"{name}.pem").write_bytes(
        key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, encryption)
    )
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    (folder / f"{name}.pub").write_bytes(key.public_key().public_bytes(PEM, form))
    return key


@pytest.fixture
def keys(tmp_path):
    folder = tmp_path / "keys"
    folder.mkdir()
    for name in ("ours", "theirs"):
        write_key(folder, name)
    return folder


@pytest.fixture
def signed(bundle_path, keys):
    assert sign(bundle_path, private_key=keys / "ours.pem") == bundle_path / "model.sig"
    return bundle_path


def test_a_signed_bundle_is_still_the_bundle(signed, keys, pristine, texts):
    check_signature(signed, public_key=keys / "ours.pub")
    assert open_bundle(signed).digest == open_bundle(pristine).digest
    assert DefendedClassifier.load(signed)(texts) == DefendedClassifier.load(pristine)(texts)
    assert sorted(path.name for path in signed.parent.iterdir()) == ["bundle", "keys"]


def test_a_path_may_be_relative(bundle_path, keys, monkeypatch):
    monkeypatch.chdir(bundle_path.parent)
    for path in (Path("bundle"), "./bundle"):
        sign(path, private_key=keys / "ours.pem")
        check_signature(path, public_key=keys / "ours.pub")
    monkeypatch.chdir(bundle_path)
    check_signature(".", public_key=keys / "ours.pub")


def test_another_key_is_refused(signed, keys):
    with pytest.raises(BundleError, match="a signature that does not hold"):
        check_signature(signed, public_key=keys / "theirs.pub")


@pytest.mark.parametrize("change", ["report.html", "clampdown.json", "new", "missing", "digests"])
def test_any_other_file_is_refused(signed, keys, seal, change):
    if change in ("new", "digests"):
        (signed / "new").write_text("x")
    if change == "digests":
        # Whole in itself, by another hand.
        seal(signed)
        open_bundle(signed)
    elif change == "missing":
        (signed / "report.html").unlink()
    elif change != "new":
        (signed / change).write_bytes((signed / change).read_bytes() + b" ")
    with pytest.raises(BundleError, match="it is of other files"):
        check_signature(signed, public_key=keys / "ours.pub")


def test_openssfs_own_tool_agrees(signed, keys):
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(signed)]
    command += ["--signature", str(signed / "model.sig"), "--public_key"]
    for name, status in (("ours", 0), ("theirs", 1)):
        done = subprocess.run(
            [*command, str(keys / f"{name}.pub")], capture_output=True, check=False
        )
        assert done.returncode == status, done.stdout + done.stderr


def test_an_encrypted_key_needs_its_password(bundle_path, keys):
    write_key(keys, "locked", password=PASSWORD)
    for given in (None, "shut"):
        with pytest.raises(ClampdownError, match=r"locked\.pem: found a file that cannot be used"):
            sign(bundle_path, private_key=keys / "locked.pem", password=given)
    assert not (bundle_path / "model.sig").exists()
    sign(bundle_path, private_key=keys / "locked.pem", password=PASSWORD)
    check_signature(bundle_path, public_key=keys / "locked.pub")


def test_a_damaged_bundle_is_not_signed(bundle_path, keys):
    (bundle_path / "config.json").write_text("{ }")
    with pytest.raises(BundleError, match=r"config\.json"):
        sign(bundle_path, private_key=keys / "ours.pem")


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", None])
def test_what_is_no_signature_is_refused(bundle_path, keys, content):
    if content is not None:
        (bundle_path / "model.sig").write_bytes(content)
    with pytest.raises(BundleError, match=r"model\.sig"):
        check_signature(bundle_path, public_key=keys / "ours.pub")


def test_exactly_one_of_key_and_certificates(signed, keys):
    for given in ({}, {"public_key": keys / "ours.pub", "chain": [keys / "ours.pub"]}):
        with pytest.raises(ClampdownError, match="exactly one of the two"):
            check_signature(signed, **given)


@pytest.mark.parametrize("name", ["ours.pem", "nowhere"])
def test_what_is_no_public_key_is_told(signed, keys, name):
    with pytest.raises(ClampdownError, match=f"{name}: found a file that cannot be used"):
        check_signature(signed, public_key=keys / name)


def certificate(subject, key, issuer=None, issuer_key=None):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    now = datetime.datetime.now(datetime.UTC)
    authority = issuer is None
    usage = {
        "key_encipherment": False,
        "content_commitment": False,
        "data_encipherment": False,
        "key_agreement": False,
        "encipher_only": False,
        "decipher_only": False,
    }
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority,
                key_cert_sign=authority,
                crl_sign=authority,
                **usage,
            ),
            critical=True,
        )
    )
    if not authority:
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
        builder = builder.add_extension(usages, critical=False)
    return builder.sign(issuer_key or key, hashes.SHA256())


def test_a_certificate_of_a_trusted_authority(bundle_path, keys):
    for name in ("root", "other"):
        key = write_key(keys, name)
        authority = certificate(name, key)
        (keys / f"{name}.crt").write_bytes(authority.public_bytes(PEM))
        if name == "root":
            own = write_key(keys, "signer")
            ours = certificate("signer", own, authority, key)
            (keys / "signer.crt").write_bytes(ours.public_bytes(PEM))
    sign(
        bundle_path,
        private_key=keys / "signer.pem",
        certificate=keys / "signer.crt",
        chain=[keys / "root.crt"],
    )
    check_signature(bundle_path, chain=[keys / "root.crt"])
    with pytest.raises(BundleError, match="does not hold"):
        check_signature(bundle_path, chain=[keys / "other.crt"])


def test_the_commands(invoke, bundle_path, keys, monkeypatch):
    write_key(keys, "locked", password=PASSWORD)
    monkeypatch.setenv("CLAMPDOWN_KEY_PASSWORD", PASSWORD)
    result = invoke("sign", bundle_path, "--private-key", keys / "locked.pem")
    assert (result.exit_code, result.stdout) == (0, f"{bundle_path / 'model.sig'}\n")
    for name, status in (("locked", None), ("theirs", 2)):
        result = invoke("verify", bundle_path, "--public-key", keys / f"{name}.pub")
        assert ("does not hold" in result.stderr) == (status == 2)
