"""Rule files → `Rule` objects, with every mistake told as ``path:line:column``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NoReturn, Self, cast

from imbalance_doctor.engine import _yaml
from imbalance_doctor.engine.base import INTERVAL, PLAIN, SEVERITIES, Confidence, Severity
from imbalance_doctor.engine.expression import Expression, ExpressionError, Node, parse
from imbalance_doctor.engine.figures import Figures
from imbalance_doctor.engine.template import Template, parse_template
from imbalance_doctor.errors import RuleError, did_you_mean
from imbalance_doctor.evidence import LOSSES, PLAN_FIELDS, Location
from imbalance_doctor.facts.base import fact_specs

__all__ = ["Example", "Expect", "MeritClaim", "Param", "Rule", "read_rule"]

MAX_BYTES = 256 * 1024
MAX_FILES = 5000
CONFIDENCES: tuple[Confidence, ...] = ("high", "medium", "low")
VERDICTS = ("confirmed", "sharpened", "contradicted")
EXPECTS = ("fires", "passes", "unknown", "not-applicable")
BASES = ("measured", "documented")
Expect = Literal["fires", "passes", "unknown", "not-applicable"]

_SHARED_KEYS = (
    "id", "title", "confidence", "covers", "params", "when", "message", "why", "verdict", "reproduce",
    "false_alarms", "references", "examples",
)  # fmt: skip
_KEYS = (*_SHARED_KEYS, "severity", "applies_to", "cause", "also", "explains", "remedy", "suggest")
_ONE = ("one_low", "one_high")
_SELECTION_KEYS = (*_SHARED_KEYS, "loss", "merit")
_SHARED_REQUIRED = ("id", "title", "confidence", "when", "message", "why", "examples")
_REQUIRED = (*_SHARED_REQUIRED, "severity", "remedy")
_SELECTION_REQUIRED = (*_SHARED_REQUIRED, "loss", "merit")
_ID = re.compile(r"[a-z]+(-[a-z]+)*")
_PARAM = re.compile(r"[a-z][a-z0-9_]*")
_COVERS = re.compile(r"[A-Z]+-[0-9]+")
_TOO_BIG = 2**63
_TOKEN = re.compile(r"[\w.]+|\S")
# In a block mapping, a line of the last key's value is indented, starts a list item, or says nothing.
_EXAMPLES_LAST = re.compile(r"^examples:[^\n]*\n(?:(?:[ \-#][^\n]*)?\n)*(?:[ \-#][^\n]*)?\Z", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Param:
    """A threshold of a rule: its value, unit, and why it is that."""

    value: float
    unit: str = ""
    why: str


@dataclass(frozen=True, kw_only=True)
class MeritClaim:
    """What a selection rule says a loss is worth; see `engine.base.Merit`."""

    value: float
    low: float
    high: float
    unit: str
    basis: Literal["measured", "documented"]
    against: str = PLAIN
    range: str = INTERVAL
    one_low: float | None = None
    one_high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Example:
    """One test case of a rule."""

    name: str
    facts: Mapping[str, Any]
    expect: Expect
    message: str | None = None
    suggest: Mapping[str, Any] | None = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule, checked and compiled.

    Attributes
    ----------
    family
        Folder the file lies in.
    path
        File it came from, for messages.
    when_at
        Place of its ``when`` in that file.
    builtin
        Whether it ships with the package.
    applies_to
        Losses it speaks of; empty for all.
    cause
        Root cause it speaks for, an id of ``causes.yaml``.
    also
        Share of its weight with which it speaks for further causes, by id: a symptom may have several.
    explains
        Ids of rules that fire on symptoms of what this rule names.
    loss, merit
        Of selection rules only; `merit` is None for all others.
    severity
        ``note`` for selection rules.
    figures
        On how many labelled runs it fired; None where that was not measured.
    """

    id: str
    title: str
    severity: Severity = "note"
    confidence: Confidence
    family: str
    path: str
    when: Expression
    message: Template
    why: str
    builtin: bool = False
    when_at: Location = field(compare=False)
    applies_to: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    params: Mapping[str, Param] = field(default_factory=dict)
    verdict: str = ""
    cause: str = ""
    also: Mapping[str, float] = field(default_factory=dict)
    explains: tuple[str, ...] = ()
    reproduce: str = ""
    remedy: str = ""
    suggest: Mapping[str, Expression] = field(default_factory=dict)
    false_alarms: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    loss: str = ""
    merit: MeritClaim | None = None
    figures: Figures | None = field(default=None, compare=False)
    examples_source: Callable[[], tuple[Example, ...]] = field(default=tuple, compare=False, repr=False)

    @cached_property
    def examples(self) -> tuple[Example, ...]:
        """The test cases; those of built-in rules are read on first use.

        Raises
        ------
        RuleError
            When they are malformed.
        """
        return self.examples_source()

    @cached_property
    def facts(self) -> tuple[str, ...]:
        """Every fact that the condition, the suggestions or the message read, in that order."""
        read = [*self.when.facts, *(f for e in self.suggest.values() for f in e.facts), *self.message.facts]
        return tuple(dict.fromkeys(read))

    @cached_property
    def inputs(self) -> frozenset[str]:
        """Kinds of input that the condition reads: ``labels``, ``plan``, ``log``, ``scores``."""
        specs = fact_specs()
        return frozenset(need.partition(".")[0] for name in self.when.facts for need in specs[name].needs)

    @property
    def needs_log(self) -> bool:
        """Whether the condition reads a training log."""
        return "log" in self.inputs

    @cached_property
    def pointers(self) -> tuple[str, ...]:
        """Plan fields a finding can point at, best first: what it suggests, what it reads, what that needs.

        The loss comes last, for nearly every fact depends on it.
        """
        specs = fact_specs()
        read = [name for name in self.when.facts if name.startswith("plan.")]
        needed = [need for name in self.when.facts for need in specs[name].needs if need.startswith("plan.")]
        fields = [*self.suggest, *(name.removeprefix("plan.") for name in [*read, *needed])]
        return tuple(dict.fromkeys([name for name in fields if name != "loss"] + ["loss"]))

    @cached_property
    def param_values(self) -> dict[str, float]:
        """Values of the params by name."""
        return {name: param.value for name, param in self.params.items()}

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return replace(self, **changes)


def builtin_rule(name: str, data: bytes) -> Rule:
    """Read one rule that ships, named as ``family/id.yaml``; its examples wait until they are asked for."""
    return _rule(data, f"rules/{name}", name.partition("/")[0], builtin=True)


def builtin_root() -> Any:
    """Return the directory of the built-in rules: inside a wheel, or beside the package in a checkout."""
    here = Path(__file__).parents[1]
    for root in (here / "_rules", here.parent / "rules"):
        if root.is_dir():
            return root
    from importlib.resources import files  # a package inside a zip file

    return files("imbalance_doctor") / "_rules"


def find_rules(place: str | os.PathLike[str]) -> list[Path]:
    """Return the rule files of a directory, sorted.

    Raises
    ------
    RuleError
        When there is none, or the directory cannot be read.
    """
    root = Path(place)
    try:
        if root.is_file():
            return [root]
        if not root.is_dir():
            raise RuleError("expected a directory of rules, but there is none", where=root)
        found = _walk(root)
    except OSError as error:
        raise RuleError(f"cannot read the rules: {error.strerror or error}", where=root) from None
    if not found:
        raise RuleError("expected rule files (*.yaml), but found none", where=root)
    return found


def _walk(root: Path) -> list[Path]:
    found: list[Path] = []
    seen: set[str] = set()
    folders = [root]
    while folders:
        folder = folders.pop()
        real = os.path.realpath(folder)
        if real in seen:
            raise RuleError("symbolic links lead to this directory twice", where=folder)
        seen.add(real)
        for entry in folder.iterdir():
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                folders.append(entry)
            elif entry.suffix == ".yaml":
                found.append(entry)
            elif entry.suffix == ".yml":
                raise RuleError(
                    "expected the ending .yaml, but got .yml", where=entry, hint="rename the file"
                )
        if len(found) > MAX_FILES or len(seen) > MAX_FILES:
            raise RuleError(f"expected at most {MAX_FILES} rule files", where=root)
    return sorted(found)


def read_rule(path: str | os.PathLike[str]) -> Rule:
    """Read one rule file, examples included.

    Raises
    ------
    RuleError
        Naming the place and the mistake.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise RuleError("expected a file", where=path)
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RuleError(f"cannot read the rule: {error.strerror or error}", where=path) from None
    rule = _rule(data, str(path), path.absolute().parent.name, builtin=False)
    _ = rule.examples
    return rule


def _rule(data: bytes, where: str, family: str, *, builtin: bool) -> Rule:
    if len(data) > MAX_BYTES:
        raise RuleError(f"expected at most {MAX_BYTES // 1024} KiB, but the file is larger", where=where)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RuleError("expected UTF-8 text", where=where, line=line) from None
    if not text.strip():
        raise RuleError("expected a rule, but the file is empty", where=where)
    # Examples are most of a file and none of a judgement: those of built-in rules wait until they are run.
    tail = _EXAMPLES_LAST.search(text) if builtin else None
    reader = _Reader(where, text)
    root = reader.mapping(_yaml.read(text if tail is None else text[: tail.start()], where), "a rule")

    selection = "merit" in root.values
    here = root.values.get("examples")

    def examples() -> tuple[Example, ...]:
        if tail is None:
            return _examples(reader, here, selection=selection)
        lines = "\n" * text.count("\n", 0, tail.start())  # so that places stay those of the file
        body = reader.mapping(_yaml.read(lines + tail.group(), where), "a rule")
        return _examples(reader, body.values["examples"], selection=selection)

    return _build(
        reader, root, family, examples, builtin=builtin, elsewhere=() if tail is None else ("examples",)
    )


def _build(
    reader: _Reader,
    root: _yaml.Mapping,
    family: str,
    examples: Callable[[], tuple[Example, ...]],
    *,
    builtin: bool,
    elsewhere: tuple[str, ...],
) -> Rule:
    selection = "loss" in root.values or "merit" in root.values
    known, required = (_SELECTION_KEYS, _SELECTION_REQUIRED) if selection else (_KEYS, _REQUIRED)
    reader.keys(root, known, required, "a selection rule" if selection else "a rule", elsewhere)
    get = root.values.get
    rule_id = reader.name(get("id"), "id", _ID, "kebab-case without digits, such as 'pool-too-small'")
    stem = os.path.basename(reader.where).removesuffix(".yaml")  # noqa: PTH119  a tenth of Path's time
    if rule_id != stem:
        reader.fail(get("id"), f"expected the id '{stem}' (the file's name), but got '{rule_id}'")
    params = _params(reader, get("params"))
    values = {name: param.value for name, param in params.items()}
    when = reader.expression(get("when"), "when", values)
    if when.kind != "bool":
        reader.fail(get("when"), f"'when' expected a condition, but got a {when.kind}")
    suggest = _suggest(reader, get("suggest"), values)
    message = reader.template(get("message"), values, {name: e.kind for name, e in suggest.items()})
    used = when.used_params.union(message.params, *(e.used_params for e in suggest.values()))
    for name in params:
        if name not in used:
            key = cast("_yaml.Mapping", get("params")).keys[name]
            reader.fail(key, f"the param '{name}' is never used")
    merit = _merit(reader, get("merit")) if selection else None
    when_node = cast("_yaml.Node", get("when"))
    return Rule(
        id=rule_id,
        title=reader.line(get("title"), "title"),
        severity=cast(
            "Severity", "note" if selection else reader.choice(get("severity"), "severity", SEVERITIES)
        ),
        confidence=cast("Confidence", reader.choice(get("confidence"), "confidence", CONFIDENCES)),
        family=family,
        path=reader.where,
        builtin=builtin,
        when=when,
        when_at=Location(path=reader.where, line=when_node.line, column=when_node.column),
        message=message,
        why=reader.text(get("why"), "why"),
        applies_to=reader.words(get("applies_to"), "applies_to", choices=LOSSES),
        covers=reader.words(get("covers"), "covers", pattern=_COVERS, such_as="'AP-3'"),
        params=params,
        verdict=reader.choice(get("verdict"), "verdict", VERDICTS) if get("verdict") else "",
        cause=reader.optional_id(get("cause"), "cause"),
        also=_also(reader, get("also"), get("cause")),
        explains=reader.words(get("explains"), "explains", pattern=_ID, such_as="'loss-not-finite'"),
        reproduce=reader.optional_id(get("reproduce"), "reproduce"),
        remedy="" if selection else reader.text(get("remedy"), "remedy"),
        suggest=suggest,
        false_alarms=reader.texts(get("false_alarms"), "false_alarms"),
        references=reader.texts(get("references"), "references"),
        loss=reader.choice(get("loss"), "loss", LOSSES) if selection else "",
        merit=merit,
        examples_source=examples,
    )


def _also(reader: _Reader, node: _yaml.Node | None, cause: _yaml.Node | None) -> dict[str, float]:
    if node is None:
        return {}
    table = reader.mapping(node, "also")
    first = reader.optional_id(cause, "cause")
    if not first:
        reader.fail(node, "'also' expected a 'cause' that the rule speaks for first")
    shares = {}
    for name, entry in table.values.items():
        if reader.optional_id(table.keys[name], "also") == first:
            reader.fail(table.keys[name], f"'{name}' is the rule's cause already")
        shares[name] = reader.number(entry, name)
        if not 0 < shares[name] < 1:
            reader.fail(entry, f"'{name}' expected a share between 0 and 1, but got {reader.said(entry)}")
    return shares


def _params(reader: _Reader, node: _yaml.Node | None) -> dict[str, Param]:
    if node is None:
        return {}
    params = {}
    table = reader.mapping(node, "params")
    for name, entry in table.values.items():
        reader.name(table.keys[name], "param", _PARAM, "a name of lower-case letters and '_'")
        body = reader.mapping(entry, f"the param '{name}'")
        reader.keys(body, ("value", "unit", "why"), ("value", "why"), f"the param '{name}'")
        unit = body.values.get("unit")
        params[name] = Param(
            value=reader.number(body.values["value"], f"{name}.value"),
            unit="" if unit is None else reader.line(unit, "unit"),
            why=reader.text(body.values["why"], f"{name}.why"),
        )
    return params


def _suggest(reader: _Reader, node: _yaml.Node | None, params: Mapping[str, float]) -> dict[str, Expression]:
    if node is None:
        return {}
    suggest = {}
    table = reader.mapping(node, "suggest")
    for name, entry in table.values.items():
        if name not in PLAN_FIELDS:
            reader.fail(table.keys[name], f"unknown plan field '{name}'", did_you_mean(name, PLAN_FIELDS))
        spec = fact_specs()[f"plan.{name}"]
        expression = reader.expression(entry, name, params)
        if expression.kind != spec.kind:
            reader.fail(entry, f"'{name}' expected a {spec.kind}, but got a {expression.kind}")
        if spec.kind == "text" and expression.node.value not in spec.choices:
            hint = (
                did_you_mean(str(expression.node.value), spec.choices) or f"one of {', '.join(spec.choices)}"
            )
            reader.fail(entry, f"'{name}' is never {expression}", hint)
        if spec.whole and not _whole(expression.node, params):
            reader.fail(entry, f"'{name}' expected a whole number", "write ceil(…) or floor(…)")
        suggest[name] = expression
    return suggest


def _whole(node: Node, params: Mapping[str, float]) -> bool:
    """Return whether a number is an integer by the way it is computed."""
    match node.op:
        case "constant" | "param":
            return isinstance(params[node.value] if node.op == "param" else node.value, int)
        case "fact":
            return fact_specs()[node.value].whole
        case "ceil" | "floor":
            return True
        case "/" | "sqrt":
            return False
        case _:
            return all(_whole(part, params) for part in node.parts)


def _merit(reader: _Reader, node: _yaml.Node | None) -> MeritClaim:
    body = reader.mapping(node, "merit")
    required = ("value", "low", "high", "unit", "basis")
    reader.keys(body, (*required, "against", "range", *_ONE), required, "merit")
    get = body.values.__getitem__
    said = {
        name: reader.line(get(name), f"merit.{name}") for name in ("against", "range") if name in body.keys
    }
    one = {name: reader.number(get(name), f"merit.{name}") for name in _ONE if name in body.keys}
    claim = MeritClaim(
        value=reader.number(get("value"), "merit.value"),
        low=reader.number(get("low"), "merit.low"),
        high=reader.number(get("high"), "merit.high"),
        unit=reader.line(get("unit"), "merit.unit"),
        basis=cast("Any", reader.choice(get("basis"), "merit.basis", BASES)),
        one_low=one.get("one_low"),
        one_high=one.get("one_high"),
        **said,
    )
    if not claim.low <= claim.value <= claim.high:
        reader.fail(
            node, f"merit expected low <= value <= high, but got {claim.low}, {claim.value}, {claim.high}"
        )
    if one and not (len(one) == len(_ONE) and one["one_low"] <= claim.value <= one["one_high"]):
        reader.fail(
            node,
            "merit expected one_low <= value <= one_high, "
            f"but got {claim.one_low}, {claim.value}, {claim.one_high}",
        )
    return claim


def _examples(reader: _Reader, node: _yaml.Node | None, *, selection: bool) -> tuple[Example, ...]:
    examples: list[Example] = []
    items = reader.sequence(node, "examples").items
    if not items:
        reader.fail(node, "expected at least one example, but got none")
    keys = (
        ("name", "facts", "expect", "message")
        if selection
        else ("name", "facts", "expect", "message", "suggest")
    )
    for item in items:
        body = reader.mapping(item, "an example")
        reader.keys(body, keys, ("name", "facts", "expect"), "an example")
        get = body.values.get
        name = reader.line(get("name"), "name")
        if name in {example.name for example in examples}:
            reader.fail(get("name"), f"two examples are called '{name}'")
        facts = get("facts")
        if isinstance(facts, _yaml.Scalar) and facts.null:
            facts = _yaml.Mapping(facts.mark)
        expect = cast("Expect", reader.choice(get("expect"), "expect", EXPECTS))
        for key in ("message", "suggest"):
            if get(key) is not None and expect != "fires":
                reader.fail(body.keys[key], f"'{key}' belongs to examples that fire")
        examples.append(
            Example(
                name=name,
                facts=reader.facts(facts, "", "fact"),
                expect=expect,
                message=None if get("message") is None else reader.line(get("message"), "message"),
                suggest=None
                if get("suggest") is None
                else reader.facts(get("suggest"), "plan.", "plan field"),
                line=item.line,
            )
        )
    return tuple(examples)


class _Reader:
    """Reads nodes as what the schema expects, and says where they are not."""

    def __init__(self, where: str, text: str) -> None:
        self.where = where
        self.source = text

    def fail(self, node: _yaml.Node | None, problem: str, hint: str = "") -> NoReturn:
        line, column = (None, None) if node is None else (node.line, node.column)
        raise RuleError(problem, where=self.where, line=line, column=column, hint=hint)

    def said(self, node: _yaml.Node | None) -> str:
        match node:
            case None:
                return "nothing"
            case _yaml.Scalar() if node.null:
                return "nothing"
            case _yaml.Scalar():
                text = node.text if len(node.text) < 50 else node.text[:49] + "…"  # noqa: PLR2004
                return repr(text)
            case _yaml.Sequence():
                return "a list"
            case _:
                return "a mapping"

    def keys(
        self,
        node: _yaml.Mapping,
        known: tuple[str, ...],
        required: tuple[str, ...],
        what: str,
        elsewhere: tuple[str, ...] = (),
    ) -> None:
        for key, place in node.keys.items():
            if key not in known:
                hint = did_you_mean(key, known) or f"{what} has the keys {', '.join(known)}"
                self.fail(place, f"unknown key '{key}' in {what}", hint)
        for key in required:
            if key not in node.keys and key not in elsewhere:
                self.fail(node, f"{what} expected the key '{key}', but it is missing")

    def mapping(self, node: _yaml.Node | None, what: str) -> _yaml.Mapping:
        if not isinstance(node, _yaml.Mapping):
            self.fail(node, f"{what} expected a mapping, but got {self.said(node)}")
        return node

    def sequence(self, node: _yaml.Node | None, what: str) -> _yaml.Sequence:
        if not isinstance(node, _yaml.Sequence):
            self.fail(node, f"{what} expected a list, but got {self.said(node)}")
        return node

    def text(self, node: _yaml.Node | None, what: str) -> str:
        if not isinstance(node, _yaml.Scalar) or node.null or not node.text.strip():
            self.fail(node, f"'{what}' expected text, but got {self.said(node)}")
        return node.text.strip()

    def line(self, node: _yaml.Node | None, what: str) -> str:
        """Read text as one line."""
        return " ".join(self.text(node, what).split())

    def name(self, node: _yaml.Node | None, what: str, pattern: re.Pattern[str], form: str) -> str:
        text = self.text(node, what)
        if not pattern.fullmatch(text):
            self.fail(node, f"'{what}' expected {form}, but got {self.said(node)}")
        return text

    def optional_id(self, node: _yaml.Node | None, what: str) -> str:
        return "" if node is None else self.name(node, what, _ID, "a kebab-case id without digits")

    def choice(self, node: _yaml.Node | None, what: str, choices: Iterable[str]) -> str:
        text, choices = self.text(node, what), tuple(choices)
        if text not in choices:
            hint = did_you_mean(text, choices)
            self.fail(node, f"'{what}' expected one of {', '.join(choices)}, but got {self.said(node)}", hint)
        return text

    def number(self, node: _yaml.Node | None, what: str) -> float:
        value = node.number if isinstance(node, _yaml.Scalar) else None
        if value is None or abs(value) >= _TOO_BIG:
            self.fail(
                node, f"'{what}' expected a number, but got {self.said(node)}", "such as 12, 0.5 or 1e-3"
            )
        return value

    def texts(self, node: _yaml.Node | None, what: str) -> tuple[str, ...]:
        if node is None:
            return ()
        return tuple(self.line(item, what) for item in self.sequence(node, what).items)

    def words(
        self,
        node: _yaml.Node | None,
        what: str,
        *,
        choices: Iterable[str] = (),
        pattern: re.Pattern[str] | None = None,
        such_as: str = "",
    ) -> tuple[str, ...]:
        if node is None:
            return ()
        items = self.sequence(node, what).items
        if not items:
            self.fail(node, f"'{what}' expected at least one entry, but got none", "leave the key out")
        found: list[str] = []
        for item in items:
            text = (
                self.choice(item, what, choices)
                if pattern is None
                else self.name(item, what, pattern, f"an id such as {such_as}")
            )
            if text in found:
                self.fail(item, f"'{what}' holds '{text}' twice")
            found.append(text)
        return tuple(found)

    def facts(self, node: _yaml.Node | None, prefix: str, what: str) -> dict[str, Any]:
        """Read values by fact name, each as its fact's kind."""
        specs = fact_specs()
        table = self.mapping(node, what + "s")
        values: dict[str, Any] = {}
        for name, entry in table.values.items():
            spec = specs.get(prefix + name)
            if spec is None:
                known = (full.removeprefix(prefix) for full in specs if full.startswith(prefix))
                self.fail(table.keys[name], f"unknown {what} '{name}'", did_you_mean(name, known))
            if isinstance(entry, _yaml.Scalar) and entry.null:
                continue
            if spec.kind == "number":
                special = (
                    isinstance(entry, _yaml.Scalar)
                    and entry.plain
                    and entry.text in {".nan", ".inf", "-.inf"}
                )
                value: Any = (
                    float(cast("_yaml.Scalar", entry).text.replace(".", ""))
                    if special
                    else self.number(entry, name)
                )
            elif spec.kind == "bool":
                value = entry.truth if isinstance(entry, _yaml.Scalar) else None
                if value is None:
                    self.fail(entry, f"'{name}' expected true or false, but got {self.said(entry)}")
            elif spec.kind == "text":
                value = self.choice(entry, name, spec.choices) if spec.choices else self.text(entry, name)
            else:
                value = tuple(self.number(item, name) for item in self.sequence(entry, name).items)
            values[name] = value
        return values

    def expression(self, node: _yaml.Node | None, what: str, params: Mapping[str, float]) -> Expression:
        text = self.text(node, what)
        try:
            return parse(text, params)
        except ExpressionError as error:
            self.inside(cast("_yaml.Scalar", node), text, error)

    def template(
        self, node: _yaml.Node | None, params: Mapping[str, float], suggest: Mapping[str, str]
    ) -> Template:
        text = self.line(node, "message")
        try:
            return parse_template(text, params, suggest)
        except ExpressionError as error:
            self.inside(cast("_yaml.Scalar", node), text, error)

    def inside(self, node: _yaml.Scalar, text: str, error: ExpressionError) -> NoReturn:
        """Fail at the place inside a scalar: the same occurrence of the same word in the file."""
        line, column = node.line, node.column
        token = _TOKEN.match(text, error.offset)
        if token is not None:
            nth = text.count(token.group(), 0, error.offset)
            lines = self.source.split("\n")[line - 1 :]
            lines[0] = " " * (column - 1) + lines[0][column - 1 :]
            raw, at = "\n".join(lines), -1
            for _ in range(nth + 1):
                at = raw.find(token.group(), at + 1)
                if at < 0:
                    break
            else:
                line += raw.count("\n", 0, at)
                column = at - (raw.rfind("\n", 0, at) + 1) + 1
        raise RuleError(error.problem, where=self.where, line=line, column=column, hint=error.hint)
