"""What holds for every loss of a script: loader, optimiser, precision, clipping, epochs, workers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import Location
from imbalance_doctor.sources.plans._bound import Bound, Locate, assumed, bind, last_part, signature_of
from imbalance_doctor.sources.plans._signatures import LOADER, OPTIMIZERS, SETTINGS, Signature
from imbalance_doctor.sources.plans._static import Scope, Script, Site, UnreadableError, only_running, quoted
from imbalance_doctor.sources.plans.base import coerce

_EVALUATION, _PLAIN, _TRAINING, _DECIDING = range(4)
_COUNT_WORDS = {2: "two", 3: "three", 4: "four"}
_AUTOCASTS = ("torch.autocast", "torch.amp.autocast", "torch.cuda.amp.autocast", "torch.cpu.amp.autocast")
_SHUFFLERS = frozenset({"RandomSampler", "DistributedSampler", "SubsetRandomSampler"})
_LAUNCHED = "the number of workers is only known when the script is launched"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One reading of one plan field: a value, or the reason why there is none.

    Attributes
    ----------
    rank
        Of two readings the one of higher rank holds: training before unspecified before evaluation.
    assumed
        The default of the script that the value rests on; empty where it rests on none.
    """

    field: str
    where: Location
    value: object = None
    reason: str = ""
    rank: int = _PLAIN
    assumed: str = ""


def settings(script: Script, locate: Locate) -> list[Setting]:
    """Return what the script says about its training, at most one reading per field."""
    found: dict[str, list[Setting]] = {}
    for one in _readings(script, locate):
        found.setdefault(one.field, []).append(_checked(one))
    merged = (_merged(readings) for readings in found.values())
    return [one for one in merged if one is not None]


def _checked(one: Setting) -> Setting:
    """Validate a value; what the plan cannot hold becomes a reason, since the script may still run."""
    if one.reason:
        return one
    try:
        value = coerce(one.field, one.value, one.where)
    except InputError as error:
        return Setting(field=one.field, where=one.where, reason=error.problem, rank=one.rank)
    return replace(one, value=value)


def _merged(readings: list[Setting]) -> Setting | None:
    rank = max(one.rank for one in readings)
    if rank == _EVALUATION:
        return None
    best = [one for one in readings if one.rank == rank]
    unknown = next((one for one in best if one.reason), None)
    if unknown is not None:
        return unknown
    different = {one.value: one for one in reversed(best)}
    if len(different) == 1:
        return best[0]
    ordered = sorted(different.values(), key=lambda one: one.where.line or 0)
    words = ordered[0].field.replace("_", " ")
    count = _COUNT_WORDS.get(len(ordered), str(len(ordered)))
    listed = ", ".join(f"{one.value} at line {one.where.line}" for one in ordered[:4])
    reason = f"{count} {words}s: {listed}"
    return Setting(field=ordered[0].field, where=ordered[0].where, reason=reason)


def _readings(script: Script, locate: Locate) -> Iterator[Setting]:
    for site in script.calls:
        names = script.names(site.node.func, site.scope)
        if not names:
            continue
        if signature_of(names, (LOADER,)):
            yield from _loader(bind(site, LOADER, locate, strict=False), script, locate)
        elif signature := signature_of(names, SETTINGS):
            yield from _simple(bind(site, signature, locate, strict=False), script, locate)
        else:
            yield from _by_name(names, site, script, locate)
    for loop, scope in script.loops:
        yield from _epoch_loop(loop, script, scope, locate)


def _by_name(names: tuple[str, ...], site: Site, script: Script, locate: Locate) -> Iterator[Setting]:
    name = names[0]
    last = name.rpartition(".")[2]
    if name in _AUTOCASTS:
        yield from _autocast(name, site, script, locate)
    elif name.startswith("torch.optim.") and last in OPTIMIZERS:
        yield from _optimizer(last, site, script, locate)
    elif name.startswith("torch.optim.lr_scheduler.") and last == "OneCycleLR":
        signature = Signature(
            package="torch.optim",
            name=last,
            positional=("optimizer", "max_lr"),
            fields={"max_lr": "learning_rate"},
            unused=frozenset({"optimizer"}),
        )
        bound = bind(site, signature, locate, strict=False)
        yield from _simple(bound, script, locate, rank=_DECIDING)
    elif last == "WeightedRandomSampler" and name.startswith("torch.utils.data"):
        yield from _weighted(locate(site.node), _PLAIN)
    elif name.startswith("torch.") and last == "DistributedDataParallel":
        yield Setting(field="world_size", where=locate(site.node), reason=_LAUNCHED)
    elif name.startswith("torch.distributed") and last == "init_process_group":
        yield _process_group(site, script, locate)


def _process_group(site: Site, script: Script, locate: Locate) -> Setting:
    """Read the number of workers; -1 and the default of an option leave it to the launch."""
    signature = Signature(
        package="torch.distributed",
        name="init_process_group",
        positional=("backend", "init_method", "timeout", "world_size"),
    )
    bound = bind(site, signature, locate, strict=False)
    where = locate(bound.nodes.get("world_size", site.node))
    try:
        count = bound.read("world_size", script)
    except UnreadableError:
        count = None
    known = isinstance(count, int) and count > 0 and not bound.assumed("world_size", script, locate)
    if known:
        return Setting(field="world_size", where=where, value=count, rank=_DECIDING)
    return Setting(field="world_size", where=where, reason=_LAUNCHED)


def _weighted(where: Location, rank: int) -> Iterator[Setting]:
    yield Setting(field="sampler", where=where, value="weighted", rank=rank)
    reason = "the weights of WeightedRandomSampler are only known when the script runs"
    yield Setting(field="sampler_prevalence", where=where, reason=reason, rank=rank)


def _simple(bound: Bound, script: Script, locate: Locate, *, rank: int = _PLAIN) -> Iterator[Setting]:
    """Read the parameters that are one plan field each."""
    for parameter in bound.signature.parameters:
        plan_field = bound.signature.field_of(parameter)
        if plan_field is None:
            continue
        where = locate(bound.nodes.get(parameter, bound.site.node))
        try:
            value = last_part(bound.read(parameter, script))
        except UnreadableError as error:
            yield Setting(field=plan_field, where=where, reason=str(error), rank=rank)
            continue
        # Of a trainer, None and -1 mean no limit, and 0 no clipping: nothing that the plan would hold.
        if value is not None and value not in (-1, 0):
            source = bound.assumed(parameter, script, locate)
            yield Setting(field=plan_field, where=where, value=value, rank=rank, assumed=source)
    if "devices" in bound.signature.parameters:
        yield from _workers(bound, script, locate)


def _workers(bound: Bound, script: Script, locate: Locate) -> Iterator[Setting]:
    if bound.missing("devices") and bound.missing("num_nodes"):
        return
    where = locate(bound.nodes.get("devices", bound.site.node))
    try:
        devices = bound.read("devices", script)
        nodes = bound.read("num_nodes", script)
    except UnreadableError as error:
        yield Setting(field="world_size", where=where, reason=str(error))
        return
    count = len(devices) if isinstance(devices, tuple) else devices
    nodes = 1 if nodes is None else nodes
    if isinstance(count, int) and isinstance(nodes, int) and count > 0:
        sources = [bound.assumed(name, script, locate) for name in ("devices", "num_nodes")]
        source = "; ".join(filter(None, sources))
        yield Setting(field="world_size", where=where, value=count * nodes, assumed=source)
    else:
        yield Setting(field="world_size", where=where, reason=_LAUNCHED)


def _loader(bound: Bound, script: Script, locate: Locate) -> Iterator[Setting]:
    rank = _loader_rank(bound)
    call = bound.site.node
    where = locate(bound.nodes.get("batch_size", call))
    batches = bound.nodes.get("batch_sampler")
    if batches is not None and not _is_none(batches):
        reason = f"{quoted(batches)} draws the batches"
        yield Setting(field="batch_size", where=where, reason=reason, rank=rank)
        yield Setting(field="sampler", where=where, reason=reason, rank=rank)
        return
    try:
        size = 1 if bound.missing("batch_size") else bound.read("batch_size", script)
        reason = "" if size is not None else "automatic batching is switched off"
        source = bound.assumed("batch_size", script, locate)
        yield Setting(field="batch_size", where=where, value=size, reason=reason, rank=rank, assumed=source)
    except UnreadableError as error:
        yield Setting(field="batch_size", where=where, reason=str(error), rank=rank)
    yield from _sampler(bound, script, locate, rank)
    last = bound.nodes.get("drop_last")
    if last is not None:
        try:
            value, reason = bound.read("drop_last", script), ""
        except UnreadableError as error:
            value, reason = None, str(error)
        source = bound.assumed("drop_last", script, locate)
        yield Setting(
            field="drop_last", where=locate(last), value=value, reason=reason, rank=rank, assumed=source
        )


def _sampler(bound: Bound, script: Script, locate: Locate, rank: int) -> Iterator[Setting]:
    node = bound.nodes.get("sampler")
    if node is None or _is_none(node):
        try:
            shuffled = bound.read("shuffle", script)
        except UnreadableError:
            return  # the plan's own assumption is told
        if isinstance(shuffled, bool):
            word, source = "shuffle" if shuffled else "sequential", bound.assumed("shuffle", script, locate)
            where = locate(bound.nodes["shuffle"])
            yield Setting(field="sampler", where=where, value=word, rank=rank, assumed=source)
        return
    made = script.origin(node, bound.site.scope)
    names = script.names(made.func, bound.site.scope) if isinstance(made, ast.Call) else ()
    last = {name.rpartition(".")[2] for name in names if name.startswith("torch.utils.data")}
    if "WeightedRandomSampler" in last:
        yield from _weighted(locate(node), rank)
    elif last & _SHUFFLERS:
        yield Setting(field="sampler", where=locate(node), value="shuffle", rank=rank)
    else:
        reason = f"{quoted(node)} decides which rows are drawn"
        yield Setting(field="sampler", where=locate(node), reason=reason, rank=rank)


def _loader_rank(bound: Bound) -> int:
    """Tell a training loader from the others by its own name, its data, its function, or by shuffling."""
    data = bound.nodes.get("dataset")
    parts = [] if data is None else list(ast.walk(data))
    named = [node.id for node in parts if isinstance(node, ast.Name)]
    named += [node.attr for node in parts if isinstance(node, ast.Attribute)]
    for words in (bound.site.target, " ".join(named), bound.site.scope.inside()):
        evaluates = evaluation(words)
        if evaluates != ("train" in words.lower()):
            return _EVALUATION if evaluates else _TRAINING
    sampler = bound.nodes.get("sampler")
    drawn = sampler is not None and not _is_none(sampler)
    return _TRAINING if drawn or _is_true(bound.nodes.get("shuffle")) else _PLAIN


def evaluation(words: str) -> bool:
    """Whether names speak of validation, test or prediction.

    >>> evaluation("self.val_loader"), evaluation("latest_values")
    (True, False)
    """
    pattern = r"(?<![a-z])(val|valid[a-z]*|eval[a-z]*|test[a-z]*|dev|predict[a-z]*|holdout)(?![a-z])"
    return re.search(pattern, words.lower()) is not None


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _optimizer(name: str, site: Site, script: Script, locate: Locate) -> Iterator[Setting]:
    word, default = OPTIMIZERS[name]
    signature = Signature(package="torch.optim", name=name, positional=("params", "lr"))
    bound = bind(site, signature, locate, strict=False)
    yield Setting(field="optimizer", where=locate(site.node), value=word)
    where = locate(bound.nodes.get("lr", site.node))
    groups = bound.nodes.get("params")
    if groups is not None and any(
        isinstance(node, ast.Dict) and any(isinstance(k, ast.Constant) and k.value == "lr" for k in node.keys)
        for node in ast.walk(groups)
    ):
        reason = "parameter groups have learning rates of their own"
        yield Setting(field="learning_rate", where=where, reason=reason)
        return
    try:
        rate = default if bound.missing("lr") else bound.read("lr", script)
    except UnreadableError as error:
        yield Setting(field="learning_rate", where=where, reason=str(error))
        return
    if rate is not None:
        source = bound.assumed("lr", script, locate)
        yield Setting(field="learning_rate", where=where, value=rate, assumed=source)


def _autocast(name: str, site: Site, script: Script, locate: Locate) -> Iterator[Setting]:
    on_device = name in _AUTOCASTS[:2]
    positional = ("device_type", "dtype", "enabled") if on_device else ("enabled", "dtype")
    signature = Signature(package="torch", name="autocast", positional=positional)
    bound = bind(site, signature, locate, strict=False)
    where = locate(bound.nodes.get("dtype", site.node))
    try:
        if bound.read("enabled", script) is False:
            if bound.assumed("enabled", script, locate):  # a switch that is there to be used
                reason = only_running(bound.nodes["enabled"])
                yield Setting(field="precision", where=where, reason=reason)
            return
        dtype = last_part(bound.read("dtype", script))
        if dtype is None:
            device = bound.read("device_type", script) if on_device else name.split(".")[1]
            dtype = "bf16" if str(device).startswith("cpu") else "fp16"
    except UnreadableError as error:
        yield Setting(field="precision", where=where, reason=str(error))
        return
    source = bound.assumed("dtype", script, locate)
    yield Setting(field="precision", where=where, value=dtype, assumed=source)


def _epoch_loop(
    loop: ast.For | ast.AsyncFor, script: Script, scope: Scope, locate: Locate
) -> Iterator[Setting]:
    """Read ``for epoch in range(20)``."""
    counted = loop.iter
    if isinstance(counted, ast.Call) and len(counted.args) == 1 and isinstance(counted.args[0], ast.Call):
        counted = counted.args[0]  # tqdm(range(20))
    plain = isinstance(loop.target, ast.Name) and loop.target.id.lower().strip("_") in ("epoch", "ep")
    if not plain or not isinstance(counted, ast.Call):
        return
    if not (isinstance(counted.func, ast.Name) and counted.func.id == "range" and len(counted.args) == 1):
        return
    where = locate(counted.args[0])
    try:
        value = script.value(counted.args[0], scope)
    except UnreadableError as error:
        yield Setting(field="epochs", where=where, reason=str(error))
        return
    source = assumed(script, counted.args[0], locate)
    yield Setting(field="epochs", where=where, value=value, assumed=source)
