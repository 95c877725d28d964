import hashlib

from clampdown_runtime.digests import bytes_digest, file_digest, is_digest


def test_digests_are_prefixed_sha256(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc" * 100_000)
    expected = "sha256:" + hashlib.sha256(b"abc" * 100_000).hexdigest()
    assert file_digest(path) == bytes_digest(b"abc" * 100_000) == expected


def test_only_the_written_form_is_a_digest():
    assert is_digest(bytes_digest(b""))
    for text in (
        "",
        "0" * 64,
        "sha256:" + "A" * 64,
        "sha256:" + "0" * 65,
        bytes_digest(b"") + "\n",
    ):
        assert not is_digest(text)
