"""What is built is what was written: the wheel holds the rules and runs in an empty environment."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
RULES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("rules/*/*.yaml"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_every_rule_and_nothing_of_the_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert (
        sorted(
            n.replace("imbalance_doctor/_rules", "rules")
            for n in names
            if "/_rules/" in n and n.endswith(".yaml")
        )
        == RULES
    )
    assert any(n.endswith("recommend/proposals/bce.yaml") for n in names)
    assert any(n.endswith("py.typed") for n in names)
    assert not [n for n in names if n.startswith(("tests/", "sample_data/"))]


def test_the_wheel_works_in_an_empty_environment(wheel, tmp_path):
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    subprocess.run(
        [python, "-m", "pip", "install", "-q", str(wheel)], check=True, capture_output=True, env=clean
    )
    program = tmp_path / "env" / "bin" / "imbalance-doctor"
    np.save(tmp_path / "y.npy", np.arange(50_000) % 100 == 0)

    def run(*arguments):
        return subprocess.run(
            [program, *arguments], cwd=tmp_path, capture_output=True, text=True, env=clean, check=True
        )

    assert len(json.loads(run("rules", "list", "--format", "json").stdout)["rules"]) == len(RULES)
    assert run("recommend", "--labels", "y.npy", "--plan-out", "train.yaml").stdout.endswith("\n")
    assert "exit 0" in run("check", "--plan", "train.yaml", "--labels", "y.npy").stdout
    modules = subprocess.run(
        [python, "-m", "pip", "list", "--format", "freeze"],
        capture_output=True,
        text=True,
        env=clean,
        check=True,
    )
    assert not {"torch", "scipy", "pandas", "pydantic"} & {
        line.split("==")[0] for line in modules.stdout.splitlines()
    }
