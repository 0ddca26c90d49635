"""The house rules as failing tests: style, types, the one-way flow, and words that must not appear."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _run(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "--no-cache", "."),
        ("ruff", "format", "--no-cache", "--check", "."),
        ("mypy", "--no-incremental", "--cache-dir=/dev/null"),
        ("importlinter.cli", "lint"),
    ],
    ids=["ruff", "format", "mypy", "imports"],
)
def test_tools_are_content(command):
    if command[0] == "importlinter.cli":
        done = _run(
            sys.executable, "-c", "from importlinter.cli import lint_imports_command as m; m()", "--no-cache"
        )
    else:
        done = _run(sys.executable, "-m", *command)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "option", [("--version",), ("recommend", "--labels"), ("rules", "list"), ("check", "--labels")]
)
def test_start_up_imports_nothing_heavy(option, tmp_path):
    numpy = pytest.importorskip("numpy")
    labels = tmp_path / "y.npy"
    numpy.save(labels, numpy.arange(100_000) % 500 == 0)
    arguments = [*option, str(labels)] if option[-1] == "--labels" else list(option)
    script = (
        "import sys\n"
        "from imbalance_doctor.cli import app\n"
        f"try: app({arguments!r})\n"
        "except SystemExit as end: assert end.code in (0, None), end.code\n"
        "heavy = {'torch', 'scipy', 'pandas', 'pydantic', 'matplotlib', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = _run(sys.executable, "-c", script)
    assert done.returncode == 0, done.stdout + done.stderr


def test_words_have_one_meaning():
    wrong = re.compile(r"(?<!true )(?<!false.)(?<!predicted.)positive[ _]rate(?!s? \(recall)", re.IGNORECASE)
    files = [*ROOT.glob("imbalance_doctor/**/*.py"), *ROOT.glob("rules/**/*.yaml"), ROOT / "README.md"]
    found = [
        f"{path.relative_to(ROOT)}:{n}"
        for path in files
        for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if wrong.search(line)
    ]
    assert not found, "write 'prevalence': " + ", ".join(found)
