"""Whatever is wrong with a label file: one line that names it and says what was expected."""

import importlib.util
from pathlib import Path

import pytest

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.labels import read_labels

_SPEC = importlib.util.spec_from_file_location("malformed_labels", Path(__file__).with_name("malformed.py"))
table = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(table)
CASES = list(table.malformed())


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_one_clear_line(case, tmp_path):
    path = table.write(case, tmp_path)
    with pytest.raises(InputError) as refused:
        read_labels([str(path)], **case.options)
    message = str(refused.value)
    assert refused.value.exit_code == 2
    assert "\n" not in message
    assert message.isprintable()
    assert len(message.replace(str(path), "")) < 400
    assert case.says in message
    assert "expected" in message
    if case.name != "npy unknown kind":  # an option, whatever the file
        assert case.file in message


def test_names_are_unique():
    assert len({case.name for case in CASES}) == len(CASES) >= 90


def test_a_missing_file_names_its_neighbour(tmp_path):
    (tmp_path / "labels.npy").write_bytes(table.GOOD)
    with pytest.raises(InputError, match=r"did you mean 'labels\.npy'"):
        read_labels([str(tmp_path / "label.npy")])


def test_a_file_given_twice(tmp_path):
    path = tmp_path / "y.npy"
    path.write_bytes(table.GOOD)
    with pytest.raises(InputError, match="twice"):
        read_labels([str(path), str(tmp_path / "*.npy")])


def test_no_file():
    with pytest.raises(InputError, match="at least one label file"):
        read_labels([])


def test_a_path_with_a_nul_byte():
    with pytest.raises(InputError, match="readable"):
        read_labels(["y\0.npy"])


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "y.npy"
    path.write_bytes(table.GOOD)

    def forbid(*arguments, **options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", forbid)
    with pytest.raises(InputError, match="Permission denied"):
        read_labels([str(path)])


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "y.parquet").write_bytes(b"PAR1" + bytes(20))
    with pytest.raises(InputError, match=r"pip install 'imbalance-doctor\[parquet\]'"):
        read_labels([str(tmp_path / "y.parquet")])


def test_encrypted_archive(tmp_path):
    content = bytearray(table.npz(y=table.Y))
    for magic, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(magic) + flags] |= 1
    (tmp_path / "y.npz").write_bytes(content)
    with pytest.raises(InputError, match="encrypted"):
        read_labels([str(tmp_path / "y.npz")])
