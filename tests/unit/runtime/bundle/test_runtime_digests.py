import hashlib

from clampdown_runtime.bundle.digests import file_digest, is_digest

DIGEST = "sha256:" + hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_digests_are_prefixed_sha256(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc" * 100_000)
    assert file_digest(path) == DIGEST


def test_only_the_written_form_is_a_digest():
    assert is_digest(DIGEST)
    for text in (
        "",
        "0" * 64,
        "sha256:" + "A" * 64,
        "sha256:" + "0" * 65,
        DIGEST + "\n",
    ):
        assert not is_digest(text)
