"""What is a URI, what its parts are, and what of it is shown."""

import pytest

from clampdown.score.places.uris import shown, split_uri


@pytest.mark.parametrize("text", ["rows/*.parquet", "a:b", "s3:/bucket", "-", "C://x", "./s3://x"])
def test_all_else_is_a_path(text):
    assert split_uri(text) is None
    assert shown(text) == text


@pytest.mark.parametrize(
    ("text", "root", "path"),
    [
        ("s3://bucket", "s3://bucket/", ""),
        ("S3://bucket/", "s3://bucket/", ""),
        ("s3://bucket/a//b/", "s3://bucket/", "a/b"),
        ("s3://bucket/a b/%20%25#[1]", "s3://bucket/", "a b/ %#[1]"),
        ("s3://bucket/day=?/a.parquet", "s3://bucket/", "day=?/a.parquet"),
        ("s3://bucket/?.parquet?region=x-1", "s3://bucket/?region=x-1", "?.parquet"),
        (
            "s3://k:s@bucket/a?endpoint_override=http://h:9&scheme=http",
            "s3://k:s@bucket/?endpoint_override=http://h:9&scheme=http",
            "a",
        ),
        (
            "abfs://box@account.dfs.core.windows.net/a",
            "abfs://box@account.dfs.core.windows.net/",
            "a",
        ),
        ("hdfs:///a/b", "hdfs:///", "a/b"),
    ],
)
def test_the_parts_of_a_uri(text, root, path):
    assert split_uri(text) == (root, path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s3://key:secret@bucket/?/*.parquet", "s3://key@bucket/?/*.parquet"),
        ("abfs://box@account/a?client_secret=x", "abfs://box@account/a"),
        ("s3://bucket/a:b@c", "s3://bucket/a:b@c"),
        # Secrets have slashes and more, and are often not encoded.
        ("s3://key:se/cr+et@bucket/a", "s3://key@bucket/a"),
        ("s3://key:se@cret@bucket/a", "s3://key@bucket/a"),
        ("s3://key:se/cret", "s3://key@/cret"),
        ("hdfs://host:8020/a@b", "hdfs://host:8020/a@b"),
    ],
)
def test_passwords_and_options_are_not_shown(text, said):
    assert shown(text) == said
