"""Train small networks with a known fault each, and write what they log as labelled runs.

Run ``python tests/benchmarks/simulate_runs.py OUT [--data FOLDER] [--set NAME ...] [--fault F07 ...]
[--seed N ...] [--knob NAME=VALUE,... ...] [--names plain|slash]``. FOLDER holds ``NAME.npz`` with features
``X`` (rows, columns) and labels ``y`` (0 or 1); without it a set of Gaussian clouds is made up. Every run
becomes ``OUT/FAULT__SET__sSEED.jsonl``: a first line that describes the run, then a row per logged step. The
folder is what score_runlogs.py reads, where each fault's right answers stand. A run takes seconds, on one
thread.

The values of a run's knobs are drawn from ranges by set and seed, so that two sets of runs differ in more
than their data; ``--knob batch=96,192 --knob every=8`` replaces ranges. A run that is there already is left.
"""

import argparse
import json
import math
import random
import time
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from imbalanced_losses import PAUCAtBudgetLoss, RecallAtQuantileLoss, SigmoidFocalLoss, SmoothAPLoss
from torch import nn
from torch.nn import functional

KNOBS = {
    "lr": [5e-4, 1e-3, 2e-3],
    "batch": [64, 128, 256],
    "queue": [1024, 2048, 4096],
    "steps": [400, 600, 900],
    "every": [5, 10, 20],
    "hidden": [32, 64, 128],
    "warm": [0.15, 0.25, 0.4],
    "tau0": [0.3, 0.5, 1.0],
    "tau1": [0.03, 0.05, 0.1],
    "times_prevalence": [1.2, 1.5, 2.5],
    "blend": [0.5, 0.6],
    "beta": [0.02, 0.05, 0.1],
    "gamma": [1.0, 2.0, 3.0],
    "alpha": [-1, 0.25, 0.75],
    "smoothing": [0.0],
    "optimizer": ["Adam"],
    "activation": ["ReLU"],
}
"""Ranges of what differs between runs. Temperatures, quantiles and shares as the losses take them."""


def faults(knobs, draw):
    """Return what each run is trained with, by name of its fault; H_ runs are healthy."""
    k = {name: draw.choice(values) for name, values in knobs.items()}
    common = ("lr", "batch", "queue", "steps", "every", "hidden", "smoothing", "optimizer", "activation")
    base = {name: k[name] for name in common}
    ramp = {name: k[name] for name in ("warm", "tau0", "tau1")}
    bce, focal = base | {"loss": "bce"}, base | {"loss": "focal", "gamma": k["gamma"], "alpha": k["alpha"]}
    weighted, smooth_ap = base | {"loss": "weighted"}, base | ramp | {"loss": "smooth_ap"}
    recall = base | ramp | {"loss": "recall", "times_prevalence": k["times_prevalence"]}
    pauc = base | ramp | {"loss": "pauc", "tau0": 0.5, "tau1": 0.1, "beta": k["beta"]}

    def constant(temperature):
        return base | {"loss": "smooth_ap", "tau0": temperature, "tau1": temperature}

    return {
        "H_bce": bce,
        "H_bce_slow": bce | {"lr": 2e-4},
        "H_wbce": weighted,
        "H_focal": focal,
        "H_sap": smooth_ap,
        "H_sap_cold_tau1": constant(draw.choice([0.5, 1.0, 2.0])),
        "H_raq_blend": recall | {"weight": k["blend"]},
        "H_pauc_pair": pauc,
        "F01_tau_too_high": constant(draw.choice([50.0, 300.0, 1000.0])),
        "F02_tau_too_low": constant(draw.choice([1e-6, 1e-5, 1e-4])),
        "F03_no_pos_in_pool": constant(0.1) | {"queue": 0, "batch": draw.choice([8, 16]), "rate": 0.008},
        "F04_pool_few_pos": constant(0.1) | {"queue": draw.choice([32, 64]), "batch": 32, "rate": 0.01},
        "F05_raq_q_below_pi": recall | {"times_prevalence": draw.choice([0.1, 0.2, 0.3]), "weight": 0.9},
        "F06_raq_Mq_small": recall
        | {"queue": 0, "batch": 64, "quantile": draw.choice([0.005, 0.01]), "weight": 0.9},
        "F07_raq_runaway": recall,
        "F08_pauc_trap_runaway": pauc | {"surrogate": "trapezoid"},
        "F09_pauc_band_starved": pauc | {"warm": 0, "queue": 0, "beta": draw.choice([0.002, 0.005])},
        "F10_pauc_degenerate": pauc | {"warm": 0, "dead": True},
        "F11_pauc_few_grad_pos": pauc
        | {"surrogate": "trapezoid", "weight": 0.9, "batch": draw.choice([8, 16]), "rate": 0.01},
        "F12_noise_gamma5": focal | {"gamma": 5.0, "alpha": -1, "noise": 0.4},
        "F13_noise_bce": bce | {"noise": 0.4},
        "F16_logit_scale_x200": constant(0.01) | {"scale": draw.choice([100.0, 200.0, 400.0])},
        "F17_gamma05_nan": focal
        | {"gamma": draw.choice([0.3, 0.5, 0.7]), "alpha": -1, "scale": 4.0, "lr": 1e-2, "optimizer": "Adam"},
        "F18_lr_too_high": draw.choice([bce, focal, constant(0.1)]) | {"lr": draw.choice([0.3, 1.0, 3.0])},
        "F19_lr_too_low": draw.choice([bce, focal, weighted]) | {"lr": draw.choice([1e-6, 5e-6])},
        "F20_capacity": bce | {"hidden": 1},
        "F21_warm_too_long": smooth_ap | {"warm": draw.choice([0.9, 0.97])},
        "F22_alpha_collapse_hi": focal | {"alpha": 1.0},
        "F23_alpha_collapse_lo": focal | {"alpha": 0.0},
        "F24_posw_inverted": weighted | {"inverted_weight": True},
        "F25_queue_stale": constant(0.1) | {"batch": 32, "queue": 8192, "lr": 1e-2},
        "F26_resume_tau_reset": smooth_ap | {"resume": 0.6},
        "F27_raq_maxpool": recall | {"times_prevalence": 1.2, "cap": 256, "weight": 0.9},
        "F28_labels_inverted_val": bce | {"inverted_validation": True},
        "F29_all_ignored": constant(0.1) | {"ignored": True},
        "F30_overfit": bce | {"positives": 12, "negatives": 300, "hidden": 128},
        "F31_hook_not_wired": smooth_ap | {"tau0": draw.choice([3.0, 5.0, 20.0]), "unwired": True},
    }


def made_up(seed, rows=6000, columns=10, prevalence=0.05):
    """Return two Gaussian clouds that overlap, features of shape (rows, columns) and labels."""
    g = np.random.default_rng(seed)
    y = (g.random(rows) < prevalence).astype(np.int64)
    return g.normal(size=(rows, columns)) + y[:, None] * g.normal(0, 0.7, columns), y


def split(x, y, given, g):
    """Return features and labels of training and validation, with the faults that lie in the rows."""
    order = g.permutation(len(y))
    train, val = order[: int(0.6 * len(y))], order[int(0.6 * len(y)) : int(0.8 * len(y))][:2000]
    x = np.clip((x - x[train].mean(0)) / (x[train].std(0) + 1e-6), -20, 20).astype(np.float32)
    positives, negatives = train[y[train] == 1], train[y[train] == 0]
    if "positives" in given:
        positives, negatives = positives[: given["positives"]], negatives[: given["negatives"]]
    if "rate" in given:
        positives = positives[: max(3, int(given["rate"] * len(negatives)))]
    rows = np.concatenate([positives, negatives])
    labels = y[rows].copy()
    if "noise" in given:
        wrong = int(len(positives) * given["noise"] / (1 - given["noise"]))
        labels[len(positives) + g.choice(len(negatives), min(wrong, len(negatives) // 2), replace=False)] = 1
    shown = 1 - y[val] if given.get("inverted_validation") else y[val]
    return x[rows], labels, x[val], shown


def network(columns, given):
    """Return a perceptron with two hidden layers; one that is a unit wide has no capacity."""
    width, act = given["hidden"], getattr(nn, given["activation"])
    net = nn.Sequential(
        nn.Linear(columns, width), act(), nn.Linear(width, width), act(), nn.Linear(width, 1), nn.Flatten(0)
    )
    if width == 1:  # the last activation cuts half of the answers off
        net.insert(5, act())
    if given.get("dead"):
        nn.init.constant_(net[2].bias, -100.0)
    return net


def ranking_loss(given, prevalence):
    """Return the loss with a pool, or None where the run has a plain loss."""
    pooled = {"queue_size": given["queue"], "temperature": given.get("tau0"), "gather_distributed": False}
    match given["loss"]:
        case "smooth_ap":
            return SmoothAPLoss(1, max_pool_size=given.get("cap"), **pooled)
        case "recall":
            quantile = given.get("quantile", min(0.5, given.get("times_prevalence", 1) * prevalence))
            return RecallAtQuantileLoss(1, quantile=float(quantile), max_pool_size=given.get("cap"), **pooled)
        case "pauc":
            surrogate = given.get("surrogate", "pairwise")
            return PAUCAtBudgetLoss(1, beta=given["beta"], surrogate=surrogate, **pooled)
    return None


def plain_loss(given, logits, labels, prevalence):
    """Return the loss of a run without a ranking loss, and that of every warm-up."""
    soft = labels * (1 - given["smoothing"]) + given["smoothing"] / 2
    if given["loss"] == "focal":
        return SigmoidFocalLoss(alpha=given["alpha"], gamma=given["gamma"])(logits, labels)
    weight = None
    if given["loss"] == "weighted":
        ratio = (1 - prevalence) / prevalence
        weight = torch.tensor(1 / ratio if given.get("inverted_weight") else ratio)
    return functional.binary_cross_entropy_with_logits(logits, soft, pos_weight=weight)


def average_precision(scores, labels):
    ranked = labels[np.argsort(-scores, kind="stable")]
    hits = np.cumsum(ranked)
    return float((hits[ranked > 0] / (np.flatnonzero(ranked) + 1)).mean()) if hits[-1] else math.nan


def roc_auc(scores, labels):
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores, kind="stable")] = np.arange(1, len(scores) + 1)
    positives, negatives = int(labels.sum()), int((1 - labels).sum())
    above = ranks[labels > 0].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives)) if positives and negatives else math.nan


def evaluated(net, scale, val, train):
    """Return the metrics of a row. Scores that are not finite rank nothing."""
    (xv, yv), (xt, yt) = val, train
    with torch.no_grad():
        own, other = ((net(x) * scale).double().numpy() for x in (xt, xv))
    row = {"val_pos_rate": float(yv.mean())}
    if not np.isfinite(other).all():
        return row | {"val_ap": row["val_pos_rate"], "val_auroc": 0.5, "val_recall_q": 0.0}
    top = np.argsort(-other)[: max(1, int(1.5 * yv.mean() * len(yv)))]
    return row | {
        "val_ap": average_precision(other, yv),
        "val_auroc": roc_auc(other, yv),
        "val_recall_q": float(yv[top].sum() / max(1, yv.sum())),
        "val_bce": float(np.mean(np.logaddexp(0, other) - other * yv)),
        "pred_pos_frac": float((other > 0).mean()),
        "train_ap": average_precision(own, yt),
    }


def temperature(given, step, start):
    """Return the ranking loss's temperature: geometric from tau0 to tau1 within 60 % of the main phase."""
    if step <= start or given.get("unwired"):
        return given["tau0"]
    warm = int(given.get("warm", 0) * given["steps"])
    done = min(1.0, (step - start) / max(1.0, 0.6 * (given["steps"] - warm)))
    return given["tau0"] * (given["tau1"] / given["tau0"]) ** done


class Pool:
    """What a ranking loss holds beside the batch: scores and labels of the rows before."""

    def __init__(self, rows, cap):
        self.rows, self.cap = rows, cap
        self.clear()

    def clear(self):
        self.scores, self.labels = np.zeros(0), np.zeros(0, dtype=np.int64)

    def add(self, scores, labels):
        if self.rows:
            self.scores = np.concatenate([self.scores, scores])[-self.rows :]
            self.labels = np.concatenate([self.labels, labels])[-self.rows :]

    def described(self, batch, positives):
        """Return the sizes of the pool that the loss ranks, and the state of the queue.

        Of a pool above its cap the average is returned: the cap keeps a quarter of each class and fills up at
        random.
        """
        size, of_them = batch + len(self.labels), positives + int(self.labels.sum())
        row = {"pool_size": size, "pool_pos": of_them}
        if self.cap is not None and size > self.cap:
            kept, others = min(of_them, self.cap // 4), min(size - of_them, self.cap // 4)
            free = self.cap - kept - others
            row = {
                "pool_size": self.cap,
                "pool_pos": kept + free * (of_them - kept) / max(1, size - kept - others),
            }
        if self.rows:
            row |= {"queue_fill": len(self.labels), "queue_pos": int(self.labels.sum())}
            known = len(self.scores) and np.isfinite(self.scores).all()
            row |= {
                "queue_score_mean": float(self.scores.mean()) if known else None,
                "queue_score_std": float(self.scores.std()) if known else None,
            }
        return row


class Training:
    """One network in training.

    Parameters
    ----------
    x, y
        Features of shape (rows, columns), standardised, and labels of the training rows.
    seed
        Of the initial weights.
    given
        What the run is trained with.
    """

    def __init__(self, x, y, seed, given):
        torch.manual_seed(seed)
        self.given, self.scale = given, given.get("scale", 1.0)
        self.features, self.labels = torch.from_numpy(x), torch.from_numpy(y)
        self.prevalence = float(y.mean())
        self.net = network(x.shape[1], given)
        self.optimizer = getattr(torch.optim, given["optimizer"])(self.net.parameters(), lr=given["lr"])
        self.main = ranking_loss(given, self.prevalence)
        self.pool = Pool(given["queue"], given.get("cap"))
        self.start = self.warm = int(given.get("warm", 0) * given["steps"])
        self.seen = defaultdict(list)

    def step(self, step, chosen):
        """Train on the chosen rows."""
        given, main = self.given, self.main
        target = self.labels[chosen]
        if given.get("ignored"):
            target = torch.full_like(target, -100)
        self.positives = int((target == 1).sum())
        self.logits = self.net(self.features[chosen]) * self.scale
        ranking = main is not None and step > self.warm
        self.weight = given.get("weight", 1.0) if ranking else 0.0
        self.extra = {}
        loss = torch.zeros(())
        if self.weight < 1:
            plain = plain_loss(given, self.logits, target.clamp(min=0).float(), self.prevalence)
            loss = (1 - self.weight) * plain
        if main is not None:
            if step == int(given.get("resume", 0) * given["steps"]):  # the state of the loss is lost
                self.start = step
                main.reset_queue()
                self.pool.clear()
            main.temperature = temperature(given, step, self.start)
            self.held = self.pool.described(given["batch"], self.positives)
            self.seen["pool"].append(self.held["pool_pos"])
        if ranking:
            loss = loss + self.weight * self.ranked(target)
        self.optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()
        gradients = [
            float(p.grad.double().square().sum()) for p in self.net.parameters() if p.grad is not None
        ]
        self.optimizer.step()
        self.seen["loss"].append(float(loss.detach()))
        self.seen["gradient"].append(math.sqrt(sum(gradients)))
        self.seen["positives"].append(self.positives)

    def ranked(self, target):
        """Return the ranking loss, and let the pool take the rows."""
        inputs = self.logits.unsqueeze(1), target.unsqueeze(1)
        if self.given["loss"] == "pauc":
            value, self.extra = self.main(*inputs, return_diagnostics=True)
        else:
            value = self.main(*inputs)
        if not self.given.get("ignored"):
            self.pool.add(self.logits.detach().numpy(), target.numpy())
        return value

    def described(self, step):
        """Return what a row says of the steps since the row before, and of the loss with its pool."""
        row = {"step": step, **of_interval(self.seen, self.logits), "lr": self.given["lr"]}
        if self.main is not None:
            row |= self.held
            row |= {
                "phase": "main" if step > self.warm else "warmup",
                "temperature": self.main.temperature,
                "main_weight": self.weight,
                "pool_pos": float(np.mean(self.seen["pool"])),
            }
            for name in {"band_neg_count", "tau_eff", "grad_pos_count"} & self.extra.keys():
                row[name] = float(torch.as_tensor(self.extra[name]).flatten()[0])
        self.seen.clear()
        return row


def run(x, y, seed, given):
    """Train one network and return its rows."""
    g = np.random.default_rng(seed)
    xt, yt, xv, yv = split(x, y, given, g)
    some = g.permutation(len(yt))[:2000]
    val, train = (torch.from_numpy(xv), yv), (torch.from_numpy(xt[some]), yt[some])
    training, rows = Training(xt, yt, seed, given), []
    for step in range(1, given["steps"] + 1):
        training.step(step, torch.from_numpy(g.integers(0, len(yt), given["batch"])))
        if step % given["every"] == 0:
            row = training.described(step) | evaluated(training.net, training.scale, val, train)
            rows.append({name: written(name, value) for name, value in row.items()})
    return rows


def written(name, value):
    """Return a figure as JSON holds it: no finite number is text in the two that tell it, else null."""
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return str(value) if name in {"loss", "grad_norm"} else None


def slash(name):
    """Return a name as loggers with folders write it: val/ap, train/loss."""
    phase, _, rest = name.partition("_")
    if phase in {"val", "train"}:
        return f"{phase}/{rest}"
    return f"train/{name}" if phase == "loss" else name


def of_interval(seen, logits):
    """Return what a row says of the steps since the row before, and of the last batch."""
    loss, gradient = np.array(seen["loss"]), np.array(seen["gradient"])
    scores = logits.detach().double().numpy()
    return {
        "loss": float(loss[-1]),
        "loss_mean10": float(loss.mean()),
        "loss_std10": float(loss.std()),
        "grad_norm": float(gradient[-1]),
        "grad_max10": float(gradient.max()),
        "grad_med10": float(np.median(gradient)),
        "loss_zero_frac10": float((loss == 0).mean()),
        "pos_in_batch": float(np.mean(seen["positives"])),
        "batch_nopos_frac": float((np.array(seen["positives"]) == 0).mean()),
        "score_mean": float(scores.mean()),
        "score_std": float(scores.std()),
        "score_absmax": float(np.abs(scores).max()),
    }


def value_of(text):
    """Return a knob's value: a number where it reads as one, else the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, help="folder of NAME.npz; without it, clouds are made up")
    parser.add_argument("--set", nargs="+", help="names of the data sets (default: all of the folder)")
    parser.add_argument("--fault", nargs="+", help="begin of the names of the faults (default: all)")
    parser.add_argument("--seed", nargs="+", type=int, default=[0])
    parser.add_argument("--knob", action="append", default=[], metavar="NAME=VALUE,...")
    parser.add_argument("--names", choices=("plain", "slash"), default="plain", help="how metrics are named")
    given = parser.parse_args()
    knobs = dict(KNOBS)
    for text in given.knob:
        name, _, values = text.partition("=")
        if name not in KNOBS:
            parser.error(f"--knob: expected one of {', '.join(KNOBS)}, but got {name!r}")
        knobs[name] = [value_of(value) for value in values.split(",")]
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # the losses warn of some of the faults, which are meant
    given.out.mkdir(parents=True, exist_ok=True)
    named = given.set or (sorted(p.stem for p in given.data.glob("*.npz")) if given.data else ["clouds"])
    for dataset in named:
        for seed in given.seed:
            x, y = made_up(seed)
            if given.data:
                with np.load(given.data / f"{dataset}.npz", allow_pickle=False) as stored:
                    x, y = stored["X"], stored["y"].astype(np.int64)
            for fault, config in faults(knobs, random.Random(f"{dataset}{seed}")).items():  # noqa: S311
                path = given.out / f"{fault}__{dataset}__s{seed}.jsonl"
                if path.exists() or (given.fault and not fault.startswith(tuple(given.fault))):
                    continue
                began = time.perf_counter()
                rows = run(x, y, seed, config)
                ap = rows[-1]["val_ap"]
                said = {"type": "meta", "fault": fault, "dataset": dataset, "seed": seed, "config": config}
                if given.names == "slash":
                    rows = [{slash(name): value for name, value in row.items()} for row in rows]
                path.write_text("".join(json.dumps(line) + "\n" for line in (said, *rows)))
                print(f"{path.name:50} {ap:.3f} {time.perf_counter() - began:5.1f} s", flush=True)


if __name__ == "__main__":
    main()
