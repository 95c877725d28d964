"""How facts, tables, JSON and errors are printed."""

import json

import pytest

from clampdown.cli.output import cell, echo_facts, echo_json, echo_table, one_line
from clampdown_runtime import ClampdownError


def test_json_has_no_numbers_that_json_lacks(capsys):
    echo_json({"a": [float("nan"), 1.5], "b": (float("inf"), None), "c": {"d": -float("inf")}})
    assert capsys.readouterr().out == '{"a": [null, 1.5], "b": [null, null], "c": {"d": null}}\n'


def test_facts_and_tables_are_aligned(capsys):
    echo_facts({"a": 0.123456789, "long": ("x", "y"), "none": None, "map": {"k": 1}})
    echo_table(("", "one"), [("first", "1.0"), ("second", "10.0")])
    assert capsys.readouterr().out.splitlines() == [
        "a     0.123457",
        "long  x, y",
        "none  -",
        "map   k 1",
        "         one",
        "first    1.0",
        "second  10.0",
    ]


def test_json_and_tables_hold_no_control_characters(capsys):
    hostile = "\x1b[2J\x9b1m\x7f\u202e\ud800\nü"
    echo_json({hostile: [hostile]})
    echo_table(("a", "b"), [(hostile, hostile)])
    printed = capsys.readouterr().out
    assert all(line.isprintable() for line in printed.split("\n"))
    json_line, _, row, _ = printed.split("\n")
    assert json.loads(json_line) == {hostile: [hostile]}
    assert "ü" in json_line
    assert row == "  ".join([one_line(hostile)] * 2)


def test_an_error_message_keeps_its_lines_and_no_control_characters(invoke, failing):
    failing(ClampdownError("\x1b]0;title\x07", found="a\r\nb\x9b", expected="ü", hint="Do\tso."))
    assert invoke("doctor").stderr == (
        "error: \\x1b]0;title\\x07: found a\\r\nb\\x9b; expected ü. Do\\tso.\n"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [("plain ü", "plain ü"), ("a\tb\nc", r"a\tb\nc"), ("\x1b[2J\u200b", r"\x1b[2J\u200b")],
)
def test_a_text_is_shown_on_one_line(text, expected):
    assert one_line(text) == expected


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x")'])
def test_a_cell_is_never_a_formula(text):
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["good", "a=1", " =1", "'quoted", "\t=1"])
def test_other_cells_are_as_they_are(text):
    assert cell(text) == one_line(text)
