"""Plans from training scripts, by reading the syntax tree: nothing is imported, nothing is executed.

One run per loss call. Arguments that are constants are read; others are named with the reason why they
are not known. What holds for the whole script (loader, optimiser, precision) holds for each of its losses.
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import PLAN_FIELDS, RANKING_LOSSES, WRAPPER_DEFAULTS, Location, PlannedRun
from imbalance_doctor.sources.plans._bound import Bound, Locate, assumed, bind, last_part, signature_of
from imbalance_doctor.sources.plans._handed import gathered, probabilities
from imbalance_doctor.sources.plans._program import Program
from imbalance_doctor.sources.plans._row_losses import RowLoss, RowLosses
from imbalance_doctor.sources.plans._settings import Setting, evaluation, settings
from imbalance_doctor.sources.plans._signatures import LOSS_SIGNATURES, WRAPPERS
from imbalance_doctor.sources.plans._static import (
    Scope,
    Script,
    Site,
    Symbol,
    Tensor,
    UnreadableError,
    quoted,
)
from imbalance_doctor.sources.plans.base import PlanReader, coerce, kind_of, read_text, settle

SCRIPT_BYTES = 5 << 20
"""Largest script that is read."""
Origin = Callable[[int], tuple[str, int]]
"""Maps a line of the source text to the file (or cell) and the line the user knows it by."""
_LONG_LINE = 10_000
_LIGHTNING = frozenset({"lightning", "pytorch_lightning"})
_HOOKS = ("on_train_batch_start", "on_train_epoch_start")
_OF_PROBABILITIES = ("BCELoss", "binary_cross_entropy")
_WANTED = "imbalanced_losses, imbalance_doctor.losses, torch, torchvision, kornia or monai"


def read(path: str) -> list[PlannedRun]:
    """Read the planned runs of a Python script, in the order of their loss calls."""
    text = read_text(path, limit=SCRIPT_BYTES)
    return runs_of(text, path, lambda line: (path, line))


def runs_of(text: str, path: str, origin: Origin) -> list[PlannedRun]:
    """Return one run per loss call of a source text.

    Parameters
    ----------
    text
        Python source.
    path
        Its file, for messages about the whole.
    origin
        Maps a line of `text` to the name and line it has for the user.

    Raises
    ------
    InputError
        When the text is no Python, calls no known loss, or calls one with arguments it does not take.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the script's own escapes and comparisons
            tree = ast.parse(text)
        script = Program(tree)
        runs = _ScriptReader(script, _locator(text, origin)).runs()
    except SyntaxError as error:
        name, line = origin(error.lineno) if error.lineno else (path, None)
        version = f"Python {sys.version_info.major}.{sys.version_info.minor}"
        problem = f"expected {version}, but the source does not parse: {error.msg}"
        raise InputError(problem, where=name, line=line, column=error.offset) from None
    except (RecursionError, MemoryError):
        raise InputError("expected a script, but its expressions are nested too deeply", where=path) from None
    except ValueError:
        line = text.count("\n", 0, max(text.find("\0"), 0)) + 1
        raise InputError("expected Python source, but it holds null bytes", where=path, line=line) from None
    if not runs:
        raise InputError(
            f"expected the call of a loss of {_WANTED}, but found none",
            where=path,
            hint="describe the run in a plan file",
        )
    return runs


def _locator(text: str, origin: Origin) -> Locate:
    lines = re.split(r"\r\n|\r|\n", text)

    def locate(node: ast.AST) -> Location:
        name, line = origin(node.lineno)  # type: ignore[attr-defined]
        source = lines[node.lineno - 1]  # type: ignore[attr-defined]
        column: int | None = node.col_offset + 1  # type: ignore[attr-defined]
        if len(source) > _LONG_LINE:
            column = None  # generated code: nobody counts there
        elif not source.isascii():  # the parser counts bytes
            column = len(source.encode()[: node.col_offset].decode(errors="replace")) + 1  # type: ignore[attr-defined]
        return Location(path=name, line=line, column=column)

    return locate


@dataclass(kw_only=True, eq=False)
class _Reading:
    """One loss call on its way to a run."""

    bound: Bound
    title: str
    values: dict[str, object] = field(default_factory=dict)
    where: dict[str, Location] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    assumed: dict[str, str] = field(default_factory=dict)
    wrapper: Site | None = None
    within: Site | None = None

    def set(self, name: str, value: object, where: Location, assumed: str = "") -> None:
        """Record a validated value, in place of whatever was known."""
        self.assumed.pop(name, None)
        if assumed:
            self.assumed[name] = assumed
        self.values[name] = value
        self.where[name] = where
        self.unreadable.pop(name, None)

    def cannot_read(self, name: str, reason: str) -> None:
        """Record that a field is set to something unknown."""
        self.values.pop(name, None)
        self.where.pop(name, None)
        self.assumed.pop(name, None)
        self.unreadable[name] = reason

    def open(self, name: str) -> bool:
        """Whether nothing was said about a field yet."""
        return name not in self.values and name not in self.unreadable


class _ScriptReader:
    """Finds the losses of one script and reads them."""

    def __init__(self, script: Script, locate: Locate) -> None:
        self._script = script
        self._locate = locate
        self._losses: dict[int, _Reading] = {}
        self._called: dict[int, list[Site]] = {}
        self._called_past: dict[int, list[Site]] = {}
        self._referred: dict[int, list[ast.expr]] = {}
        self._reset: dict[int, int] = {}
        self._index()

    def _index(self) -> None:
        """Note once, for every expression that makes an object, where the object is called and named."""
        origin = self._script.origin
        for site in self._script.calls:
            func = site.node.func
            self._called.setdefault(id(origin(func, site.scope)), []).append(site)
            if isinstance(func, ast.Attribute) and func.attr == "main_loss":
                self._called_past.setdefault(id(origin(func.value, site.scope)), []).append(site)
        for node, scope, _ in self._script.references:
            self._referred.setdefault(id(origin(node, scope)), []).append(node)
        for target, scope in self._script.stored:
            if target.attr == "temperature":
                self._reset[id(origin(target.value, scope))] = target.lineno

    def runs(self) -> list[PlannedRun]:
        """Read all losses, then what wraps and surrounds them."""
        wrappers = []
        for site in self._calls():
            names = self._script.names(site.node.func, site.scope)
            if signature := signature_of(names, LOSS_SIGNATURES):
                self._losses[id(site.node)] = self._loss(bind(site, signature, self._locate, strict=True))
            elif signature := signature_of(names, WRAPPERS):
                wrappers.append(bind(site, signature, self._locate, strict=True))
        rows = RowLosses(self._script)
        for reading in self._losses.values():
            self._per_row(reading, rows)
        readings = {id(reading): reading for reading in self._losses.values()}
        for bound in wrappers:
            reading = self._wrapped(bound)
            readings[id(reading)] = reading
        everywhere = settings(self._script, self._locate)
        for reading in readings.values():
            self._reassigned(reading)
            self._handed(reading)
            self._surround(reading, everywhere)
        return [self._run(reading) for reading in sorted(readings.values(), key=_position)]

    def _calls(self) -> Iterator[Site]:
        """Yield the calls of the script, ``partial(loss, gamma=2)`` as a call of the loss."""
        for site in self._script.calls:
            call = site.node
            if call.args and "functools.partial" in self._script.names(call.func, site.scope):
                inner = ast.Call(func=call.args[0], args=call.args[1:], keywords=call.keywords)
                yield Site(ast.copy_location(inner, call), site.scope, site.target)
            else:
                yield site

    def _run(self, reading: _Reading) -> PlannedRun:
        place = self._locate(reading.bound.site.node)
        return PlannedRun(
            plan=settle(reading.values, reading.where, reading.unreadable),
            name=f"{place.path}:{place.line} {reading.title}",
            where=reading.where,
            unreadable=reading.unreadable,
            assumed={name: text for name, text in reading.assumed.items() if name in reading.values},
        )

    # One loss -------------------------------------------------------------------------------------

    def _loss(self, bound: Bound) -> _Reading:
        signature = bound.signature
        here = self._locate(bound.site.node)
        reading = _Reading(bound=bound, title=signature.name)
        reading.set("loss", signature.loss, here)
        reading.set("implementation", signature.implementation, here)
        given = self._arguments(reading)
        if "use_softmax" in signature.parameters:
            self._choose_softmax(reading)
        self._place_alpha(reading, given)
        for name, value in signature.defaults.items():
            if value is not None and reading.open(name) and name not in given:
                reading.set(name, value, here)
        # Weights that cannot be read still make the loss a weighted one, unless they may be absent.
        for weights, plain in (("pos_weight", "bce"), ("class_weights", "ce")):
            if weights in reading.unreadable and reading.values.get("loss") == plain:
                if weights in given:
                    reading.set("loss", f"weighted-{plain}", here)
                else:
                    reading.cannot_read("loss", reading.unreadable[weights])
        return reading

    def _arguments(self, reading: _Reading) -> set[str]:
        """Read every argument that the plan has a field for; return the fields that the call names."""
        bound = reading.bound
        given = set()
        for parameter in bound.signature.parameters:
            name = bound.signature.field_of(parameter)
            if name is None:
                continue
            node = bound.nodes.get(parameter)
            if node is not None:
                given.add(name)
            where = self._locate(node if node is not None else bound.site.node)
            try:
                raw = bound.read(parameter, self._script)
                if raw is not None:
                    source = bound.assumed(parameter, self._script, self._locate)
                    reading.set(name, self._coerced(name, raw, where), where, source)
            except UnreadableError as error:
                reading.cannot_read(name, str(error))
        return given

    def _coerced(self, name: str, raw: object, where: Location) -> object:
        kind = kind_of(PLAN_FIELDS[name])
        if isinstance(raw, Tensor):
            raw = self._numbers(name, raw)
        elif isinstance(raw, Symbol) and kind != "str":
            raise UnreadableError(f"'{raw.name}' is only known when the script runs")
        elif kind == "tuple" and isinstance(raw, tuple):
            raw = list(raw)
        elif name == "class_weights" and isinstance(raw, int | float) and not isinstance(raw, bool):
            raise UnreadableError("one weight for every class has no field in the plan")
        elif name == "alpha" and isinstance(raw, tuple):
            raise UnreadableError(
                "alpha with a weight per class, on positives only, has no field in the plan"
            )
        return coerce(name, last_part(raw), where)

    def _numbers(self, name: str, tensor: Tensor) -> object:
        if kind_of(PLAN_FIELDS[name]) == "tuple":
            return list(tensor.values)
        if len(set(tensor.values)) != 1:
            count = len(tensor.values)
            raise UnreadableError(f"{name} has {count} different values, and the plan holds one")
        return tensor.values[0]

    def _choose_softmax(self, reading: _Reading) -> None:
        """MONAI's focal loss is either of the two; its softmax form is not the guarded one."""
        here = self._locate(reading.bound.site.node)
        try:
            softmax = reading.bound.read("use_softmax", self._script)
        except UnreadableError as error:
            reading.cannot_read("loss", str(error))
            reading.cannot_read("stabilised", str(error))
            return
        if softmax is True:
            reading.set("loss", "softmax-focal", here)
            reading.set("stabilised", False, here)

    def _place_alpha(self, reading: _Reading, given: set[str]) -> None:
        """Off where it is None; one number cannot stand for the class weights of a softmax loss."""
        here = self._locate(reading.bound.site.node)
        loss = reading.values.get("loss")
        defaults = reading.bound.signature.defaults
        if loss == "sigmoid-focal" and reading.open("alpha"):
            off = "alpha" in given or ("alpha" in defaults and defaults["alpha"] is None)
            if off:
                reading.set("alpha", -1.0, here)
        elif loss == "softmax-focal":
            if "alpha" in reading.values:
                alpha = reading.values.pop("alpha")
                reading.where.pop("alpha", None)
                reason = f"alpha {alpha} weighs class 0 by one minus alpha and every other class by alpha"
                reading.cannot_read("class_weights", reason)
            elif "alpha" in reading.unreadable:
                reading.cannot_read("class_weights", reading.unreadable.pop("alpha"))

    def _per_row(self, reading: _Reading, rows: RowLosses) -> None:
        """Read the code that turns the losses of rows into one loss: it can make another loss of them."""
        if reading.values.get("implementation") != "torch":
            return
        per_row = reading.values.get("reduction") == "none"
        results = [(site.node, site.scope) for site in self._results(reading)]
        found = rows.read(results, per_row=per_row)
        if found is None:
            return
        if found.reason:
            reading.cannot_read("loss", found.reason)
        elif found.focal:
            self._handmade(reading, found)
        else:
            reading.set("reduction", found.reduction, reading.where["reduction"])

    def _handmade(self, reading: _Reading, found: RowLoss) -> None:
        """Make a focal loss of a cross-entropy that the script multiplies with ``(1 - p) ** gamma``."""
        here = self._locate(reading.bound.site.node)
        sigmoid = "binary" in reading.bound.signature.name or "BCE" in reading.bound.signature.name
        reading.title = found.name or reading.title
        reading.set("loss", "sigmoid-focal" if sigmoid else "softmax-focal", here)
        reading.set("implementation", "custom", here)
        reading.set("stabilised", found.stabilised, here)
        if found.reduction:
            reading.set("reduction", found.reduction, here)
        else:
            reading.cannot_read("reduction", "the code that averages the rows is not read")
        assert found.gamma is not None  # noqa: S101  a focal loss has an exponent
        self._number(reading, "gamma", found.gamma, found.scope)
        weights = "alpha" if sigmoid else "class_weights"
        if found.alpha_reason:
            reading.cannot_read(weights, found.alpha_reason)
        elif not sigmoid:
            if found.alpha_node is not None:
                reading.cannot_read(weights, "alpha of a softmax focal loss by hand is not read")
        elif found.alpha_node is not None:
            self._number(reading, weights, found.alpha_node, found.scope)
        else:
            reading.set(weights, -1.0, here)

    def _number(self, reading: _Reading, name: str, node: ast.expr, scope: Scope) -> None:
        where = self._locate(node)
        try:
            value = self._coerced(name, self._script.value(node, scope), where)
        except UnreadableError as error:
            reading.cannot_read(name, str(error))
        except InputError as error:
            reading.cannot_read(name, error.problem)
        else:
            reading.set(name, value, where, assumed(self._script, node, self._locate))

    def _results(self, reading: _Reading) -> list[Site]:
        """Return the calls that hand logits to a loss."""
        site = reading.bound.site
        return [site] if reading.bound.signature.functional else self._called.get(id(site.node), [])

    def _handed(self, reading: _Reading) -> None:
        """Tell what is wrong with the rows that the loss is handed, where the script shows it."""
        sites = self._results(reading)
        wrapper = reading.wrapper or reading.within
        if wrapper is not None:
            sites = [*sites, *self._called.get(id(wrapper.node), [])]
        loss = reading.values.get("loss")
        for site in sites:
            if not site.node.args or evaluation(site.scope.inside()):
                continue
            logits, scope = site.node.args[0], site.scope
            if loss in RANKING_LOSSES:
                if gathered(logits, scope, self._script):
                    reading.set("gathered_before_loss", True, self._locate(site.node))
            elif reading.bound.signature.name not in _OF_PROBABILITIES and probabilities(
                logits, scope, self._script
            ):
                reading.set("probabilities_into_logit_loss", True, self._locate(logits))

    # The wrapper ----------------------------------------------------------------------------------

    def _wrapped(self, bound: Bound) -> _Reading:
        """Merge the schedule of a wrapper into its main loss."""
        main = bound.nodes.get("main_loss")
        made = self._script.origin(main, bound.site.scope) if main is not None else None
        reading = self._losses.get(id(made)) if made is not None else None
        here = self._locate(bound.site.node)
        if reading is None:
            reading = _Reading(bound=bound, title=bound.signature.name)
            reason = (
                f"{quoted(main)} is only known when the script runs" if main is not None else bound.opaque
            )
            reading.cannot_read("loss", reason or "the wrapper is given no main loss")
        schedule = _Reading(bound=bound, title="")
        self._arguments(schedule)
        reading.wrapper = bound.site
        for name, value in schedule.values.items():
            reading.set(name, value, schedule.where[name], schedule.assumed.get(name, ""))
        for name, reason in schedule.unreadable.items():
            reading.cannot_read(name, reason)
        if reading.open("warmup_epochs") and reading.open("warmup_steps"):
            reading.set("warmup_epochs", 0.0, here)
        for name, value in WRAPPER_DEFAULTS.items():
            if reading.open(name):
                reading.set(name, value, here)
        self._hooks(reading, here)
        self._direct_calls(reading, made, main)
        warm = bound.nodes.get("warmup_loss")
        origin = self._script.origin(warm, bound.site.scope) if warm is not None else None
        warmup = self._losses.get(id(origin)) if origin is not None else None
        if warmup is not None and warmup is not reading:
            warmup.title += " (warm-up loss)"
            warmup.within = bound.site
        return reading

    def _hooks(self, reading: _Reading, here: Location) -> None:
        """Tell whether the schedule is driven; only a file that holds the training loop can tell."""
        batch, epoch = (hook in self._script.attributes for hook in _HOOKS)
        in_steps = "warmup_steps" in reading.values and not reading.values.get("reset_queue_each_epoch")
        if batch and (epoch or in_steps):
            reading.set("step_hook_wired", True, here)
        elif _LIGHTNING & self._script.imported_roots:
            reading.cannot_read("step_hook_wired", "a callback of another file may call the hooks")
        elif "backward" not in self._script.attributes:
            reading.cannot_read("step_hook_wired", "the training loop is not in this file")
        elif batch and "warmup_steps" in reading.unreadable:
            reading.cannot_read("step_hook_wired", "whether the warm-up counts steps is not known")
        else:
            reading.set("step_hook_wired", False, here)

    def _direct_calls(self, reading: _Reading, made: ast.expr | None, main: ast.expr | None) -> None:
        """Tell whether the main loss is called past its wrapper."""
        if made is None or reading.wrapper is None:
            return
        past = self._called_past.get(id(reading.wrapper.node), [])
        for site in (*self._called.get(id(made), []), *past):
            if not evaluation(site.scope.inside()):
                reading.set("main_loss_in_warmup", True, self._locate(site.node))
                return
        others = [node for node in self._referred.get(id(made), []) if node is not main]
        if not others and "main_loss" not in self._script.attributes:
            reading.set("main_loss_in_warmup", False, self._locate(reading.wrapper.node))

    # The script around ----------------------------------------------------------------------------

    def _reassigned(self, reading: _Reading) -> None:
        """Forget a temperature that is set again after construction."""
        line = self._reset.get(id(reading.bound.site.node))
        if line is not None:
            reading.cannot_read("temperature", f"temperature is set again at line {line}")

    def _surround(self, reading: _Reading, everywhere: list[Setting]) -> None:
        for one in everywhere:
            if not reading.open(one.field):
                continue
            if one.reason:
                reading.cannot_read(one.field, one.reason)
            else:
                reading.set(one.field, one.value, one.where, one.assumed)
        cast = self._cast(reading)
        if cast is not None:
            reading.set("precision", "fp32", self._locate(cast))

    def _cast(self, reading: _Reading) -> ast.expr | None:
        """Return the ``logits.float()`` with which every call of this loss is made, if so."""
        call = reading.bound.site.node
        sites = list(self._called.get(id(call), []))
        if reading.wrapper is not None:
            sites += self._called.get(id(reading.wrapper.node), [])
        if reading.bound.signature.functional:
            sites.append(reading.bound.site)
        logits = [site.node.args[0] for site in sites if site.node.args]
        if logits and all(
            isinstance(arg, ast.Call) and isinstance(arg.func, ast.Attribute) and arg.func.attr == "float"
            for arg in logits
        ):
            return logits[0]
        return None


def _position(reading: _Reading) -> tuple[int, int]:
    node = reading.bound.site.node
    return node.lineno, node.col_offset


READER = PlanReader(suffixes=(".py",), read=read)
