"""``[tool.imbalance-doctor]`` in ``pyproject.toml``: what a project has decided once.

::

    [tool.imbalance-doctor]
    fail-on = "warning"            # error | warning | note | never
    strict = true                  # a rule that could not be checked fails too
    rules = ["ci/rules"]           # folders with rules of your own
    override = ["pool-too-small"]  # built-in rules that those folders may replace
    baseline = "baseline.json"     # findings that were there before

    [[tool.imbalance-doctor.suppress]]
    rule = "batch-without-positives"
    reason = "the sampler is stratified; the plan cannot say so yet"
    expires = 2027-01-31           # optional: the last day on which it counts

Paths are relative to the file that names them. An unknown key is an error, so that a misspelt one
cannot pass as a decision.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from imbalance_doctor.errors import InputError, did_you_mean

FailOn = Literal["error", "warning", "note", "never"]
FAIL_ON: tuple[FailOn, ...] = get_args(FailOn)

TABLE = "tool.imbalance-doctor"
_FILE = "pyproject.toml"
_LARGEST = 4 * 2**20
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, kw_only=True)
class Suppression:
    """A rule whose findings the project accepts.

    Attributes
    ----------
    rule
        Id of the rule.
    reason
        Why the findings are accepted; never empty.
    expires
        Last day on which it counts; None for no end.
    source
        File that says so, for the report.
    """

    rule: str
    reason: str
    expires: dt.date | None = None
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Config:
    """The project's decisions; None and empty where it has made none.

    Attributes
    ----------
    path
        File the configuration came from; None when there is none.
    rules, baseline
        Resolved against the folder of `path`.
    """

    path: Path | None = None
    fail_on: FailOn | None = None
    strict: bool | None = None
    rules: tuple[Path, ...] = ()
    override: tuple[str, ...] = ()
    baseline: Path | None = None
    suppress: tuple[Suppression, ...] = ()

    def check_rules(self, known: Collection[str]) -> None:
        """Make sure that every rule the configuration names exists.

        Parameters
        ----------
        known
            Ids of all rules, built-in and the project's own.

        Raises
        ------
        InputError
            A suppression or an override names a rule that does not exist.
        """
        named = [("suppress", s.rule) for s in self.suppress] + [("override", r) for r in self.override]
        for key, rule in named:
            if rule not in known:
                raise InputError(
                    f"{key}: expected the id of a rule, but got {_shown(rule)}",
                    where=_name(self.path, Path.cwd()) if self.path else "",
                    hint=did_you_mean(rule, known) or "see `imbalance-doctor rules list`",
                )


def parse_fail_on(text: str, where: str = "--fail-on") -> FailOn:
    """Read a severity to fail on.

    Raises
    ------
    InputError
        It is none of ``error``, ``warning``, ``note``, ``never``.
    """
    if text not in FAIL_ON:
        raise InputError(
            f"expected one of {', '.join(FAIL_ON)}, but got {_shown(text)}",
            where=where,
            hint=did_you_mean(text, FAIL_ON),
        )
    return text


def read_config(start: Path, explicit: Path | None = None) -> Config:
    """Read the configuration of the project that `start` lies in.

    Parameters
    ----------
    start
        Folder to search from. Its parents follow, up to the one that holds ``.git`` or the root of
        the file system; the first ``pyproject.toml`` with a ``[tool.imbalance-doctor]`` table counts.
    explicit
        A TOML file to read instead; it must hold the table.

    Returns
    -------
    Config
        An empty one when nothing is found.

    Raises
    ------
    InputError
        The file cannot be read, is not TOML, or holds an unknown key or a value of the wrong kind.
    """
    if explicit is not None:
        table = _table(explicit, _name(explicit, start))
        if table is None:
            raise InputError(f"expected a table [{TABLE}], but got none", where=_name(explicit, start))
        return _config(table, explicit, _name(explicit, start))
    top = start.resolve()
    for folder in (top, *top.parents):
        path = folder / _FILE
        if path.is_file():
            name = _name(path, top)
            table = _table(path, name)
            if table is not None:
                return _config(table, path, name)
        if (folder / ".git").exists():
            break
    return Config()


def _name(path: Path, start: Path) -> str:
    """Return the shortest honest name of a file: relative to `start` where there is a way."""
    if not path.is_absolute():
        return path.as_posix()
    try:
        return Path(os.path.relpath(path, start)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def _table(path: Path, name: str) -> Mapping[str, Any] | None:
    node: Any = _document(path, name)
    for key in TABLE.split("."):
        if not isinstance(node, dict):
            raise InputError(f"expected [{TABLE}] to be a table, but got {_shown(node)}", where=name)
        if TABLE.endswith(f".{key}"):
            _refuse_other_spelling(node, key, name)
        if key not in node:
            return None
        node = node[key]
    if not isinstance(node, dict):
        raise InputError(f"expected [{TABLE}] to be a table, but got {_shown(node)}", where=name)
    return node


def _document(path: Path, name: str) -> Mapping[str, Any]:
    import tomllib

    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=name) from None
    if len(raw) > _LARGEST:
        raise InputError(f"expected at most {_LARGEST // 2**20} MiB, but got more", where=name)
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"expected UTF-8 text, but got byte {error.start} that is not", where=name) from None
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        text = str(error)[: place.start()] if place else str(error)
        raise InputError(
            f"expected TOML, but got: {text}",
            where=name,
            line=int(place[1]) if place else None,
            column=int(place[2]) if place else None,
        ) from None
    except RecursionError:
        raise InputError("expected TOML, but got values nested too deeply", where=name) from None


def _refuse_other_spelling(tables: Mapping[str, Any], key: str, name: str) -> None:
    """Refuse another spelling of our own table: the decisions in it would be lost without a word."""
    for other in tables:
        if other != key and re.sub(r"[-_. ]", "", other).lower() == key.replace("-", ""):
            wrong = TABLE.removesuffix(key) + other
            raise InputError(
                f"expected [{TABLE}], but got [{wrong}]", where=name, hint=did_you_mean(wrong, [TABLE])
            )


def _config(table: Mapping[str, Any], path: Path, name: str) -> Config:
    folder = path.parent
    _only(table, ("fail-on", "strict", "rules", "override", "baseline", "suppress"), f"[{TABLE}]", name)

    def get(key: str, read: Callable[[object, str, str], Any], default: Any) -> Any:
        return read(table[key], f"[{TABLE}] {key}", name) if key in table else default

    return Config(
        path=path,
        fail_on=get("fail-on", _fail_on, None),
        strict=get("strict", _flag, None),
        rules=tuple(folder / text for text in get("rules", _texts, ())),
        override=get("override", _texts, ()),
        baseline=folder / get("baseline", _text, "") if "baseline" in table else None,
        suppress=get("suppress", _suppressions, ()),
    )


def _suppressions(value: object, key: str, name: str) -> tuple[Suppression, ...]:
    if not isinstance(value, list):
        raise _wrong("a list of tables with rule and reason", value, key, name)
    found: dict[str, Suppression] = {}
    for number, entry in enumerate(value, 1):
        where = f"{key} {number}"
        if not isinstance(entry, dict):
            raise _wrong("a table with rule and reason", entry, where, name)
        _only(entry, ("rule", "reason", "expires"), where, name)
        for needed in ("rule", "reason"):
            if needed not in entry:
                raise InputError(f"{where}: expected a {needed}, but got none", where=name)
        rule = _text(entry["rule"], f"{where} rule", name)
        if rule in found:
            raise InputError(f"{where}: expected each rule once, but got {_shown(rule)} twice", where=name)
        found[rule] = Suppression(
            rule=rule,
            reason=_text(entry["reason"], f"{where} reason", name),
            expires=_day(entry["expires"], f"{where} expires", name) if "expires" in entry else None,
            source=name,
        )
    return tuple(found.values())


def _only(table: Mapping[str, Any], known: tuple[str, ...], where: str, name: str) -> None:
    for key in table:
        if key not in known:
            raise InputError(
                f"{where}: expected one of {', '.join(known)}, but got {_shown(key)}",
                where=name,
                hint=did_you_mean(key, known),
            )


def _fail_on(value: object, key: str, name: str) -> FailOn:
    if not isinstance(value, str):
        raise _wrong(f"one of {', '.join(FAIL_ON)}", value, key, name)
    return parse_fail_on(value, f"{name}: {key}")


def _flag(value: object, key: str, name: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong("true or false", value, key, name)
    return value


def _text(value: object, key: str, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _wrong("text that is not empty", value, key, name)
    if "\0" in value:
        raise _wrong("text without NUL", value, key, name)
    return value.strip()


def _texts(value: object, key: str, name: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _wrong("a list of texts", value, key, name)
    return tuple(_text(entry, f"{key} {number}", name) for number, entry in enumerate(value, 1))


def _day(value: object, key: str, name: str) -> dt.date:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            pass  # a day that no calendar has, as 2026-02-30
    raise _wrong("a date as 2027-01-31", value, key, name)


def _wrong(expected: str, value: object, key: str, name: str) -> InputError:
    return InputError(f"{key}: expected {expected}, but got {_shown(value)}", where=name)


def _shown(value: object, longest: int = 60) -> str:
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    text = repr(value)
    return text if len(text) <= longest else text[: longest - 3] + "..."
