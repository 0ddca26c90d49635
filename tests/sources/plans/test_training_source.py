"""Training scripts as people write them, read without running them."""

import json
import textwrap
import time

import numpy as np
import pytest

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import LabelCounts
from imbalance_doctor.sources.plans import overlay, plan_from_options, read_plan


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def read(text, name="train.py"):
        (tmp_path / name).write_text(textwrap.dedent(text), encoding="utf-8")
        return read_plan(name)

    return read


@pytest.fixture
def known(read):
    """Return what is known of the only loss of a script."""

    def known(text):
        (run,) = read(text)
        return run.plan.known(), dict(run.unreadable)

    return known


PLAIN = """\
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, WeightedRandomSampler
from imbalanced_losses import LossWarmupWrapper, SmoothAPLoss

QUEUE = 4 * 1024
MAX_POOL, BATCH = 2 * QUEUE, 256


def main():
    sampler = WeightedRandomSampler(weights, num_samples=len(train), replacement=True)
    train_loader = DataLoader(train, batch_size=BATCH, sampler=sampler, num_workers=4)
    val_loader = DataLoader(val, batch_size=1024)

    bce = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([30.0], device=device))
    main_loss = SmoothAPLoss(1, queue_size=QUEUE, temperature=1e-2, max_pool_size=MAX_POOL)
    criterion = LossWarmupWrapper(bce, main_loss, warmup_epochs=2, temp_start=0.5, temp_end=5e-2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)

    step = 0
    for epoch in range(20):
        criterion.on_train_epoch_start(epoch)
        for x, y in train_loader:
            criterion.on_train_batch_start(step)
            with torch.autocast("cuda", dtype=torch.bfloat16):
                loss = criterion(model(x), y)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
            optimizer.step()
            step += 1


if __name__ == "__main__":
    main()
"""


def test_plain_pytorch(read):
    warm, main = read(PLAIN)
    assert warm.name == "train.py:15 BCEWithLogitsLoss (warm-up loss)"
    assert (warm.plan.loss, warm.plan.pos_weight) == ("weighted-bce", 30.0)
    assert main.name == "train.py:16 SmoothAPLoss"
    assert main.plan.known() == {
        "loss": "smooth-ap",
        "implementation": "imbalanced_losses",
        "num_classes": 1,
        "queue_size": 4096,
        "max_pool_size": 8192,
        "temperature": 0.01,
        "batch_size": 256,
        "epochs": 20.0,
        "optimizer": "adamw",
        "learning_rate": 1e-3,
        "precision": "bf16",
        "gradient_clipping": 1.0,
        "warmup_epochs": 2.0,
        "temp_start": 0.5,
        "temp_end": 0.05,
        "temp_decay_steps": 10_000,
        "final_main_weight": 1.0,
        "main_loss_in_warmup": False,
        "step_hook_wired": True,
        "sampler": "weighted",
    }
    assert list(main.unreadable) == ["sampler_prevalence"]
    places = {name: str(place) for name, place in main.where.items()}
    assert set(places) == set(main.plan.known())
    lines = PLAIN.splitlines()
    for name, text in {
        "loss": "SmoothAPLoss(1",
        "num_classes": "1, queue_size",
        "queue_size": "QUEUE, temp",
        "temperature": "1e-2, max",
        "batch_size": "BATCH, sampler",
        "learning_rate": "1e-3, weight",
        "precision": "torch.bfloat16",
        "gradient_clipping": "1.0)",
        "temp_start": "0.5,",
        "epochs": "20):",
    }.items():
        place = main.where[name]
        assert lines[place.line - 1][place.column - 1 :].startswith(text), name


LIGHTNING = """\
import lightning as L
import torch
from torch import nn, optim
from torch.utils import data
import imbalanced_losses as il


class Lit(L.LightningModule):
    def __init__(self, net, tau=0.05):
        super().__init__()
        self.ranking = il.RecallAtQuantileLoss(1, quantile=1 / 100, queue_size=8_192, temperature=tau)
        self.loss_fn = il.LossWarmupWrapper(
            warmup_loss=nn.CrossEntropyLoss(),
            main_loss=self.ranking,
            warmup_steps=1000,
            blend_steps=500,
            gather_distributed=False,
        )

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = self.loss_fn(self.net(x).float(), y)
        return loss + 0.1 * self.ranking(self.net(x).float(), y)

    def validation_step(self, batch, batch_idx):
        return self.ranking(*batch)

    def configure_optimizers(self):
        opt = optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
        sched = optim.lr_scheduler.OneCycleLR(opt, max_lr=0.4, total_steps=5000)
        return [opt], [sched]


class Data(L.LightningDataModule):
    def train_dataloader(self):
        return data.DataLoader(self.ds, 64, True)

    def val_dataloader(self):
        return data.DataLoader(self.ds, 256)


trainer = L.Trainer(
    max_epochs=30, precision="16-mixed", gradient_clip_val=0.5, accumulate_grad_batches=4,
    devices=[0, 1], num_nodes=2,
)
trainer.fit(Lit(net), Data())
"""


def test_lightning(read):
    run, warm = read(LIGHTNING)
    assert warm.plan.loss == "ce"
    assert run.name == "train.py:11 RecallAtQuantileLoss"
    assert run.plan.known() == {
        "loss": "recall-at-quantile",
        "implementation": "imbalanced_losses",
        "num_classes": 1,
        "quantile": 0.01,
        "queue_size": 8192,
        "temperature": 0.05,
        "gather_distributed": False,
        "batch_size": 64,
        "world_size": 4,
        "gradient_accumulation": 4,
        "epochs": 30.0,
        "optimizer": "sgd",
        "learning_rate": 0.4,
        "precision": "fp16",
        "gradient_clipping": 0.5,
        "warmup_steps": 1000,
        "blend_steps": 500,
        "temp_start": 0.05,
        "temp_end": 0.005,
        "temp_decay_steps": 10_000,
        "final_main_weight": 1.0,
        "main_loss_in_warmup": True,
        "sampler": "shuffle",
    }
    assert run.unreadable == {
        "step_hook_wired": "a callback of another file may call the hooks",
    }
    assert run.assumed == {"temperature": "default of tau of Lit, train.py:9"}
    assert run.where["main_loss_in_warmup"].line == 23


DETECTION = """\
from functools import partial
import torch
import torchvision
from torchvision.ops import sigmoid_focal_loss
from torch.nn.parallel import DistributedDataParallel as DDP


class Head(torch.nn.Module):
    def compute_loss(self, targets, head_outputs, matched_idxs):
        loss = sigmoid_focal_loss(head_outputs[valid], gt[valid], reduction="sum")
        other = torchvision.ops.focal_loss.sigmoid_focal_loss(a, b, -1, 0.5)
        return loss + other


loss_fn = partial(sigmoid_focal_loss, alpha=0.5, gamma=1.5)
model = DDP(torchvision.models.detection.retinanet_resnet50_fpn())
optimizer = torch.optim.SGD([{"params": a, "lr": 0.1}, {"params": b}], lr=0.01)
loader = torch.utils.data.DataLoader(ds, batch_sampler=GroupedBatchSampler(s, g, 2), collate_fn=collate)
"""


def test_torchvision_detection(read):
    first, second, third = read(DETECTION)
    common = {
        "loss": "sigmoid-focal",
        "implementation": "torchvision",
        "stabilised": False,
        "optimizer": "sgd",
    }
    assert first.plan.known() == common | {"alpha": 0.25, "gamma": 2.0, "reduction": "sum"}
    assert second.plan.known() == common | {"alpha": -1.0, "gamma": 0.5, "reduction": "none"}
    assert third.plan.known() == common | {"alpha": 0.5, "gamma": 1.5, "reduction": "none"}
    assert [run.name for run in (first, second, third)] == [
        f"train.py:{line} sigmoid_focal_loss" for line in (10, 11, 15)
    ]
    drawn = "'GroupedBatchSampler(s, g, 2)' draws the batches"
    assert first.unreadable == {
        "world_size": "the number of workers is only known when the script is launched",
        "learning_rate": "parameter groups have learning rates of their own",
        "batch_size": drawn,
        "sampler": drawn,
    }


ARGPARSE = """\
import argparse
import torch, torch.nn.functional as F
from imbalanced_losses.pauc_loss import PAUCAtBudgetLoss

parser = argparse.ArgumentParser()
parser.add_argument("--queue-size", type=int, default=1024)
args = parser.parse_args()
cfg = Config()
extra = {"surrogate": "pairwise"}

loss = PAUCAtBudgetLoss(
    cfg.classes, 0.0, cfg["beta"], queue_size=args.queue_size, temperature=0.1,
    max_pool_size=2 * args.queue_size,
)
free = PAUCAtBudgetLoss(1, tau_scale="band", **extra)
train_loader = torch.utils.data.DataLoader(ds, args.batch_size, shuffle=args.shuffle)
opt = getattr(torch.optim, args.optim)(model.parameters(), lr=args.lr)
opt2 = torch.optim.Adam(model.parameters(), lr=args.lr)
"""


def _running(text):
    return f"'{text}' is only known when the script runs"


def test_argparse_and_configuration(read):
    run, free = read(ARGPARSE)
    assert run.plan.known() == {
        "loss": "pauc-at-budget",
        "implementation": "imbalanced_losses",
        "temperature": 0.1,
        "alpha": 0.0,
        "queue_size": 1024,
        "max_pool_size": 2048,
        "optimizer": "adam",
    }
    source = "default of --queue-size, train.py:6"
    assert run.assumed == {"queue_size": source, "max_pool_size": source}
    assert run.unreadable == {
        "num_classes": _running("cfg.classes"),
        "beta": _running("cfg['beta']"),
        "batch_size": _running("args.batch_size"),
        "learning_rate": _running("args.lr"),
    }
    assert free.plan.tau_scale == "band"
    assert free.plan.num_classes == 1
    assert free.unreadable["queue_size"] == _running("**extra")
    assert free.unreadable["surrogate"] == _running("**extra")
    # A default must not stand in for what the script sets, so the option is needed, and enough.
    assert free.completed()[0].queue_size is None
    told = overlay(free, plan_from_options({"queue_size": 2048}))
    assert told.completed()[0].queue_size == 2048
    told = overlay(run, plan_from_options({"queue_size": 2048}))
    assert set(told.assumed) == {"max_pool_size"}


def test_nothing_is_executed(read, tmp_path):
    marker = tmp_path / "executed"
    (tmp_path / "helper.py").write_text(f"open({str(marker)!r}, 'w')\n", encoding="utf-8")
    runs = read(
        f"""
        import helper
        from imbalanced_losses import SmoothAPLoss
        open({str(marker)!r}, "w").write("ran")
        class Meta(type):
            def __init__(cls, *a): open({str(marker)!r}, "w")
        class C(metaclass=Meta): ...
        loss = SmoothAPLoss(num_classes=__import__("os").system("touch {marker}"), queue_size=exec("1/0"))
        raise SystemExit(3)
        """
    )
    assert not marker.exists()
    assert set(runs[0].unreadable) == {"num_classes", "queue_size"}


# Losses ---------------------------------------------------------------------------------------------


def loss_of(known, imports, call):
    values, unreadable = known(f"{imports}\ncriterion = {call}\n")
    return {k: v for k, v in values.items() if k != "implementation"}, unreadable


TORCH = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\nimport numpy as np"


@pytest.mark.parametrize(
    ("call", "values"),
    [
        ("nn.BCEWithLogitsLoss()", {"loss": "bce"}),
        ("torch.nn.BCELoss(reduction='sum')", {"loss": "bce", "reduction": "sum"}),
        ("torch.nn.modules.loss.BCELoss()", {"loss": "bce"}),
        ("nn.BCEWithLogitsLoss(pos_weight=torch.tensor(30.0))", {"loss": "weighted-bce", "pos_weight": 30.0}),
        ("nn.BCEWithLogitsLoss(pos_weight=torch.tensor([1.0]))", {"loss": "bce", "pos_weight": 1.0}),
        ("nn.BCEWithLogitsLoss(pos_weight=None)", {"loss": "bce"}),
        ("nn.BCEWithLogitsLoss(pos_weight=torch.ones([3]) * 8)", {"loss": "weighted-bce", "pos_weight": 8.0}),
        (
            "nn.BCEWithLogitsLoss(pos_weight=torch.as_tensor(np.array([99 / 1])).to(dev))",
            {"loss": "weighted-bce", "pos_weight": 99.0},
        ),
        (
            "F.binary_cross_entropy_with_logits(x, y, None, None, None, 'mean', torch.tensor([2]))",
            {"loss": "weighted-bce", "pos_weight": 2.0, "reduction": "mean"},
        ),
        ("F.cross_entropy(x, y)", {"loss": "ce"}),
        (
            "F.cross_entropy(x, y, torch.tensor([1, 2.5]))",
            {"loss": "weighted-ce", "class_weights": (1.0, 2.5)},
        ),
        (
            "F.cross_entropy(x, y, ignore_index=-1, label_smoothing=0.1)",
            {"loss": "ce", "ignore_index": -1, "label_smoothing": 0.1},
        ),
        (
            "nn.CrossEntropyLoss(torch.FloatTensor([0.2, 1]).cuda())",
            {"loss": "weighted-ce", "class_weights": (0.2, 1.0)},
        ),
        (
            "nn.CrossEntropyLoss(weight=1 / torch.tensor([4.0, 2.0]))",
            {"loss": "weighted-ce", "class_weights": (0.25, 0.5)},
        ),
    ],
)
def test_losses_of_torch(known, call, values):
    assert loss_of(known, TORCH, call) == (values, {})


@pytest.mark.parametrize(
    ("call", "loss", "field", "reason"),
    [
        ("nn.BCEWithLogitsLoss(pos_weight=neg / pos)", "weighted-bce", "pos_weight", _running("neg")),
        (
            "nn.BCEWithLogitsLoss(pos_weight=torch.tensor([1., 2.]))",
            "weighted-bce",
            "pos_weight",
            "pos_weight has 2 different values, and the plan holds one",
        ),
        ("nn.CrossEntropyLoss(weight=w.to(device))", "weighted-ce", "class_weights", _running("w")),
    ],
)
def test_weights_that_cannot_be_read_are_weights(known, call, loss, field, reason):
    assert loss_of(known, TORCH, call) == ({"loss": loss}, {field: reason})


def test_keywords_from_elsewhere_may_weigh_or_not(known):
    values, unreadable = loss_of(known, TORCH, "nn.CrossEntropyLoss(**kw)")
    assert values == {}
    assert set(unreadable) == {"loss", "class_weights", "ignore_index", "reduction", "label_smoothing"}


FOCAL = "import kornia\nfrom kornia.losses import *\nfrom monai.losses import FocalLoss as MF\nimport torch"


@pytest.mark.parametrize(
    ("call", "values"),
    [
        (
            "kornia.losses.BinaryFocalLossWithLogits(alpha=0.3)",
            {"loss": "sigmoid-focal", "alpha": 0.3, "reduction": "none", "stabilised": True},
        ),
        (
            "kornia.losses.BinaryFocalLossWithLogits(None)",
            {"loss": "sigmoid-focal", "alpha": -1.0, "reduction": "none", "stabilised": True},
        ),
        (
            "binary_focal_loss_with_logits(x, y, gamma=0.5)",
            {"loss": "sigmoid-focal", "alpha": 0.25, "gamma": 0.5, "reduction": "none", "stabilised": True},
        ),
        (
            "FocalLoss(None, 1.5, 'mean')",
            {"loss": "softmax-focal", "gamma": 1.5, "reduction": "mean", "stabilised": True},
        ),
        (
            "kornia.losses.focal_loss(x, y, alpha=None, weight=torch.tensor([1., 3.]))",
            {"loss": "softmax-focal", "class_weights": (1.0, 3.0), "reduction": "none", "stabilised": True},
        ),
        ("MF()", {"loss": "sigmoid-focal", "alpha": -1.0, "reduction": "mean", "stabilised": True}),
        (
            "MF(gamma=3, alpha=0.8)",
            {"loss": "sigmoid-focal", "alpha": 0.8, "gamma": 3.0, "reduction": "mean", "stabilised": True},
        ),
        (
            "MF(use_softmax=True, weight=[1, 2])",
            {"loss": "softmax-focal", "class_weights": (1.0, 2.0), "reduction": "mean", "stabilised": False},
        ),
    ],
)
def test_focal_losses_of_others(known, call, values):
    assert loss_of(known, FOCAL, call) == ({"gamma": 2.0} | values, {})


@pytest.mark.parametrize(
    ("call", "field", "reason"),
    [
        (
            "FocalLoss(0.25)",
            "class_weights",
            "alpha 0.25 weighs class 0 by one minus alpha and every other class by alpha",
        ),
        ("FocalLoss(cfg.alpha)", "class_weights", _running("cfg.alpha")),
        ("MF(use_softmax=flag)", "loss", _running("flag")),
        (
            "MF(alpha=[0.2, 0.8])",
            "alpha",
            "alpha with a weight per class, on positives only, has no field in the plan",
        ),
        ("MF(weight=2.0)", "class_weights", "one weight for every class has no field in the plan"),
    ],
)
def test_focal_settings_without_a_field(known, call, field, reason):
    values, unreadable = loss_of(known, FOCAL, call)
    assert field not in values
    assert unreadable[field] == reason


def test_softmax_focal_of_the_reference(known):
    imports = "from imbalanced_losses import SoftmaxFocalLoss, SigmoidFocalLoss"
    values, _ = loss_of(
        known, imports, "SoftmaxFocalLoss([0.2, 1, 1], 1.0, 'mean_positive', background_class=0)"
    )
    assert values == {
        "loss": "softmax-focal",
        "class_weights": (0.2, 1.0, 1.0),
        "gamma": 1.0,
        "reduction": "mean_positive",
        "background_class": 0,
        "stabilised": False,
    }
    assert loss_of(known, imports, "SigmoidFocalLoss()")[0] == {"loss": "sigmoid-focal", "stabilised": False}


# Names ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "import imbalanced_losses\nimbalanced_losses.SmoothAPLoss(1)",
        "import imbalanced_losses as il\nil.SmoothAPLoss(1)",
        "import imbalanced_losses.ap_loss\nimbalanced_losses.ap_loss.SmoothAPLoss(1)",
        "import imbalanced_losses.ap_loss as m\nm.SmoothAPLoss(1)",
        "from imbalanced_losses import SmoothAPLoss as S\nS(1)",
        "from imbalanced_losses import *\nSmoothAPLoss(1)",
        "from imbalanced_losses import ap_loss\nap_loss.SmoothAPLoss(1)",
        "def f():\n    from imbalanced_losses import SmoothAPLoss\n    return SmoothAPLoss(1)",
        "try:\n  from imbalanced_losses import SmoothAPLoss as S\nexcept ImportError:\n  S = None\nS(1)",
        "from imbalanced_losses import SmoothAPLoss\nLoss = SmoothAPLoss\nLoss(1)",
        "from imbalanced_losses import SmoothAPLoss\nlosses = {'ap': SmoothAPLoss(1)}",
        "from imbalanced_losses import SmoothAPLoss\nf = lambda: [SmoothAPLoss(1) for _ in range(3)]",
        "from imbalanced_losses import SmoothAPLoss\nasync def f(a=SmoothAPLoss(1)): ...",
        "from imbalanced_losses import SmoothAPLoss\nmatch x:\n    case 1: SmoothAPLoss(1)",
    ],
)
def test_a_loss_is_found_under_any_name(known, text):
    assert known(text)[0]["num_classes"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "from mylib import SmoothAPLoss\nSmoothAPLoss(1)",
        "from .imbalanced_losses import SmoothAPLoss\nSmoothAPLoss(1)",
        "from imbalanced_losses2 import SmoothAPLoss\nSmoothAPLoss(1)",
        "class BCELoss: ...\nBCELoss()",
        "from imbalanced_losses import SmoothAPLoss\nSmoothAPLoss",
        "# SmoothAPLoss(1)\n'SmoothAPLoss(1)'",
        "def SmoothAPLoss(n): ...\nSmoothAPLoss(1)",
    ],
)
def test_what_only_looks_like_a_loss_is_not_one(read, text):
    with pytest.raises(InputError, match="expected the call of a loss"):
        read(text)


# Constants ------------------------------------------------------------------------------------------


def queue(known, before, value, indent=""):
    text = (
        f"from imbalanced_losses import SmoothAPLoss\n{before}\n{indent}SmoothAPLoss(1, queue_size={value})\n"
    )
    values, unreadable = known(text)
    return values.get("queue_size"), unreadable.get("queue_size")


@pytest.mark.parametrize(
    ("before", "value", "size"),
    [
        ("", "4096", 4096),
        ("", "+4_096", 4096),
        ("", "2 * 1024", 2048),
        ("", "1 << 12", 4096),
        ("", "2 ** 12", 4096),
        ("", "-(-10) // 3", 3),
        ("", "10 % 4", 2),
        ("", "int(1e3)", 1000),
        ("Q = 4096", "Q", 4096),
        ("B = 64\nQ = B * 8", "Q - B", 448),
        ("B, Q = 1, 2", "Q", 2),
        ("Q: int = 7", "Q", 7),
        ("a = b = 9", "b", 9),
        ("if True:\n    Q = 3", "Q", 3),
    ],
)
def test_constants_are_computed(known, before, value, size):
    assert queue(known, before, value) == (size, None)


@pytest.mark.parametrize(
    ("before", "value", "reason"),
    [
        ("", "cfg.queue", _running("cfg.queue")),
        ("", "len(data)", _running("len(data)")),
        ("", "Q", _running("Q")),
        ("Q = len(data)", "Q", _running("Q")),
        ("Q = 1\nQ = 2", "Q", "'Q' has several values (lines 2, 3)"),
        ("Q = 1\nif x:\n    Q = 2", "Q", "'Q' has several values (lines 2, 4)"),
        ("Q = 1\nQ += 2", "Q", "'Q' has several values (lines 2, 3)"),
        ("for Q in range(3): pass", "Q", _running("Q")),
        ("with open(f) as Q: pass", "Q", _running("Q")),
        ("Q = 1\ndef f():\n    global Q\n    Q = 2", "Q", "'Q' has several values (lines 2, 5)"),
        ("from config import Q", "Q", _running("Q")),
        ("Q = Q", "Q", None),
        ("A = B\nB = A", "A", None),
        ("", "1 if x else 2", _running("1 if x else 2")),
        ("", "9 ** 9 ** 9", "'9 ** 9 ** 9' is too large to compute"),
        ("", "(-8) ** 0.5", None),
        ("", "1 << 10000", "'1 << 10000' is too large to compute"),
        ("", "1 // 0", "'1 // 0' cannot be computed"),
        ("", "2 ** 64", "'2 ** 64' is too large to compute"),
        ("", "not 1", _running("not 1")),
    ],
)
def test_what_is_no_constant_is_told(known, before, value, reason):
    size, told = queue(known, before, value)
    assert size is None
    assert told
    if reason is not None:
        assert told == reason


def test_scopes(known):
    assert queue(known, "Q = 1\ndef f():\n    Q = 2", "Q", indent="    ") == (2, None)
    assert queue(known, "Q = 1\ndef f():\n    Q = 2\n", "Q") == (1, None)
    assert queue(known, "Q = 1\ndef f(Q=3):", "Q", indent="    ") == (3, None)
    assert queue(known, "Q = 1\ndef f(Q):", "Q", indent="    ")[0] is None
    assert queue(known, "Q = 1\nclass C:\n    Q = 2\n    def f(self):", "Q", indent="        ") == (1, None)
    assert queue(known, "Q = 1\nf = [Q for Q in range(3)]", "Q") == (1, None)
    assert queue(known, "class C:\n    Q = 2", "Q", indent="    ") == (2, None)
    assert (
        queue(
            known,
            "Q = 1\ndef f():\n    def g():\n        nonlocal Q\n        Q = 4\n    Q = 2",
            "Q",
            indent="    ",
        )[0]
        is None
    )


def test_no_argument_can_take_long(known):
    doubling = "\n".join(["A0 = 1.0", *(f"A{n + 1} = A{n} + A{n}" for n in range(25))])
    began = time.perf_counter()
    assert queue(known, doubling, "A25") == (2**25, None)
    endless = "\n".join(["A0 = 1.0", *(f"A{n + 1} = A{n} + A{n}" for n in range(900))])
    assert queue(known, endless, "A900")[0] is None
    assert time.perf_counter() - began < 2


def test_a_long_script_is_read_in_time(read):
    calls = "\n".join(f"l{n} = nn.BCELoss()\nl{n}(x, y)" for n in range(3000))
    began = time.perf_counter()
    assert len(read(f"from torch import nn\n{calls}\n")) == 3000
    assert time.perf_counter() - began < 10


# The script around ----------------------------------------------------------------------------------

HEAD = """\
import torch
from torch import nn, optim
from torch.utils.data import *
import lightning as L
nn.BCELoss()
"""


def around(known, text):
    values, unreadable = known(HEAD + textwrap.dedent(text))
    return {k: v for k, v in values.items() if k not in ("loss", "implementation")}, unreadable


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("DataLoader(ds)", {"batch_size": 1}),
        ("DataLoader(ds, 32)", {"batch_size": 32}),
        ("DataLoader(a, 32)\nDataLoader(b, 32)", {"batch_size": 32}),
        ("train_loader = DataLoader(a, 32)\nval_loader = DataLoader(b, 64)", {"batch_size": 32}),
        ("a = DataLoader(train_ds, 32)\nb = DataLoader(test_ds, 64)", {"batch_size": 32}),
        (
            "a = DataLoader(x, 32, shuffle=True)\nb = DataLoader(y, 64)",
            {"batch_size": 32, "sampler": "shuffle"},
        ),
        ("def validate():\n    DataLoader(x, 64)\nDataLoader(y, 32)", {"batch_size": 32}),
        ("val_loader = DataLoader(x, 64)", {}),
        ("DataLoader(x, 8, sampler=RandomSampler(x))", {"batch_size": 8, "sampler": "shuffle"}),
        ("DataLoader(x, 8, sampler=None)", {"batch_size": 8}),
        ("DataLoader(x, 8, shuffle=False)", {"batch_size": 8, "sampler": "sequential"}),
        ("DataLoader(x, 8, False, RandomSampler(x))", {"batch_size": 8, "sampler": "shuffle"}),
        (
            "DataLoader(x, 8, shuffle=True)\nDataLoader(y, 8, shuffle=False)",
            {"batch_size": 8, "sampler": "shuffle"},
        ),
        ("train = DataLoader(x, 8, drop_last=True)", {"batch_size": 8, "drop_last": True}),
        ("torch.distributed.init_process_group('nccl', world_size=8)", {"world_size": 8}),
        (
            (
                "import torch.distributed as dist\nW = 2 * 4\ndist.init_process_group(None, None, None, W)\n"
                "nn.parallel.DistributedDataParallel(net)"
            ),
            {"world_size": 8},
        ),
        ("optim.Adam(p)", {"optimizer": "adam", "learning_rate": 1e-3}),
        ("torch.optim.adamw.AdamW(p, 3e-4)", {"optimizer": "adamw", "learning_rate": 3e-4}),
        ("optim.LBFGS(p, lr=1)", {"optimizer": "other", "learning_rate": 1.0}),
        ("optim.Muon(p)", {"optimizer": "other"}),
        (
            "o = optim.SGD(p, lr=0.1)\noptim.lr_scheduler.OneCycleLR(o, 0.5)",
            {"optimizer": "sgd", "learning_rate": 0.5},
        ),
        (
            "o = optim.SGD(p, lr=0.1)\noptim.lr_scheduler.StepLR(o, 5)",
            {"optimizer": "sgd", "learning_rate": 0.1},
        ),
        ("torch.autocast('cuda')", {"precision": "fp16"}),
        ("torch.autocast(device_type='cpu')", {"precision": "bf16"}),
        ("torch.cuda.amp.autocast()", {"precision": "fp16"}),
        ("torch.cuda.amp.autocast(True, torch.bfloat16)", {"precision": "bf16"}),
        ("torch.amp.autocast('cuda', enabled=False)", {}),
        ("DT = torch.float16\ntorch.autocast('cuda', DT)", {"precision": "fp16"}),
        ("nn.utils.clip_grad_norm_(p, 5)", {"gradient_clipping": 5.0}),
        ("for epoch in range(7): pass", {"epochs": 7.0}),
        ("for epoch in tqdm(range(7)): pass", {"epochs": 7.0}),
        ("for i in range(7): pass", {}),
        ("L.Trainer(max_epochs=-1, max_steps=900, devices=2)", {"steps": 900, "world_size": 2}),
        ("L.Trainer()", {}),
    ],
)
def test_settings(known, text, values):
    assert around(known, text) == (values, {})


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        (
            "DataLoader(a, 64)\nDataLoader(b, 256)",
            "batch_size",
            "two batch sizes: 64 at line 6, 256 at line 7",
        ),
        (
            "DataLoader(a, 1)\nDataLoader(b, 2)\nDataLoader(b, 3)",
            "batch_size",
            "three batch sizes: 1 at line 6, 2 at line 7, 3 at line 8",
        ),
        ("DataLoader(a, None)", "batch_size", "automatic batching is switched off"),
        ("DataLoader(a, **kw)", "batch_size", _running("**kw")),
        ("DataLoader(a, 64)\nDataLoader(b, bs)", "batch_size", _running("bs")),
        ("DataLoader(a, batch_size=0)", "batch_size", "expected batch_size to be at least 1, but got 0"),
        ("DataLoader(a, sampler=Mine(a))", "sampler", "'Mine(a)' decides which rows are drawn"),
        ("torch.autocast('cuda', dtype=dt)", "precision", _running("dt")),
        ("torch.autocast('cuda', enabled=amp)", "precision", _running("amp")),
        (
            "optim.Adam(p, lr=0.1)\noptim.Adam(q, lr=0.2)",
            "learning_rate",
            "two learning rates: 0.1 at line 6, 0.2 at line 7",
        ),
        (
            "torch.distributed.init_process_group('nccl')",
            "world_size",
            "the number of workers is only known when the script is launched",
        ),
        (
            "torch.distributed.init_process_group('nccl', world_size=-1)",
            "world_size",
            "the number of workers is only known when the script is launched",
        ),
        (
            (
                "p.add_argument('--ws', default=1)\na = p.parse_args()\n"
                "torch.distributed.init_process_group('nccl', world_size=a.ws)"
            ),
            "world_size",
            "the number of workers is only known when the script is launched",
        ),
        ("DataLoader(a, 1, drop_last=d)", "drop_last", _running("d")),
        (
            "L.Trainer(devices='auto')",
            "world_size",
            "the number of workers is only known when the script is launched",
        ),
        ("L.Trainer(precision=p)", "precision", _running("p")),
        ("for epoch in range(start, 9): pass\nfor epoch in range(n): pass", "epochs", _running("n")),
    ],
)
def test_settings_that_are_not_known(known, text, field, reason):
    values, unreadable = around(known, text)
    assert unreadable[field] == reason
    assert field not in values


def test_logits_that_are_cast_are_single_precision(read):
    text = """
    import torch
    from imbalanced_losses import SmoothAPLoss
    a, b = SmoothAPLoss(1), SmoothAPLoss(2)
    with torch.autocast("cuda", torch.float16):
        z = model(x)
    a(z.float(), y)
    b(z.float(), y)
    b(z, y)
    """
    first, second = read(text)
    assert (first.plan.precision, second.plan.precision) == ("fp32", "fp16")
    assert first.where["precision"].line == 7


# What the loss is handed ----------------------------------------------------------------------------

GATHER = """
import torch
from imbalanced_losses import SmoothAPLoss, LossWarmupWrapper, all_gather_with_grad, all_gather_no_grad
from torch.distributed.nn.functional import all_gather
from torch import nn
loss = SmoothAPLoss(1)
"""


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("loss(all_gather_with_grad(z), all_gather_no_grad(y))", True),
        ("z = all_gather_with_grad(model(x))\nloss(z.float(), y)", True),
        ("def step(self):\n    z = all_gather_with_grad(model(x))\n    return loss(z, y)", True),
        ("w = LossWarmupWrapper(nn.BCELoss(), loss)\nw(all_gather_with_grad(z), y)", True),
        ("loss(z, y)", None),
        ("loss(all_gather(z), y)", None),
        ("z = all_gather_with_grad(model(x))\nz = other(z)\nloss(z, y)", None),
        ("def validate():\n    loss(all_gather_with_grad(z), y)", None),
    ],
)
def test_rows_that_are_gathered_before_the_loss(read, body, told):
    run = next(run for run in read(GATHER + body) if run.plan.loss == "smooth-ap")
    assert run.plan.gathered_before_loss is told


HANDED = """
import torch
import torch.nn.functional as F
from torch import nn
net = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())
act = nn.Sigmoid()
model = nn.Sequential(nn.Linear(4, 1), act)
logits = nn.Sequential(nn.Sigmoid(), nn.Linear(4, 1))
"""


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("loss = nn.BCEWithLogitsLoss()\nloss(torch.sigmoid(z), y)", True),
        ("loss = nn.BCEWithLogitsLoss()\nloss(model(x).squeeze(1), y)", True),
        ("loss = nn.BCEWithLogitsLoss()\nout = net(x)\nloss(out[:, 0], y)", True),
        ("loss = nn.BCEWithLogitsLoss()\nloss(act(z), y)", True),
        ("loss = nn.BCEWithLogitsLoss()\nloss(z.sigmoid(), y)", True),
        ("F.binary_cross_entropy_with_logits(F.sigmoid(z), y)", True),
        ("loss = nn.CrossEntropyLoss()\nloss(z.softmax(dim=1), y)", True),
        ("F.cross_entropy(F.softmax(z, 1), y)", True),
        ("F.cross_entropy(F.log_softmax(z, 1), y)", None),
        ("loss = nn.BCEWithLogitsLoss()\nloss(logits(x), y)", None),
        ("loss = nn.BCEWithLogitsLoss()\nloss(z, y)\nprint(torch.sigmoid(z))", None),
        ("loss = nn.BCEWithLogitsLoss()\nz = net(x)\nz = head(x)\nloss(z, y)", None),
        ("loss = nn.BCELoss()\nloss(torch.sigmoid(z), y)", None),
        ("F.binary_cross_entropy(torch.sigmoid(z), y)", None),
    ],
)
def test_probabilities_where_logits_are_expected(read, body, told):
    (run,) = read(HANDED + body)
    assert run.plan.probabilities_into_logit_loss is told


# The wrapper ----------------------------------------------------------------------------------------

WRAP = "from imbalanced_losses import *\nfrom torch import nn\n"


def wrapped(read, body):
    runs = read(WRAP + textwrap.dedent(body))
    (run,) = (r for r in runs if r.plan.temp_start is not None or "temp_start" in r.unreadable)
    return run


@pytest.mark.parametrize(
    ("loop", "wired"),
    [
        ("loss.backward()", False),
        ("w.on_train_batch_start(s); loss.backward()", False),
        ("w.on_train_epoch_start(e); loss.backward()", False),
        ("w.on_train_batch_start(s); w.on_train_epoch_start(e); loss.backward()", True),
        ("w(x, y)", None),
    ],
)
def test_hooks_in_epoch_mode(read, loop, wired):
    run = wrapped(read, f"w = LossWarmupWrapper(nn.BCELoss(), SmoothAPLoss(1), 2)\n{loop}\n")
    assert run.plan.step_hook_wired is wired
    if wired is None:
        assert run.unreadable["step_hook_wired"] == "the training loop is not in this file"


@pytest.mark.parametrize(("more", "wired"), [("", True), (", reset_queue_each_epoch=True", False)])
def test_hooks_in_step_mode(read, more, wired):
    wrapper = f"LossWarmupWrapper(nn.BCELoss(), SmoothAPLoss(1), warmup_steps=9{more})"
    text = f"w = {wrapper}\nw.on_train_batch_start(s)\nloss.backward()\n"
    assert wrapped(read, text).plan.step_hook_wired is wired


@pytest.mark.parametrize(
    ("body", "called"),
    [
        ("w = LossWarmupWrapper(b, SmoothAPLoss(1))", False),
        ("m = SmoothAPLoss(1)\nw = LossWarmupWrapper(b, m)", False),
        ("m = SmoothAPLoss(1)\nw = LossWarmupWrapper(b, m)\nm.reset_queue()", False),
        ("m = SmoothAPLoss(1)\nw = LossWarmupWrapper(b, m)\nm(x, y)", True),
        ("m = SmoothAPLoss(1)\nw = LossWarmupWrapper(b, main_loss=m)\ndef step():\n    return m(x, y)", True),
        ("w = LossWarmupWrapper(b, SmoothAPLoss(1))\nw.main_loss(x, y)", True),
        ("m = SmoothAPLoss(1)\nw = LossWarmupWrapper(b, m)\ndef validate():\n    m(x, y)", None),
        ("m = SmoothAPLoss(1)\nw = LossWarmupWrapper(b, m)\nfit(m)", None),
    ],
)
def test_main_loss_called_past_its_wrapper(read, body, called):
    assert wrapped(read, body).plan.main_loss_in_warmup is called


def test_a_wrapper_without_warm_up_still_sets_the_temperature(read):
    plan = wrapped(read, "w = LossWarmupWrapper(b, SmoothAPLoss(1, temperature=0.3))").plan
    assert (plan.warmup_epochs, plan.temp_start, plan.temp_end, plan.temperature) == (0.0, 0.05, 0.005, 0.3)


def test_a_schedule_that_cannot_be_read(read):
    run = wrapped(read, "w = LossWarmupWrapper(b, SmoothAPLoss(1), cfg.w, warmup_steps=None, **kw)")
    assert run.plan.warmup_epochs is None
    assert run.unreadable["warmup_epochs"] == _running("cfg.w")
    assert run.unreadable["temp_start"] == _running("**kw")
    assert run.completed()[0].temp_start is None


def test_a_wrapper_of_an_unknown_loss_is_a_run_of_its_own(read):
    (run,) = read(
        "import imbalanced_losses as il\nw = il.LossWarmupWrapper(a, build(cfg), warmup_epochs=3)\n"
    )
    assert run.name == "train.py:2 LossWarmupWrapper"
    assert run.plan.warmup_epochs == 3
    assert run.unreadable["loss"] == _running("build(cfg)")


def test_a_temperature_set_later_is_not_the_one_given(known):
    text = "from imbalanced_losses import *\nm = SmoothAPLoss(1, temperature=0.1)\nm.temperature = 0.2\n"
    values, unreadable = known(text)
    assert "temperature" not in values
    assert unreadable["temperature"] == "temperature is set again at line 3"


# Notebooks ------------------------------------------------------------------------------------------


def test_a_notebook(read):
    cells = [
        {"cell_type": "markdown", "source": ["# ((("]},
        {
            "cell_type": "code",
            "source": ["%matplotlib inline\n", "!pip install x\n", "from imbalanced_losses import *\n"],
        },
        {"cell_type": "code", "source": "%%bash\nls (((\n"},
        {
            "cell_type": "code",
            "source": "%%time\nif True:\n    %pip list\nl = SmoothAPLoss(1, queue_size=Q)\nQ = 64",
        },
    ]
    (run,) = read(json.dumps({"cells": cells}), "nb.ipynb")
    assert run.name == "nb.ipynb[cell 4]:4 SmoothAPLoss"
    assert run.plan.queue_size == 64
    assert str(run.where["queue_size"]) == "nb.ipynb[cell 4]:4:32"


def test_a_warm_up_that_is_too_long_is_shown_where_it_is_set(read):
    from imbalance_doctor.diagnose import diagnose
    from imbalance_doctor.engine import load_rules

    runs = read(
        """
        from imbalanced_losses import *
        from torch import nn
        w = LossWarmupWrapper(
            nn.BCELoss(),
            SmoothAPLoss(1),
            warmup_epochs=5,
        )
        """
    )
    stated = plan_from_options({"epochs": 4, "batch_size": 10})
    labels = LabelCounts(classes=("0", "1"), counts=np.array([90, 10]), rows=100, positive=1)
    runs = [overlay(run, stated) for run in runs]
    found = {f.rule: f for f in diagnose(load_rules().rules.values(), labels=labels, runs=runs).findings}
    assert found["main-phase-that-never-starts"].where.line == 7


@pytest.mark.parametrize(
    "call",
    ["MinedBCELoss(pos_weight=4)(x, y)", "MinedBCELoss(4, share=0.2)(x, y)", "mined_bce(x, y, pos_weight=4)"],
)
def test_mining_loss_is_weighted_cross_entropy_over_mined_rows(known, call):
    fields, unreadable = known(
        f"from imbalance_doctor.losses import MinedBCELoss, mined_bce\nloss = {call}\n"
    )
    assert fields["loss"] == "weighted-bce"
    assert fields["implementation"] == "imbalance_doctor"
    assert fields["hard_example_mining"] is True
    assert fields["pos_weight"] == 4
    assert not unreadable


def test_weight_of_the_mining_loss_that_only_the_run_knows(known):
    fields, unreadable = known(
        "from imbalance_doctor.losses import MinedBCELoss\nloss = MinedBCELoss(pos_weight=weight())\n"
    )
    assert fields["loss"] == "weighted-bce"
    assert fields["hard_example_mining"] is True
    assert set(unreadable) == {"pos_weight"}


def test_recommended_mining_code_is_read_back_as_its_plan(known):
    from imbalance_doctor.evidence import TrainingPlan
    from imbalance_doctor.facts.base import Facts
    from imbalance_doctor.recommend.code import code_for

    plan = TrainingPlan(loss="weighted-bce", hard_example_mining=True, pos_weight=3.5)
    fields, unreadable = known(code_for(plan, Facts())["imbalance_doctor"])
    assert {name: fields[name] for name in plan.known()} == plan.known()
    assert not unreadable
