"""Keeps the outputs shown in README.md true: ``python tests/readme.py`` writes them anew.

A block between ``<!-- output: COMMAND -->`` and ``<!-- end -->`` holds what COMMAND prints, and one between
``<!-- results -->`` and ``<!-- end of results -->`` the stored figures of the lab beside their targets.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- output: (?P<command>[^\n]+) -->\n).*?(<!-- end -->)", re.DOTALL)
RESULTS = re.compile(r"(<!-- results -->\n).*?(<!-- end of results -->)", re.DOTALL)


def output_of(command):
    """Return what a command of this project prints, one hundred columns wide and without colour."""
    program, *arguments = shlex.split(command)
    assert program == "imbalance-doctor", command
    done = subprocess.run(
        [sys.executable, "-m", "imbalance_doctor", *arguments],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def refreshed(text):
    """Return README text with every output block written anew."""

    def block(match):
        output = output_of(match["command"]).rstrip()
        body = output if "markdown" in match["command"] else f"```text\n{output}\n```"
        return f"{match[1]}\n{body}\n\n{match[3]}"

    from imbalance_doctor.lab.page import readme_table
    from imbalance_doctor.lab.results import Results

    figures = readme_table(Results.load()).strip()
    text = RESULTS.sub(lambda match: f"{match[1]}\n{figures}\n\n{match[2]}", text)
    return BLOCK.sub(block, text)


if __name__ == "__main__":
    README.write_text(refreshed(README.read_text(encoding="utf-8")), encoding="utf-8")
