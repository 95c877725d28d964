"""Refuses objects of JSON that have a key twice, of which parsers keep one in silence."""


def unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """For ``object_pairs_hook`` of the package json.

    Raises:
        ValueError: a key is there twice.
    """
    fields: dict[str, object] = {}
    for key, value in pairs:
        if key in fields:
            raise ValueError(f"the key {key!r} is there twice")
        fields[key] = value
    return fields
