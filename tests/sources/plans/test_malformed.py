"""Whatever is wrong with a plan or a script: one clear line that names the file."""

import importlib.util
from pathlib import Path

import pytest

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.plans import read_plan

_spec = importlib.util.spec_from_file_location("malformed_plans", Path(__file__).with_name("malformed.py"))
_table = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_table)
PLANS = list(_table.malformed_plans())
SCRIPTS = list(_table.malformed_scripts())


@pytest.mark.parametrize(
    ("suffix", "body", "message"), [c[1:] for c in PLANS + SCRIPTS], ids=[c[0] for c in PLANS + SCRIPTS]
)
def test_one_clear_line(suffix, body, message, tmp_path):
    path = tmp_path / f"plan{suffix}"
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    with pytest.raises(InputError) as caught:
        read_plan(str(path))
    text = str(caught.value)
    assert text.startswith(str(path))
    assert text.isprintable()
    assert message in text
    if message.startswith(":"):
        assert text.startswith(f"{path}{message}")
    assert len(text) < 500
    assert caught.value.exit_code == 2


def test_there_are_enough():
    assert len(PLANS) >= 50
    assert len(SCRIPTS) >= 20
    names = [case[0] for case in PLANS + SCRIPTS]
    assert len(set(names)) == len(names)
    assert list(_table.malformed()) == [case[:3] for case in PLANS + SCRIPTS]


def test_missing_file(tmp_path):
    for suffix in (".yaml", ".json", ".toml", ".py", ".ipynb", ".txt", ""):
        with pytest.raises(InputError, match="expected a file, but there is none"):
            read_plan(str(tmp_path / f"none{suffix}"))


def test_directory(tmp_path):
    for name in ("plan.yaml", "train.py", "plain"):
        (tmp_path / name).mkdir()
        with pytest.raises(InputError, match="expected a file, but got a directory"):
            read_plan(str(tmp_path / name))


@pytest.mark.parametrize("path", ["", "a\0b.yaml", "x" * 5000 + ".yaml", "no/such/folder/train.py"])
def test_impossible_paths(path):
    with pytest.raises(InputError):
        read_plan(path)
