"""Ours against imbalanced_losses 0.6.0 wherever that is right: values, gradients, queues, several steps."""

import random

import pytest

torch = pytest.importorskip("torch")
reference = pytest.importorskip("imbalanced_losses")

from imbalance_doctor import losses as ours  # noqa: E402

BUFFERS = ("_q_logits", "_q_targets", "_q_ptr", "_q_iid", "_q_weight")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def batch(generator, rows, classes, dtype, *, tied):
    x = torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    if classes == 1:
        y = (torch.rand(rows, generator=generator) < 0.2).long()
        x[:, 0] += y
    else:
        y = torch.randint(0, classes, (rows,), generator=generator)
        x += torch.nn.functional.one_hot(y, classes)
    return ((x * 4).round() / 4 if tied else x).to(dtype), y


def close(one, other, tolerance):
    assert torch.equal(one.isnan(), other.isnan())
    one, other = one.detach().double().nan_to_num(), other.detach().double().nan_to_num()
    assert (one - other).abs().max() <= tolerance * max(1e-2, other.abs().max().item())


def compare(mine, theirs, choice, dtype, *, weights=False, iid=False, steps=4, training=True, ignored=0):
    """Feed both the same batches; returns how often a gradient was compared."""
    generator = torch.Generator().manual_seed(choice.randrange(1 << 30))
    tolerance = 1e-10 if dtype == torch.float64 else 1e-5
    compared = 0
    mine.train(training), theirs.train(training)
    rows = choice.choice([16, 40, 90])
    for step in range(steps):
        x, y = batch(generator, rows, mine.num_classes, dtype, tied=step % 3 == 1)
        y[rows - ignored :] = mine.ignore_index
        given = {}
        if weights and step % 2:
            given["sample_weight"] = torch.rand(rows, generator=generator).to(dtype)
        if iid:
            given["iid_mask"] = torch.rand(rows, generator=generator) < 0.7
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        seed = choice.randrange(1 << 30)
        torch.manual_seed(seed)
        value, per_class, valid = mine(a, y if step % 2 else y[:, None], return_per_class=True, **given)
        torch.manual_seed(seed)
        value_, per_class_, valid_ = theirs(b, y, return_per_class=True, **given)
        assert torch.equal(valid, valid_)
        close(value, value_, tolerance)
        close(per_class, per_class_, tolerance)
        if value_.requires_grad and valid.any():
            value.nansum().backward()
            value_.nansum().backward()
            close(a.grad, b.grad, tolerance)
            compared += 1
        if mine.queue_size and not ignored:
            for name in BUFFERS:
                assert torch.equal(getattr(mine._queue, name), getattr(theirs._queue, name)), name
    return compared


def common(choice):
    return {
        "queue_size": choice.choice([0, 37, 200]),
        "reduction": choice.choice(["mean", "sum", "none"]),
        "update_queue_in_eval": choice.random() < 0.2,
        "max_pool_size": choice.choice([None, None, None, 30]),
    }


def pick(choice, options):
    """Classes, whether rows have weights, and ignored rows: none where the reference queues them (B12)."""
    return choice.choice([1, 1, 3, 5]), choice.random() < 0.4, 5 * (not options["queue_size"])


DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])


@DTYPES
@pytest.mark.parametrize("seed", range(25))
def test_smooth_ap(seed, dtype):
    choice = random.Random(seed)  # noqa: S311
    options = common(choice) | {"temperature": choice.choice([0.03, 0.1, 1.0])}
    classes, weights, ignored = pick(choice, options)
    mine = ours.SmoothAPLoss(classes, cap="quota", **options)
    theirs = reference.SmoothAPLoss(classes, **options)
    compare(mine, theirs, choice, dtype, weights=weights, ignored=ignored, training=choice.random() < 0.8)


@DTYPES
@pytest.mark.parametrize("seed", range(30))
def test_recall_at_quantile(seed, dtype):
    choice = random.Random(seed)  # noqa: S311
    between = ["higher", "lower", "nearest"] if dtype == torch.float32 else list(INTERPOLATIONS)
    options = common(choice) | {
        "temperature": choice.choice([0.05, 0.1, 1.0]),
        "quantile": choice.choice([0.005, 0.1, 0.3, 0.5]),
        "quantile_interpolation": choice.choice(between),
    }
    classes, weights, ignored = pick(choice, options)
    mine = ours.RecallAtQuantileLoss(classes, cap="quota", anchor=False, **options)
    theirs = reference.RecallAtQuantileLoss(classes, **options)
    compare(mine, theirs, choice, dtype, weights=weights, ignored=ignored, training=choice.random() < 0.8)


INTERPOLATIONS = ("linear", "lower", "higher", "nearest", "midpoint")


@DTYPES
@pytest.mark.parametrize("surrogate", ["trapezoid", "pairwise"])
@pytest.mark.parametrize("seed", range(40))
def test_pauc(seed, surrogate, dtype):
    choice = random.Random(seed)  # noqa: S311
    alpha = choice.choice([0, 0, 0.05, 0.1])
    between = ["higher", "lower"] if dtype == torch.float32 else list(INTERPOLATIONS)
    options = common(choice) | {
        "alpha": alpha,
        "beta": choice.choice([0.2, 0.3, 0.5, 1.0]),
        "surrogate": surrogate,
        "n_knots": choice.choice([2, 3, 5]),
        "tau_scale": choice.choice(["iqr", "iqr", "band"]),
        "pos_numerator": choice.choice(["pool", "live"]),
        "budget_basis": choice.choice(["fpr", "population"]),
        "temperature": choice.choice([0.1, 1.0]),
        "quantile_interpolation": choice.choice(between),
    }
    if options["tau_scale"] == "band":  # a band of width 0 makes the reference skip the class
        options |= {"alpha": 0.0, "beta": 0.5}
    classes, weights, ignored = pick(choice, options)
    # From alpha = 0 the reference loses mined negatives above the iid ones; see B18.
    iid = choice.random() < 0.4 and (surrogate == "trapezoid" or options["alpha"] > 0)
    mine = ours.PAUCAtBudgetLoss(classes, cap="quota", anchor=False, **options)
    theirs = reference.PAUCAtBudgetLoss(classes, **options)
    compare(mine, theirs, choice, dtype, weights=weights, iid=iid, ignored=ignored)


@pytest.mark.parametrize("surrogate", ["trapezoid", "pairwise"])
@pytest.mark.parametrize("basis", ["fpr", "population"])
def test_pauc_diagnostics(surrogate, basis):
    options = {"beta": 0.3, "surrogate": surrogate, "budget_basis": basis, "n_knots": 3}
    mine = ours.PAUCAtBudgetLoss(4, anchor=False, **options)
    theirs = reference.PAUCAtBudgetLoss(4, **options)
    generator = torch.Generator().manual_seed(3)
    for step in range(3):
        x, y = batch(generator, 60, 4, torch.float64, tied=step == 1)
        y[y == 3] = -100  # a class that cannot be scored
        given = {"iid_mask": torch.rand(60, generator=generator) < 0.7} if surrogate == "trapezoid" else {}
        for per_class in (False, True):
            found = mine(x, y, return_per_class=per_class, return_diagnostics=True, **given)
            found_ = theirs(x, y, return_per_class=per_class, return_diagnostics=True, **given)
            assert len(found) == len(found_)
            assert list(found[-1]) == list(found_[-1])
            for name, value in found_[-1].items():
                assert found[-1][name].shape == value.shape
                close(found[-1][name].double(), value.double(), 1e-10)


def test_state_of_the_reference_loads_and_goes_on_alike():
    choice = random.Random(0)  # noqa: S311
    pairs = [
        (lambda lib, **k: lib.SmoothAPLoss(3, 50, **k), {}),
        (lambda lib, **k: lib.RecallAtQuantileLoss(3, 0.2, 50, **k), {"anchor": False}),
        (lambda lib, **k: lib.PAUCAtBudgetLoss(3, beta=0.3, queue_size=50, **k), {"anchor": False}),
    ]
    for make, plain in pairs:
        theirs = make(reference)
        x, y = batch(torch.Generator().manual_seed(1), 70, 3, torch.float32, tied=False)
        theirs(x, y, sample_weight=torch.rand(70))
        mine = make(ours, **plain)
        saved = theirs.state_dict()
        mine.load_state_dict(saved)
        assert set(mine.state_dict()) == {*saved, "_extra_state"}
        assert mine._queue.has_weights
        compare(mine, theirs, choice, torch.float64)


def test_states_of_old_and_wrong_layout():
    flat = {name: value for name, value in ours.SmoothAPLoss(2, 5).state_dict().items() if "_q_" in name}
    flat = {name.removeprefix("_queue."): value for name, value in flat.items()}
    flat["_q_targets"] = torch.arange(5)
    for old in (flat, {k: v for k, v in flat.items() if k not in {"_q_iid", "_q_weight"}}):
        loss = ours.SmoothAPLoss(2, 5)
        loss.load_state_dict(old)
        assert loss._queue._q_targets.tolist() == [0, 1, 2, 3, 4]
    for size, strict in ((6, True), (6, False), (0, True)):
        with pytest.raises(RuntimeError):
            ours.SmoothAPLoss(2, size).load_state_dict(ours.SmoothAPLoss(2, 5).state_dict(), strict=strict)


@pytest.mark.parametrize(
    "name", ["SmoothAPLoss", "RecallAtQuantileLoss", "PAUCAtBudgetLoss", "LossWarmupWrapper"]
)
def test_signatures_are_the_references(name):
    import inspect

    for method in ("__init__", "forward"):
        mine = inspect.signature(getattr(getattr(ours, name), method)).parameters
        theirs = inspect.signature(getattr(getattr(reference, name), method)).parameters
        assert list(mine)[: len(theirs)] == list(theirs) or set(theirs) <= set(mine)
        for parameter, there in theirs.items():
            here = mine[parameter]
            assert here.kind == there.kind
            if not parameter.startswith("temp_"):  # None stands for the reference's values or better ones
                assert here.default == there.default
        assert all(mine[p].kind is mine[p].KEYWORD_ONLY for p in set(mine) - set(theirs))


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_classes": 0},
        {"queue_size": -1},
        {"temperature": 0.0},
        {"reduction": "median"},
        {"max_pool_size": 0},
    ],
)
def test_both_refuse(wrong):
    for library in (ours, reference):
        with pytest.raises(ValueError):  # noqa: PT011  the words are the library's own
            library.SmoothAPLoss(**({"num_classes": 2} | wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": -0.1},
        {"beta": 0.0},
        {"alpha": 0.2, "beta": 0.1},
        {"beta": 1.5},
        {"surrogate": "x"},
        {"n_knots": 1},
        {"n_knots": 2.5},
        {"tau_scale": "x"},
        {"pos_numerator": "x"},
        {"budget_basis": "x"},
        {"quantile_interpolation": "x"},
    ],
)
def test_both_refuse_a_budget(wrong):
    for library in (ours, reference):
        with pytest.raises((ValueError, TypeError)):
            library.PAUCAtBudgetLoss(2, **wrong)
    for quantile in (0.0, 1.0):
        with pytest.raises(ValueError, match="quantile"):
            ours.RecallAtQuantileLoss(2, quantile)
