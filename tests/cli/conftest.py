"""Runs the command line inside the test process, where a subprocess is not the point."""

import sys

import pytest

from imbalance_doctor import cli


class Ended:
    """How one command ended."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(capsys, monkeypatch):
    """Return a function that runs one command line and tells how it ended."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["imbalance-doctor", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return call
