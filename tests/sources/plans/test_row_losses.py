"""Losses of single rows: a focal loss by hand, a plain mean, and weighting that is not read."""

import textwrap

import pytest

from imbalance_doctor.sources.plans import read_plan

HEAD = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"
WEIGHTED = "its rows are weighted by code that is not read"


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def read(text):
        (tmp_path / "train.py").write_text(HEAD + textwrap.dedent(text), encoding="utf-8")
        (run,) = read_plan("train.py")
        return run

    return read


NEWCOMER = """
class FocalLoss(nn.Module):
    def __init__(self, alpha=0.25, gamma=2.0):
        super().__init__(); self.alpha = alpha; self.gamma = gamma
    def forward(self, x, y):
        bce = F.binary_cross_entropy_with_logits(x, y, reduction="none")
        pt = torch.exp(-bce)
        return (self.alpha * (1 - pt) ** self.gamma * bce).mean()
"""


def test_a_focal_loss_by_hand(read):
    run = read(NEWCOMER + "crit = FocalLoss(gamma=0.5)\n")
    assert run.name == "train.py:9 FocalLoss"
    # One alpha for all rows scales the loss and weighs no class against another.
    assert run.plan.known() == {
        "loss": "sigmoid-focal",
        "implementation": "custom",
        "alpha": -1.0,
        "gamma": 0.5,
        "stabilised": False,
        "reduction": "mean",
    }
    assert not run.unreadable
    run = read(NEWCOMER + "crit = FocalLoss()\n")
    assert run.plan.gamma == 2
    assert run.assumed["gamma"] == "default of gamma of FocalLoss, train.py:6"


def test_it_is_judged_as_one(read):
    from imbalance_doctor.diagnose import diagnose
    from imbalance_doctor.engine import load_rules

    for gamma, fires in ((0.5, True), (1.0, False)):
        run = read(NEWCOMER + f"crit = FocalLoss(gamma={gamma})\n")
        found = {f.rule for f in diagnose(load_rules().rules.values(), runs=[run]).findings}
        assert ("unstable-gamma" in found) is fires


BCE = "F.binary_cross_entropy_with_logits(x, y, reduction='none')"
FORMS = {
    "torch.pow": "pt = torch.exp(-b)\n    return (torch.pow(1 - pt, g) * b).mean()",
    "method": "pt = torch.exp(-b)\n    return ((1.0 - pt).pow(g) * b).mean()",
    "factor first named": "pt = torch.exp(-b)\n    f = (1 - pt) ** g\n    b = f * b\n    return b.mean()",
    "base named": "pt = torch.exp(-b)\n    q = 1 - pt\n    return torch.mean(q ** g * b)",
    "in place": "pt = torch.exp(-b)\n    b *= (1 - pt) ** g\n    return b.mean()",
    "torch.mul": "pt = torch.exp(-b)\n    return torch.mul((1 - pt) ** g, b).mean()",
    "torchvision": "p = torch.sigmoid(x)\n    p_t = p * y + (1 - p) * (1 - y)\n"
    "    loss = b * ((1 - p_t) ** g)\n    return loss.mean()",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_ways_to_write_it(read, form):
    run = read(f"def loss(x, y, g=0.5):\n    b = {BCE}\n    {form}\n")
    assert (run.plan.loss, run.plan.gamma, run.plan.alpha) == ("sigmoid-focal", 0.5, -1)
    assert (run.plan.stabilised, run.plan.reduction) == (False, "mean")
    assert run.name == "train.py:5 loss"


@pytest.mark.parametrize(
    ("weights", "alpha"),
    [
        ("a_t = 0.75 * y + (1 - 0.75) * (1 - y)", 0.75),
        ("a_t = a * y + (1 - a) * (1 - y)", 0.9),
        ("a_t = (1 - a) * (1 - y) + y * a", 0.9),
        ("a_t = torch.where(y == 1, a, 1 - a)", 0.9),
        ("a_t = torch.where(y == 0, a, 1 - a)", pytest.approx(0.1)),
        ("a_t = torch.where(y > 0.5, 1 - a, a)", pytest.approx(0.1)),
        ("a_t = 3.0", -1),
        ("a_t = weights[y]", None),
        ("a_t = n * y + (1 - n) * (1 - y)", None),
    ],
)
def test_weights_of_the_classes(read, weights, alpha):
    body = f"b = {BCE}\n    pt = torch.exp(-b)\n    {weights}\n    return (a_t * (1 - pt) ** 2 * b).mean()"
    run = read(f"a = 0.9\ndef loss(x, y):\n    {body}\n")
    assert run.plan.loss == "sigmoid-focal"
    assert run.plan.alpha == alpha
    assert ("alpha" in run.unreadable) is (alpha is None)
    later = body.replace("(a_t * (1 - pt) ** 2 * b)", "(1 - pt) ** 2 * b").replace("return", "f =")
    run = read(
        f"a = 0.9\ndef loss(x, y):\n    {later.replace('.mean()', '')}\n    f = a_t * f\n    return f.sum()\n"
    )
    assert (run.plan.alpha, run.plan.reduction) == (alpha, "sum")


@pytest.mark.parametrize(
    ("power", "stabilised"),
    [
        ("(1 - pt) ** 0.5", False),
        ("(1 - pt + 1e-6) ** 0.5", True),
        ("(1 - pt).clamp(min=1e-6) ** 0.5", True),
        ("(1 - pt.clamp(1e-6, 0.999)) ** 0.5", True),
        ("(1 - pt).clamp(min=0) ** 0.5", False),
        ("torch.clamp(1 - pt, 1e-6) ** 0.5", True),
    ],
)
def test_a_factor_kept_from_zero(read, power, stabilised):
    run = read(f"def loss(x, y):\n    b = {BCE}\n    pt = torch.exp(-b)\n    return ({power} * b).mean()\n")
    assert (run.plan.gamma, run.plan.stabilised) == (0.5, stabilised)


def test_softmax_focal_by_hand(read):
    run = read(
        """
        crit = nn.CrossEntropyLoss(reduction="none", ignore_index=7)
        def step(x, y):
            ce = crit(x, y)
            return ((1 - torch.exp(-ce)) ** 3 * ce).sum()
        """
    )
    assert run.plan.known() == {
        "loss": "softmax-focal",
        "implementation": "custom",
        "gamma": 3.0,
        "stabilised": False,
        "reduction": "sum",
        "ignore_index": 7,
    }


def test_a_gamma_that_is_not_known(read):
    run = read(f"def loss(x, y, g):\n    b = {BCE}\n    return ((1 - torch.exp(-b)) ** g * b).mean()\n")
    assert run.plan.loss == "sigmoid-focal"
    assert run.unreadable["gamma"] == "'g' is only known when the script runs"


@pytest.mark.parametrize(
    ("body", "reduction"),
    [
        (f"loss = {BCE}.mean()", "mean"),
        (f"loss = torch.mean({BCE})", "mean"),
        (f"rows = {BCE}\nrows.sum().backward()", "sum"),
        (f"def f():\n    rows = {BCE}\n    return rows.float().mean()", "mean"),
        (f"loss = {BCE}\nloss = loss.mean()\nloss.backward()", "mean"),
        ("c = nn.BCEWithLogitsLoss(reduction='none')\nc(x, y).mean().backward()", "mean"),
    ],
)
def test_rows_that_are_only_reduced(read, body, reduction):
    run = read(body)
    assert (run.plan.loss, run.plan.implementation, run.plan.reduction) == ("bce", "torch", reduction)


@pytest.mark.parametrize(
    "body",
    [
        f"loss = ({BCE} * w).mean()",
        f"rows = {BCE}\nloss = (rows * w).sum() / w.sum()",
        f"rows = {BCE}\nloss = rows[rows > 0.1].mean()",
        f"rows = {BCE}\nloss = rows.topk(8)[0].mean()",
        f"rows = {BCE}\nrows.mean()\nhard(rows)",
        f"loss = {BCE}.mean(dim=1)",
        f"def f():\n    return {BCE}",
        f"rows = {BCE}\nloss = ((2 - p) ** 2 * rows).mean()",
        f"rows = {BCE}\nloss = (w ** 2 * rows).mean()",
        f"def g(p):\n    return (1 - p) ** 2\nrows = {BCE}\nloss = (g(p) * rows).mean()",
        "c = nn.CrossEntropyLoss(reduction='none')",
        "c = nn.CrossEntropyLoss(reduction='none')\n(c(x, y) * w).mean()",
    ],
)
def test_other_weighting_is_not_taken_for_the_plain_loss(read, body):
    run = read(body)
    assert run.plan.loss is None
    assert run.unreadable["loss"] == WEIGHTED


def test_a_factor_on_the_mean_is_no_focal_loss(read):
    text = "def f(x, y):\n    b = F.cross_entropy(x, y)\n    return (1 - torch.exp(-b)) ** 2 * b\n"
    assert read(text).unreadable["loss"] == "its mean is weighted by code that is not read"
    other = "def f(x, y):\n    b = F.cross_entropy(x, y)\n    return b + 0.1 * ((1 - p) ** 2).mean()\n"
    assert read(other).plan.loss == "ce"
