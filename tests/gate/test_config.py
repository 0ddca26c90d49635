"""The project's configuration: found where it should be, and no mistake in it passes."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources import config as module
from imbalance_doctor.sources.config import Config, Suppression, read_config

FULL = """
[project]
name = "x"

[tool.imbalance-doctor]
fail-on = "warning"
strict = true
rules = ["ci/rules"]
override = ["a-rule"]
baseline = "base.json"

[[tool.imbalance-doctor.suppress]]
rule = "b-rule"
reason = " the sampler is stratified "
expires = 2027-01-31

[[tool.imbalance-doctor.suppress]]
rule = "c-rule"
reason = "x"
expires = "2027-02-01"
"""


@pytest.fixture
def project(tmp_path):
    """Return a repository root, so that no configuration above the temporary folder is found."""
    (tmp_path / ".git").mkdir()
    return tmp_path


def write(project, text, name="pyproject.toml"):
    path = project / name
    path.write_text(text, encoding="utf-8")
    return path


def test_everything(project):
    path = write(project, FULL)
    assert read_config(project) == Config(
        path=path,
        fail_on="warning",
        strict=True,
        rules=(project / "ci/rules",),
        override=("a-rule",),
        baseline=project / "base.json",
        suppress=(
            Suppression(
                rule="b-rule", reason="the sampler is stratified", expires=dt.date(2027, 1, 31),
                source="pyproject.toml",
            ),
            Suppression(rule="c-rule", reason="x", expires=dt.date(2027, 2, 1), source="pyproject.toml"),
        ),
    )  # fmt: skip


def test_found_from_a_folder_below(project):
    write(project, '[tool.imbalance-doctor]\nfail-on = "note"\nbaseline = "b.json"')
    below = project / "a" / "b"
    below.mkdir(parents=True)
    write(below, "[tool.other]\nx = 1")  # a pyproject.toml that says nothing of us does not end the search
    found = read_config(below)
    assert found.fail_on == "note"
    assert found.baseline == project / "b.json"


def test_the_nearest_counts(project):
    write(project, '[tool.imbalance-doctor]\nfail-on = "note"')
    below = project / "a"
    below.mkdir()
    write(below, "[tool.imbalance-doctor]\nstrict = true")
    assert read_config(below) == Config(path=below / "pyproject.toml", strict=True)


def test_the_search_ends_at_the_repository(project):
    write(project, '[tool.imbalance-doctor]\nfail-on = "note"')
    inner = project / "inner"
    (inner / "src").mkdir(parents=True)
    (inner / ".git").write_text("gitdir: elsewhere")  # a submodule or worktree has a file
    assert read_config(inner / "src") == Config()


def test_nothing_found(project):
    assert read_config(project) == Config()
    write(project, "[tool.imbalanced-learn]\nx = 1\n[tool.doctor]\nx = 1")  # other tools are none of ours
    assert read_config(project) == Config()
    (project / "pyproject.toml").unlink()
    (project / "pyproject.toml").mkdir()
    assert read_config(project) == Config()


def test_explicit(project):
    path = write(project, "[tool.imbalance-doctor]\nstrict = false", "other.toml")
    assert read_config(project, path) == Config(path=path, strict=False)
    empty = write(project, "", "empty.toml")
    with pytest.raises(
        InputError, match=r"empty.toml: expected a table \[tool.imbalance-doctor\], but got none"
    ):
        read_config(project, empty)
    with pytest.raises(InputError, match=r"absent\.toml: cannot be read"):
        read_config(project, project / "absent.toml")
    with pytest.raises(InputError, match="cannot be read"):
        read_config(project, project)


T = "[tool.imbalance-doctor]\n"
S = "[[tool.imbalance-doctor.suppress]]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (T + "fail_on = 'error'", "baseline, suppress, but got 'fail_on'; did you mean 'fail-on'?"),
        (T + "strict = 'yes'", "strict: expected true or false, but got 'yes'"),
        (T + "strict = 1", "strict: expected true or false, but got 1"),
        (T + "fail-on = 'eror'", "error, warning, note, never, but got 'eror'; did you mean 'error'?"),
        (T + "fail-on = 3", "fail-on: expected one of error, warning, note, never, but got 3"),
        (T + "rules = 'ci'", "rules: expected a list of texts, but got 'ci'"),
        (T + "rules = [1]", "rules 1: expected text that is not empty, but got 1"),
        (T + "rules = ['']", "rules 1: expected text that is not empty, but got ''"),
        (T + r'rules = ["a\u0000b"]', "rules 1: expected text without NUL"),
        (T + "baseline = ' '", "baseline: expected text that is not empty, but got ' '"),
        (T + "suppress = {a = 1}", "suppress: expected a list of tables with rule and reason"),
        (T + "suppress = ['a']", "suppress 1: expected a table with rule and reason, but got 'a'"),
        (S + "rule = 'a'", "suppress 1: expected a reason, but got none"),
        (S + "reason = 'a'", "suppress 1: expected a rule, but got none"),
        (S + "rule = 'a'\nreason = '  '", "suppress 1 reason: expected text that is not empty"),
        (S + "rule = 'a'\nreason = 'b'\nuntil = 1", "suppress 1: expected one of rule, reason, expires"),
        (S + "rule = 'a'\nreason = 'b'\nexpire = 1", "did you mean 'expires'?"),
        (S + "rule = 'a'\nreason = 'b'\nexpires = 'soon'", "expected a date as 2027-01-31, but got 'soon'"),
        (S + "rule = 'a'\nreason = 'b'\nexpires = '2027-02-30'", "expected a date as 2027-01-31"),
        (S + "rule = 'a'\nreason = 'b'\nexpires = '20270101'", "expected a date as 2027-01-31"),
        (S + "rule = 'a'\nreason = 'b'\nexpires = 2027-01-31T10:00:00Z", "but got 2027-01-31T10:00:00+00:00"),
        (S + "rule = 'a'\nreason = 'b'\nexpires = 2027", "expected a date as 2027-01-31, but got 2027"),
        (S + "rule = 'a'\nreason = 'b'\n" + S + "rule = 'a'\nreason = 'c'",
         "suppress 2: expected each rule once, but got 'a' twice"),
        (
            "[tool.imbalance_doctor]\nstrict = true",
            "but got [tool.imbalance_doctor]; did you mean 'tool.imbalance-doctor'?",
        ),
        (T + "[tool.Imbalance-Doctor]", "expected [tool.imbalance-doctor], but got [tool.Imbalance-Doctor]"),
        ("[[tool.imbalancedoctor.suppress]]", "but got [tool.imbalancedoctor]; did you mean"),
        ("tool = 3", "expected [tool.imbalance-doctor] to be a table, but got 3"),
        ("[tool]\nimbalance-doctor = 3", "expected [tool.imbalance-doctor] to be a table, but got 3"),
        (T + "strict = true\nstrict = true\n", "Cannot overwrite a value"),
        (T + "strict = = true\n", ":2:10: expected TOML, but got: "),
        ("[tool.imbalance-doctor", "expected TOML, but got: "),
    ],
)  # fmt: skip
def test_mistakes(project, text, message):
    write(project, text)
    with pytest.raises(InputError) as error:
        read_config(project)
    assert message in str(error.value)
    assert str(error.value).startswith("pyproject.toml:")
    assert "\n" not in str(error.value)


def test_files_that_are_no_text(project, monkeypatch):
    path = project / "pyproject.toml"
    path.write_bytes(b"a = '\xff'")
    with pytest.raises(InputError, match="expected UTF-8 text, but got byte 5 that is not"):
        read_config(project)
    path.write_text("a = " + "[" * 100_000)
    with pytest.raises(InputError, match="expected TOML"):
        read_config(project)
    monkeypatch.setattr(module, "_LARGEST", 2**20)
    path.write_bytes(b"#" * 2**20)
    assert read_config(project) == Config()
    path.write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(InputError, match="expected at most 1 MiB"):
        read_config(project)


def test_rules_that_do_not_exist(project, monkeypatch):
    monkeypatch.chdir(project)
    write(project, FULL)
    found = read_config(project)
    found.check_rules(["a-rule", "b-rule", "c-rule"])
    with pytest.raises(
        InputError, match=r"^pyproject.toml: suppress: .* got 'c-rule'; did you mean 'x-rule'\?"
    ):
        found.check_rules(["a-rule", "b-rule", "x-rule"])
    with pytest.raises(InputError, match=r"override: .* got 'a-rule'; see `imbalance-doctor rules list`"):
        Config(override=("a-rule",), path=found.path).check_rules(["something-else"])
    Config().check_rules([])


@settings(deadline=None)
@given(
    st.recursive(
        st.one_of(st.booleans(), st.integers(-5, 5), st.text(max_size=5), st.dates()),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(["rule", "reason", "expires", "x"]), inner, max_size=3),
        ),
        max_leaves=6,
    ),
    st.sampled_from(["fail-on", "strict", "rules", "override", "baseline", "suppress", "other"]),
)
def test_any_value_is_read_or_told_in_one_line(value, key):
    told = ""
    try:
        module._config({key: value}, module.Path("pyproject.toml"), "pyproject.toml")
    except InputError as error:
        told = str(error)
    assert told.isprintable()
    assert not told or told.startswith("pyproject.toml: ")
