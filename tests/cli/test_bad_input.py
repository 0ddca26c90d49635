"""Whatever is wrong with an input: one clear line on standard error, exit 2, nothing on standard output."""

import importlib.util
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def _table(place):
    path = TESTS / place / "malformed.py"
    spec = importlib.util.spec_from_file_location(f"malformed_{place.replace('/', '_')}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LABELS = list(_table("sources/labels").malformed())
PLANS = list(_table("sources/plans").malformed())
RULES = list(_table("engine").malformed())


def _write(path, body):
    if isinstance(body, bytes):
        path.write_bytes(body)
    else:
        path.write_text(body, encoding="utf-8")


def _assert_refused(ended):
    assert ended.code == 2, ended.out + ended.err
    assert ended.out == ""
    lines = ended.err.splitlines()
    assert len(lines) == 1, ended.err
    assert lines[0].startswith("error: ")
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(("name", "case"), [(case[0], case) for case in LABELS], ids=[c[0] for c in LABELS])
def test_labels(name, case, run, tmp_path):
    arguments = _table("sources/labels").prepare(case, tmp_path)
    _assert_refused(run("recommend", *arguments))


@pytest.mark.parametrize("case", PLANS, ids=[c[0] for c in PLANS])
def test_plans(case, run, tmp_path):
    _, suffix, body = case
    path = tmp_path / f"plan{suffix}"
    _write(path, body)
    ended = run("check", path)
    _assert_refused(ended)
    assert "plan" in ended.err


@pytest.mark.parametrize("case", RULES, ids=[c[0] for c in RULES])
def test_rules(case, run, tmp_path):
    _, body = case
    path = tmp_path / "labels" / _table("engine").FILE_NAME
    path.parent.mkdir()
    _write(path, body)
    _assert_refused(run("check", "--prevalence", "0.01", "--rules", tmp_path))


def test_there_are_at_least_150():
    assert len(LABELS) + len(PLANS) + len(RULES) >= 150


@pytest.mark.parametrize(
    "arguments",
    [
        ["recommend"],
        ["check"],
        ["facts"],
        ["check", "no/such/plan.yaml"],
        ["check", "--labels", "no/such/labels.npy"],
        ["recomend"],
        ["check", "--queue-sise", "3"],
        ["check", "--format"],
        ["rules", "explain"],
        ["recommend", "--prevalence", "2"],
        ["recommend", "--prevalence", "0.01", "--batch-size", "many"],
        ["recommend", "--prevalence", "0.01", "--batch-size", "0"],
        ["recommend", "--prevalence", "0.01", "--format", "yaml"],
        ["facts", "--prevalence", "0.01", "--format", "html"],
        ["rules", "list", "--format", "sarif"],
        ["lab", "results", "--format", "prometheus"],
        ["recommend", "--prevalence", "0.01", "--fail-on", "everything"],
        ["recommend", "--prevalence", "0.01", "--loss", "smoothap2"],
        ["recommend", "--prevalence", "0.01", "--task", "regression"],
        ["recommend", "--prevalence", "0.01", "--loss", "softmax-focal", "--task", "binary"],
        ["recommend", "--key", "y", "--prevalence", "0.01"],
        ["rules", "explain", "no-such-rule"],
        ["rules", "list", "--covers", "ZZ-99"],
        ["rules", "test", "no/such/place"],
        ["plan", "example", "no-such-loss"],
        ["check", "--prevalence", "0.01", "--baseline", "no/such/baseline.json"],
        ["check", "--prevalence", "0.01", "--config", "no/such/pyproject.toml"],
        ["check", "--prevalence", "0.01", "--rules", "no/such/rules"],
        ["check", "--prevalence", "0.01", "--output", "no/such/folder/out.txt"],
    ],
    ids=" ".join,
)
def test_arguments(arguments, run):
    _assert_refused(run(*arguments))


def test_nothing_is_overwritten(run, tmp_path):
    precious = tmp_path / "plan.yaml"
    precious.write_text("mine\n")
    _assert_refused(run("recommend", "--prevalence", "0.01", "--plan-out", precious))
    assert precious.read_text() == "mine\n"
    ended = run("recommend", "--prevalence", "0.01", "--plan-out", precious, "--overwrite")
    assert ended.code == 0, ended.err
    assert "loss:" in precious.read_text()


def test_a_defect_of_ours_is_one_line_and_exit_70(run, monkeypatch):
    import imbalance_doctor.diagnose

    def broken(*_, **__):
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr(imbalance_doctor.diagnose, "diagnose", broken)
    monkeypatch.delenv("IMBALANCE_DOCTOR_DEBUG", raising=False)
    ended = run("check", "--prevalence", "0.01")
    assert ended.code == 70
    assert ended.err.startswith("internal error: RuntimeError: first second")
    assert len(ended.err.splitlines()) == 1
