"""README.md shows real outputs, and its commands are the ones that run."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
_spec = importlib.util.spec_from_file_location("readme", ROOT / "tests" / "readme.py")
readme = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(readme)

BLOCKS = [m["command"] for m in readme.BLOCK.finditer(TEXT)]


@pytest.mark.parametrize("command", BLOCKS)
def test_shown_output_is_what_the_command_prints(command):
    shown = next(m for m in readme.BLOCK.finditer(TEXT) if m["command"] == command)[0]
    assert readme.refreshed(shown) == shown, "run: python tests/readme.py"


def test_there_are_outputs_to_check():
    assert len(BLOCKS) >= 3


def test_the_figures_of_the_lab_are_those_that_are_stored():
    shown = readme.RESULTS.search(TEXT)[0]
    assert "harmed runs noticed" in shown
    assert readme.refreshed(shown) == shown, "run: python tests/readme.py"


def test_every_shown_option_exists():
    from typer.main import get_command

    from imbalance_doctor.cli import app

    root = get_command(app)
    shown = re.findall(r"^(?:\$ )?(imbalance-doctor [^\n|>]+)", TEXT, re.MULTILINE)
    assert shown
    for line in shown:
        command, words = root, shlex.split(line, comments=True)[1:]
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help", "-h"}
        used = {w for w in words if w.startswith("-") and w != "-"}
        assert used <= known, f"{line}: {used - known}"


def test_ci_runs_the_command_shown(tmp_path):
    fenced = re.search(r"^## Run the tests.*?^```sh\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)[1]
    assert "pytest" in fenced
    assert "README.md" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
