"""What is not installed is named, with the extra that has it."""

import sys

import pytest

from clampdown.extras import needs_extra


@pytest.mark.parametrize(
    ("line", "extra"),
    [
        ("defend m --clean c.csv --out o", "export"),
        ("calibrate m --clean c.csv --out o", "export"),
        ("export m --calibration c --out o", "export"),
        ("threshold b --frr 0.1", "export"),
        ("verify b", "export"),
        ("demo --out o", "demo"),
    ],
)
def test_a_missing_package_says_which_extra_to_install(invoke, monkeypatch, tmp_path, line, extra):
    class Missing:
        def __getattr__(self, name):
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

    for package in ("clampdown_calib", "clampdown_exporter", "clampdown.demo.victim"):
        monkeypatch.setitem(sys.modules, package, Missing())
    monkeypatch.chdir(tmp_path)
    result = invoke(*line.split())
    assert result.exit_code == 2
    assert "found no package torch" in result.stderr
    assert f"pip install 'clampdown[{extra}]'" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line",
    ["defend m --clean c.csv --out o", "export m --calibration c --out o", "verify b"],
)
def test_no_onnx_runtime_says_what_to_install(invoke, monkeypatch, tmp_path, line):
    monkeypatch.delitem(sys.modules, "clampdown_exporter", raising=False)
    monkeypatch.setattr(
        sys.modules["clampdown_runtime.sessions.providers"], "installed_builds", list
    )
    monkeypatch.chdir(tmp_path)
    result = invoke(*line.split())
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ONNX Runtime: found no build of it installed")
    assert "pip install 'clampdown[cpu]'" in result.stderr


def test_a_missing_module_of_no_extra_is_a_defect():
    missing = ModuleNotFoundError("No module named 'misspelt'", name="misspelt")
    with pytest.raises(ModuleNotFoundError) as caught, needs_extra("verify"):
        raise missing
    assert caught.value is missing
