"""Broken logs are read, told apart from logs, or refused in one line: never a traceback."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))

from fuzz_logs import broken, corpus, judge  # noqa: E402  after the path

REAL = ROOT.parent / "shared" / "logs"


@pytest.mark.parametrize(("folders", "inputs"), [((), 250), ((REAL,), 250)], ids=["samples", "real"])
def test_broken_copies_of_logs_end_well(tmp_path, folders, inputs):
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing:
        pytest.skip(f"{missing[0]} is not here")
    path = tmp_path / "run.log"
    ended = []
    for data in broken(corpus(folders), inputs, seed=7):
        path.write_bytes(data)
        ended.append(judge(path))
    assert set(ended) <= {"read", "no log", "refused"}
    assert ended.count("read") > inputs / 4  # they are broken, not destroyed
