"""The README names the architectures that the code knows."""

from tests.models.readme import README, with_architectures


def test_readme_names_every_known_architecture():
    text = README.read_text("utf-8")
    assert text == with_architectures(text), "run python -m tests.models.readme"
