"""The common frame: each fault of the reference, named, with both behaviours."""

import math
import warnings
from contextlib import contextmanager

import pytest

torch = pytest.importorskip("torch")
reference = pytest.importorskip("imbalanced_losses")

from imbalance_doctor import losses as ours  # noqa: E402

RANKING = ["SmoothAPLoss", "RecallAtQuantileLoss", "PAUCAtBudgetLoss"]
LOSSES = pytest.mark.parametrize("name", RANKING)
OPTIONS = {"RecallAtQuantileLoss": {"quantile": 0.2}, "PAUCAtBudgetLoss": {"beta": 0.3}}


def make(library, name, classes=1, **options):
    return getattr(library, name)(classes, **(OPTIONS.get(name, {}) | options))


def binary(seed=0, rows=60, prevalence=0.2):
    g = torch.Generator().manual_seed(seed)
    y = (torch.rand(rows, generator=g) < prevalence).long()
    x = torch.randn(rows, 1, generator=g) + y[:, None]
    return x, y


def grad(loss, x, *rest, **given):
    x = x.clone().requires_grad_()
    value = loss(x, *rest, **given)
    value.nansum().backward()
    return value.detach(), x.grad


@contextmanager
def silent():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# -- B6 ------------------------------------------------------------


@LOSSES
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_b6_rows_that_are_not_finite_never_enter_the_queue(name, bad):
    mine, theirs = make(ours, name, queue_size=256), make(reference, name, queue_size=256)
    for step in range(8):
        x, y = binary(step, 32)
        if step == 0:
            x[3], x[8] = bad, bad
            with pytest.warns(UserWarning, match="2 of 32 rows have a NaN or infinite score"):
                mine(x, y)
        else:
            assert mine(x, y).isfinite()
        value = theirs(x, y)
        if step and math.isnan(bad):
            assert value.isnan()
    assert mine._queue._q_logits.isfinite().all()
    assert not theirs._queue._q_logits.isfinite().all()
    assert int((mine._queue._q_targets != -100).sum()) == 8 * 32 - 2


@LOSSES
def test_b6_a_nan_in_the_batch_stays_visible_in_the_loss(name):
    x, y = binary()
    x[int((y == 0).nonzero()[0])] = math.nan
    loss = make(ours, name, queue_size=0)
    value, gradient = grad(loss, x, y)
    assert value.isnan()
    assert gradient.isnan().any()


# -- B10, B11 ------------------------------------------------------------


@LOSSES
def test_b10_a_queue_need_not_dilute_the_gradient_of_live_positives(name, quiet):
    """Over the pool the gradient on live positives falls with the queue, over live positives it does not."""
    options = {} if name == "SmoothAPLoss" else {"anchor": False}
    size = {}
    for numerator in ("pool", "live"):
        for queue in (0, 2048):
            loss = make(ours, name, queue_size=queue, temperature=0.5, pos_numerator=numerator, **options)
            for step in range(64 if queue else 0):
                loss(*binary(step, 32))
            x, y = binary(99, 32)
            _, gradient = grad(loss, x, y)
            size[numerator, queue] = gradient[y == 1].abs().sum().item()
    assert size["pool", 2048] < 0.1 * size["pool", 0]
    assert size["live", 2048] > 0.3 * size["live", 0]


@LOSSES
def test_b11_no_live_positive_is_said(name):
    loss = make(ours, name, queue_size=64, pos_numerator="live", reduction="none")
    x, y = binary()
    loss(x, y)
    with pytest.warns(UserWarning, match="no positive in the live batch"):
        value, gradient = grad(loss, x, torch.zeros_like(y))
    assert value.isnan().all()
    assert (gradient == 0).all()
    assert loss(x, y).isfinite()


# -- B12, B13, B14 ------------------------------------------------------------


@LOSSES
def test_b12_ignored_rows_take_no_room_in_the_queue(name, quiet):
    mine, theirs = make(ours, name, queue_size=100), make(reference, name, queue_size=100)
    for step in range(20):
        x, y = binary(step, 50)
        y[5:] = -100
        x[5:] = math.nan  # padding may hold anything
        value, gradient = grad(mine, x, y)
        assert not value.isnan()
        assert gradient.isfinite().all()
        assert (gradient[5:] == 0).all()
        theirs(x, y)
    assert int((mine._queue._q_targets != -100).sum()) == 100
    assert int((theirs._queue._q_targets != -100).sum()) == 10


@LOSSES
def test_b13_soft_targets_are_refused(name):
    x, y = binary()
    soft = y.float()
    soft[7] = 0.7
    with pytest.raises(ValueError, match=r"expected class ids, but got 0\.7; a soft target has no rank"):
        make(ours, name)(x, soft)
    theirs = make(reference, name)
    with silent():
        theirs(x, soft)
    assert theirs._queue._q_targets[7] == 0  # a positive now, a negative from the next step on
    for whole in (y.float(), y.bool(), y.to(torch.uint8), y.double()[:, None]):
        assert make(ours, name)(x, whole) == make(ours, name)(x, y)


@LOSSES
def test_b14_eval_mode_does_not_store(name):
    loss = make(ours, name)
    x, y = binary()
    with torch.no_grad():
        loss(x, y)
    assert int(loss._queue._q_ptr) == 60  # as documented: only eval mode leaves the queue alone
    loss.eval()
    loss(x, y)
    assert int(loss._queue._q_ptr) == 60
    loss.update_queue_in_eval = True
    loss(x, y)
    assert int(loss._queue._q_ptr) == 120


# -- B15, B24 ------------------------------------------------------------


@LOSSES
def test_b15_classes_that_cannot_be_scored_are_named_once(name):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(40, 4, generator=g)
    y = torch.randint(0, 2, (40,), generator=g)
    mine, theirs = (make(library, name, 4, queue_size=0) for library in (ours, reference))
    with pytest.warns(
        UserWarning, match=r"2 classes \(2, 3\) are left out of the loss: no positive in the pool"
    ):
        mine(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mine(x, y)
        theirs(x, y)  # the reference says nothing
    with pytest.warns(UserWarning, match="class 0 is left out of the loss: no positive"):
        mine(x, y + 1)


@LOSSES
@pytest.mark.parametrize("what", ["no positive", "empty", "ignored"])
def test_b15_nothing_to_score_is_nan_with_a_gradient_path(name, what):
    x, y = binary()
    y = {"no positive": torch.zeros_like(y), "empty": y[:0], "ignored": torch.full_like(y, -100)}[what]
    x = x[: y.shape[0]]
    for reduction, wanted in (("none", math.nan), ("mean", 0.0), ("sum", 0.0)):
        loss = make(ours, name, queue_size=0, reduction=reduction)
        with pytest.warns(UserWarning, match="no row to rank" if what != "no positive" else "no positive"):
            value, gradient = grad(loss, x, y)
        assert torch.equal(value.reshape(-1).nan_to_num(9), torch.tensor([wanted]).nan_to_num(9))
        assert torch.equal(gradient, torch.zeros_like(x))
    with silent():
        theirs = make(reference, name, queue_size=0, reduction="none")
        if what == "no positive":
            with pytest.raises(RuntimeError):
                grad(theirs, x, y)
        else:
            assert theirs(x, y).item() == 0.0


def test_b15_all_positive_is_said_where_negatives_are_needed():
    x, y = binary()
    ones = torch.ones_like(y)
    for name in ("SmoothAPLoss", "PAUCAtBudgetLoss"):
        with pytest.warns(
            UserWarning, match="the positive class is left out of the loss: no negative in the pool"
        ):
            assert make(ours, name)(x, ones).item() == 0.0
    assert make(ours, "RecallAtQuantileLoss")(x, ones).item() > 0


@LOSSES
def test_b15_zero_weights_are_said(name):
    x, y = binary()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        make(ours, name)(x, y, sample_weight=torch.zeros(60))
    assert any("every sample_weight is 0" in str(w.message) for w in said)
    assert any("the weights of its positives are all 0" in str(w.message) for w in said)


@LOSSES
def test_b24_labels_outside_the_classes_are_refused(name):
    x, y = binary()
    for labels in (y * 2 - 1, y + 1):
        with pytest.raises(
            ValueError, match="targets: expected class ids from 0 to 1, or -100 for ignored rows"
        ):
            make(ours, name)(x, labels)
        with pytest.warns(UserWarning, match="Binary mode"):
            make(reference, name)(x, labels)
    loss = make(ours, name, 4)
    with pytest.raises(ValueError, match="class ids from 0 to 3, or -100 for ignored rows, but got 7"):
        loss(x.expand(-1, 4), torch.full_like(y, 7))
    assert int(loss._queue._q_ptr) == 0  # an error leaves the queue alone


# -- B16, B17 ------------------------------------------------------------


@LOSSES
@pytest.mark.parametrize("bad", [math.inf, -math.inf])
@pytest.mark.parametrize("positive", [True, False])
def test_b16_infinite_scores_have_finite_loss_and_gradient(name, bad, positive):
    extras = {
        "PAUCAtBudgetLoss": [{}, {"surrogate": "pairwise"}],
        "RecallAtQuantileLoss": [{"anchor": False}],
    }
    for extra in extras.get(name, [{}]):
        x, y = binary()
        at = int((y == positive).nonzero()[0])
        x[at] = bad
        loss = make(ours, name, queue_size=0, **extra)
        value, gradient = grad(loss, x, y)
        far = x.clone()
        far[at] = math.copysign(1e4, bad)
        value_, gradient_ = grad(make(ours, name, queue_size=0, **extra), far, y)
        assert value.item() == pytest.approx(value_.item(), rel=1e-4)
        assert gradient.isfinite().all()
        assert torch.allclose(gradient, gradient_, atol=1e-5)
    if name == "RecallAtQuantileLoss":
        assert grad(make(ours, name, queue_size=0), x, y)[1].isfinite().all()
    if name == "SmoothAPLoss" and positive:
        _, gradient = grad(reference.SmoothAPLoss(1, 0), x, y)
        assert gradient.isnan().any()


@LOSSES
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_b17_half_precision(name, dtype):
    x, y = binary(rows=200)
    x = x.to(dtype)
    mine = make(ours, name, queue_size=50)
    for _ in range(2):
        value, gradient = grad(mine, x, y)
    exact = make(ours, name, queue_size=50)
    for _ in range(2):
        value_, gradient_ = grad(exact, x.float(), y)
    assert value.dtype == torch.float32
    assert gradient.dtype == dtype
    assert value == value_
    assert torch.allclose(gradient.float(), gradient_, rtol=0.01, atol=1e-4)
    if name != "SmoothAPLoss":
        with pytest.raises(RuntimeError), silent():
            make(reference, name)(x, y)
    assert make(ours, name).to(dtype)(x, y).isfinite()


@LOSSES
def test_b17_autocast(name):
    x, y = binary(rows=200)
    layer = torch.nn.Linear(1, 1)
    with torch.autocast("cpu", torch.bfloat16):
        value = make(ours, name)(layer(x), y)
        assert value.dtype == torch.float32
        value.backward()
    assert layer.weight.grad.isfinite().all()


# -- state, options ------------------------------------------------------------


@LOSSES
def test_temperature_is_part_of_the_state(name):
    loss = make(ours, name)
    loss.temperature = 0.37
    other = make(ours, name)
    other.load_state_dict(loss.state_dict())
    assert other.temperature == 0.37
    old = {k: v for k, v in loss.state_dict().items() if k != "_extra_state"}
    third = make(ours, name, temperature=0.2)
    third.load_state_dict(old)
    assert third.temperature == 0.2


def test_state_survives_a_file(tmp_path):
    loss = make(ours, "SmoothAPLoss", queue_size=40)
    x, y = binary()
    loss(x, y, sample_weight=torch.rand(60))
    torch.save(loss.state_dict(), tmp_path / "s.pt")
    other = make(ours, "SmoothAPLoss", queue_size=40)
    other.load_state_dict(torch.load(tmp_path / "s.pt", weights_only=True))
    assert other(x, y) == loss(x, y)


@LOSSES
@pytest.mark.parametrize("scale", ["std", "iqr"])
def test_relative_temperature_makes_the_loss_indifferent_to_scale(name, scale):
    x, y = binary(rows=200)
    x = x.double()
    loss = make(ours, name, queue_size=0, temperature=0.3, tau_scale=scale)
    values = [loss(k * x + 3, y).item() for k in (0.01, 1.0, 1000.0)]
    assert values == pytest.approx([values[1]] * 3, rel=1e-9)
    if name != "PAUCAtBudgetLoss":
        raw = make(ours, name, queue_size=0, temperature=0.3)
        assert abs(raw(x, y) - raw(100 * x, y)) > 0.01


@LOSSES
def test_relative_temperature_of_constant_scores(name):
    with silent():
        for scale in ("std", "iqr"):
            loss = make(ours, name, queue_size=0, tau_scale=scale)
            value, gradient = grad(loss, torch.ones(20, 1), (torch.arange(20) < 5).long())
            assert value.isfinite()
            assert gradient.isfinite().all()


@LOSSES
def test_weights_scale_out(name):
    x, y = binary()
    w = torch.rand(60)
    values = [make(ours, name)(x, y, sample_weight=k * w).item() for k in (1.0, 64.0)]
    assert values[0] == pytest.approx(values[1], rel=1e-5)
    assert values[0] != pytest.approx(make(ours, name)(x, y).item(), rel=1e-3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"logits": torch.zeros(4, 2)}, r"logits: expected shape \[N, 1\], but got \[4, 2\]"),
        ({"logits": torch.zeros(4)}, r"logits: expected shape"),
        ({"targets": torch.zeros(3)}, r"targets: expected shape \[4\] as the logits, but got \[3\]"),
        ({"iid_mask": torch.ones(3)}, "iid_mask: expected shape"),
        ({"sample_weight": torch.ones(4, 1)}, "sample_weight: expected shape"),
        (
            {"sample_weight": -torch.ones(4)},
            "sample_weight: expected finite numbers of at least 0, but got -1",
        ),
        ({"sample_weight": torch.full((4,), math.nan)}, "sample_weight: expected finite"),
        ({"sample_weight": torch.full((4,), math.inf)}, "sample_weight: expected finite"),
    ],
)
def test_refuses_what_does_not_fit(given, message):
    given = {"logits": torch.zeros(4, 1), "targets": torch.tensor([0, 1, 0, 1])} | given
    with pytest.raises(ValueError, match=message):
        ours.SmoothAPLoss(1)(**given)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"cap": "x"},
        {"tau_scale": "x"},
        {"tau_scale": "band"},
        {"pos_numerator": "x"},
    ],
)
def test_refuses_settings(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ours.SmoothAPLoss(2, **wrong)


@LOSSES
def test_no_gradient_is_asked_for(name):
    x, y = binary()
    with torch.no_grad():
        assert not make(ours, name)(x, y).requires_grad
    assert not make(ours, name)(x, y).requires_grad


@pytest.mark.slow
def test_compiled_loss():
    x, y = binary()
    loss, plain = (make(ours, "RecallAtQuantileLoss", queue_size=16) for _ in range(2))
    with silent():
        compiled = torch.compile(loss, backend="eager")
        for _ in range(2):
            a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
            compiled(a, y).backward()
            plain(b, y).backward()
            assert torch.allclose(a.grad, b.grad)
