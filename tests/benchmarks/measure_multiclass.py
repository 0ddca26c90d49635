"""What softmax focal loss and class weights are worth against plain CE, multi-class, long-tailed.

All arms and seeds of one world are trained as one stack of independent MLPs (batched matmul); Adam is
elementwise, so the stack equals separate runs. Paired: same split, same initial weights, same batches.
The gradient is written out (`Stack.step`) for speed; `check` compares it with autograd and torch modules.

Called as ``python tests/benchmarks/measure_multiclass.py WHAT [OUT.jsonl]`` with WHAT one of

    check   losses and stack against torch, imbalanced-losses and scikit-learn
    run     all worlds (appends; worlds already in OUT are skipped): about 15 minutes
    long    one world, three arms, four times as many steps
    table   the differences to plain CE with their intervals
"""

import itertools
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

torch.set_num_threads(1)
SEEDS = 6
HIDDEN = 64
ARMS = {  # name: (gamma, weighting, normalise by the batch's weights as torch does, adjust logits)
    "ce": (0.0, "none", False, False),
    "ce+post-hoc prior": (0.0, "none", False, True),
    "wce sqrt": (0.0, "sqrt", True, False),
    "wce cb": (0.0, "cb", True, False),
    "wce inverse": (0.0, "inverse", True, False),
    "focal2": (2.0, "none", False, False),
    "focal2 sqrt": (2.0, "sqrt", False, False),
    "focal2 cb": (2.0, "cb", False, False),
}
METRICS = ("ap", "f1", "acc", "ece", "nll", "rare")


def weights(counts, how):
    n = counts.astype(float)
    w = {
        "none": np.ones_like(n),
        "inverse": 1 / n,
        "sqrt": 1 / np.sqrt(n),
        "cb": (1 - 0.9999) / (1 - 0.9999**n),
    }[how]
    return w / w.mean()


# ---------------------------------------------------------------- worlds


def tail(classes, ratio, total=None, head=None):
    shape = ratio ** (-np.arange(classes) / (classes - 1))
    n = shape / shape.sum() * total if total else shape * head
    return np.maximum(2, np.round(n).astype(int))


def world(spec):
    """Return pool X, y and train, validation, test counts per rank of frequency."""
    if spec["kind"] == "digits":
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        counts = tail(10, spec["ratio"], head=124)
        val = np.maximum(1, np.round(counts * 0.3).astype(int))
        test = np.full(10, 50)  # 174 rows of the scarcest digit: 124 + 50
    else:
        from sklearn.datasets import make_classification

        c = spec["classes"]
        counts = tail(c, spec["ratio"], total=8000)
        val = np.maximum(1, np.round(counts * 0.25).astype(int))
        test = np.maximum(200, np.round(counts / counts.sum() * 6000).astype(int))
        per_class = int((counts + test).max() * 1.05) + 5
        x, y = make_classification(
            n_samples=per_class * c,
            n_features=20,
            n_informative=10,
            n_redundant=4,
            n_classes=c,
            n_clusters_per_class=2,
            class_sep=spec["sep"],
            flip_y=0.0,
            random_state=spec["seed"],
        )
    return x.astype(np.float32), y, counts - val, val, test


def split(x, y, train, val, test, seed):
    """Draw one split; class labels become ranks of frequency, a new assignment for every seed."""
    rng = np.random.default_rng(1000 + seed)
    parts = ([], [], [])
    labels = ([], [], [])
    for rank, cls in enumerate(rng.permutation(len(train))):
        rows = rng.permutation(np.flatnonzero(y == cls))
        start = 0
        for part, lab, n in zip(parts, labels, (train[rank], val[rank], test[rank]), strict=True):
            take = rows[start : start + n]
            assert len(take) == n, (rank, n, len(rows))
            start += n
            part.append(take)
            lab.append(np.full(n, rank))
    idx = [np.concatenate(p) for p in parts]
    mean, std = x[idx[0]].mean(0), x[idx[0]].std(0)
    std[std < 1e-6] = 1
    return [((x[i] - mean) / std, np.concatenate(lab)) for i, lab in zip(idx, labels, strict=True)]


# ---------------------------------------------------------------- loss and metrics


def losses(logits, y, gamma, w, normalise):
    """Per model loss. logits [A,S,B,C], y [S,B], gamma [A], w [A,C], normalise [A] -> [A,S]."""
    lse = torch.logsumexp(logits, -1)
    own = torch.nn.functional.one_hot(y, logits.shape[-1]).bool().expand_as(logits)
    xt = logits.gather(-1, y[None, ..., None].expand(*logits.shape[:-1], 1)).squeeze(-1)
    rest = torch.logsumexp(logits.masked_fill(own, -torch.inf), -1)
    row = torch.exp(gamma[:, None, None] * (rest - lse)) * (lse - xt)
    wy = w[:, y]
    total = (wy * row).sum(-1)
    rows = torch.full_like(total, y.shape[-1])
    return total / torch.where(normalise[:, None], wy.sum(-1), rows)


def margins(logits):
    """Log odds of each class, strictly increasing in its softmax probability. [..., C]."""
    p = torch.log_softmax(logits.double(), -1)
    return p - torch.log(-torch.expm1(torch.clamp(p, max=-1e-15)))


def evaluate(logits, y, sample_w):
    """Macro metrics under row weights. logits [K,N,C] (each model its own y [K,N]) -> dict of [K]."""
    k, n, c = logits.shape
    logits = logits.double()
    w = sample_w[:, :, None].double()
    hot = torch.nn.functional.one_hot(y, c).double() * w  # [K,N,C]
    order = margins(logits).argsort(1, descending=True)
    pos = hot.gather(1, order)
    all_w = w.expand(k, n, c).gather(1, order)
    precision = pos.cumsum(1) / all_w.cumsum(1)
    support = hot.sum(1)
    ap = (precision * pos).sum(1) / support
    logp = torch.log_softmax(logits, -1)
    conf, pred = logp.exp().max(-1)
    said = torch.nn.functional.one_hot(pred, c).double() * w
    hit = (said * (hot > 0)).sum(1)
    f1 = 2 * hit / (said.sum(1) + support).clamp_min(1e-12)
    recall = hit / support
    right = (pred == y).double()
    ww = sample_w.double()
    nll = -(logp.gather(-1, y[..., None]).squeeze(-1) * ww).sum(1) / ww.sum(1)
    bins = (conf * 15).long().clamp_max(14)
    gap = torch.zeros(k, 15, dtype=torch.double).scatter_add_(1, bins, (conf - right) * ww)
    rare = max(1, round(c / 3))
    return {
        "ap": ap.mean(1),
        "f1": f1.mean(1),
        "acc": (right * ww).sum(1) / ww.sum(1),
        "ece": gap.abs().sum(1) / ww.sum(1),
        "nll": nll,
        "rare": recall[:, -rare:].mean(1),
    }


# ---------------------------------------------------------------- training


class Stack:
    """A x S independent MLPs d-64-64-C in one flat parameter vector, trained by Adam."""

    def __init__(self, sizes, seeds, arms, gamma, w, normalise, lr=1e-3):
        self.a, self.s, self.lr, self.steps = arms, seeds, lr, 0
        k = arms * seeds
        shapes = [(k, *shape) for i, o in itertools.pairwise(sizes) for shape in ((i, o), (1, o))]
        lengths = [int(np.prod(q)) for q in shapes]
        self.flat = torch.empty(sum(lengths))
        self.grad = torch.empty_like(self.flat)
        self.m, self.v = torch.zeros_like(self.flat), torch.zeros_like(self.flat)
        self.p = [t.view(q) for t, q in zip(self.flat.split(lengths), shapes, strict=True)]
        self.g = [t.view(q) for t, q in zip(self.grad.split(lengths), shapes, strict=True)]
        gens = [torch.Generator().manual_seed(77 + s) for s in range(seeds)]
        for p in self.p:
            bound = sizes[[q is p for q in self.p].index(True) // 2] ** -0.5  # torch.nn.Linear's default
            one = torch.stack([(torch.rand(p.shape[1:], generator=g) * 2 - 1) * bound for g in gens])
            p.copy_(one.repeat(arms, 1, 1))
        self.gamma = gamma.repeat_interleave(seeds)[:, None]
        self.w, self.normalise = w, normalise.repeat_interleave(seeds)[:, None]

    def logits(self, x, params=None):
        """x [S,N,d] -> [A,S,N,C]."""
        w1, b1, w2, b2, w3, b3 = params or self.p
        a = w1.shape[0] // self.s
        h = torch.baddbmm(b1, x.repeat(a, 1, 1), w1).relu_()
        h = torch.baddbmm(b2, h, w2).relu_()
        return torch.baddbmm(b3, h, w3).unflatten(0, (a, self.s))

    def gradient(self, x, y):
        """Gradient of the sum of all models' losses, into self.g."""
        w1, b1, w2, b2, w3, b3 = self.p
        xk = x.repeat(self.a, 1, 1)
        h1 = torch.baddbmm(b1, xk, w1).relu_()
        h2 = torch.baddbmm(b2, h1, w2).relu_()
        prob = torch.softmax(torch.baddbmm(b3, h2, w3), -1)
        own = y.repeat(self.a, 1)[..., None]
        pt = prob.gather(-1, own)
        prob.scatter_(-1, own, 0.0)
        miss = prob.sum(-1, keepdim=True)  # 1 - p_t without cancellation
        # d/dx of (1-p)^g (-ln p) is [(1-p)^g - g p (1-p)^(g-1) ln p] (p_k - 1[k=t]); g is 0 or 2 here
        pt, miss_ = pt.squeeze(-1), miss.squeeze(-1)
        focal = miss_ * miss_ - 2 * pt * miss_ * pt.clamp_min(1e-30).log()
        wy = self.w[:, y].flatten(0, 1)
        scale = wy / torch.where(self.normalise, wy.sum(-1, keepdim=True), float(y.shape[-1]))
        scale = scale * torch.where(self.gamma == 0, 1.0, focal)
        d = prob.scatter_(-1, own, -miss).mul_(scale[..., None])
        g1, c1, g2, c2, g3, c3 = self.g
        torch.bmm(h2.mT, d, out=g3)
        torch.sum(d, 1, keepdim=True, out=c3)
        d = torch.bmm(d, w3.mT).mul_(h2 > 0)
        torch.bmm(h1.mT, d, out=g2)
        torch.sum(d, 1, keepdim=True, out=c2)
        d = torch.bmm(d, w2.mT).mul_(h1 > 0)
        torch.bmm(xk.mT, d, out=g1)
        torch.sum(d, 1, keepdim=True, out=c1)

    def step(self, x, y):
        self.gradient(x, y)
        self.steps += 1
        self.m.lerp_(self.grad, 0.1)
        self.v.mul_(0.999).addcmul_(self.grad, self.grad, value=0.001)
        denom = self.v.sqrt().div_((1 - 0.999**self.steps) ** 0.5).add_(1e-8)
        self.flat.addcdiv_(self.m, denom, value=-self.lr / (1 - 0.9**self.steps))


def train(spec, batch, steps, every):
    x, y, n_train, n_val, n_test = world(spec)
    sets = [split(x, y, n_train, n_val, n_test, s) for s in range(SEEDS)]
    (xt, yt), (xv, yv), (xs, ys) = (
        tuple(torch.as_tensor(np.stack([q[i][j] for q in sets])) for j in (0, 1)) for i in (0, 1, 2)
    )
    c = len(n_train)
    names = list(ARMS)
    trained = [a for a in names if not ARMS[a][3]]
    source = [trained.index("ce" if ARMS[a][3] else a) for a in names]  # the adjusted arm reads the CE model
    gamma = torch.tensor([ARMS[a][0] for a in trained])
    w = torch.tensor(np.stack([weights(n_train, ARMS[a][1]) for a in trained]), dtype=torch.float32)
    normalise = torch.tensor([ARMS[a][2] for a in trained])
    prior = np.log(n_train / n_train.sum())
    shift = torch.tensor(np.stack([prior * ARMS[a][3] for a in names]), dtype=torch.float32)[:, None, None]
    stack = Stack([x.shape[1], HIDDEN, HIDDEN, c], SEEDS, len(trained), gamma, w, normalise)
    best = {m: torch.full((len(names), SEEDS), -1.0, dtype=torch.double) for m in ("ap", "f1")}
    at = {m: torch.zeros(len(names), SEEDS) for m in best}
    now = [p.view(len(trained), SEEDS, *p.shape[1:]) for p in stack.p]
    kept = {m: [p[source].clone() for p in now] for m in best}
    flat_yv = yv.expand(len(names), *yv.shape).flatten(0, 1)
    ones = torch.ones_like(flat_yv, dtype=torch.double)
    rngs = [np.random.default_rng(5000 + s) for s in range(SEEDS)]
    rows = xt.shape[1]
    size = min(batch, rows)
    queue = np.empty((SEEDS, 0), dtype=np.int64)
    for step in range(1, steps + 1):
        if queue.shape[1] < size:  # a new epoch; the last short batch of the old one is dropped
            queue = np.stack([r.permutation(rows) for r in rngs])
        pick = torch.as_tensor(queue[:, :size])
        queue = queue[:, size:]
        xb = torch.stack([xt[s, pick[s]] for s in range(SEEDS)])
        yb = torch.stack([yt[s, pick[s]] for s in range(SEEDS)])
        stack.step(xb, yb)
        if step % every == 0:
            with torch.no_grad():
                got = evaluate((stack.logits(xv)[source] - shift).flatten(0, 1), flat_yv, ones)
                for m in tuple(best):
                    value = got[m].view(len(names), SEEDS)
                    better = value > best[m]
                    best[m] = torch.where(better, value, best[m])
                    at[m][better] = step
                    for keep, p in zip(kept[m], now, strict=True):
                        keep[better] = p[source][better]
    natural = (
        (n_train + n_val) / (n_train + n_val).sum() / n_test
    )  # every test row stands for its class share
    result = {}
    with torch.no_grad():
        for m in best:
            logits = stack.logits(xs, [p.flatten(0, 1) for p in kept[m]]) - shift
            result[m] = {}
            for i, name in enumerate(names):
                got = evaluate(logits[i], ys, torch.as_tensor(natural)[ys])
                result[m][name] = {k: [round(float(v), 6) for v in got[k]] for k in METRICS}
                result[m][name]["step"] = at[m][i].tolist()
    return result, [int(v) for v in n_train]


def specs():
    for ratio in (10, 50, 100):
        yield {"kind": "digits", "classes": 10, "ratio": ratio}
    seed = 0
    for classes in (5, 10, 20):
        for sep in (0.7, 1.5):
            for ratio in (20, 100):
                seed += 1
                yield {"kind": "synthetic", "classes": classes, "ratio": ratio, "sep": sep, "seed": seed}


def run(out):
    done = (
        {json.dumps([r["spec"], r["batch"]]) for r in map(json.loads, out.read_text().splitlines())}
        if out.exists()
        else set()
    )
    for batch, steps, every in ((128, 2400, 200), (32, 4800, 400)):
        for spec in specs():
            if batch == 32 and (spec["classes"] != 10 or spec.get("sep", 0.7) != 0.7):
                continue  # the small batch on the digits and two ten-class worlds only
            digits = spec["kind"] == "digits"
            if json.dumps([spec, batch]) in done:
                continue
            t = time.process_time()
            result, counts = train(spec, batch, 1500 if digits else steps, 75 if digits else every)
            took = time.process_time() - t
            with out.open("a") as f:
                f.write(
                    json.dumps(
                        {
                            "spec": spec,
                            "batch": batch,
                            "steps": 1500 if digits else steps,
                            "counts": counts,
                            "cpu_s": took,
                            "result": result,
                        }
                    )
                    + "\n"
                )
            print(
                spec,
                batch,
                f"{took:.1f}s",
                {a: round(float(np.mean(result["ap"][a]["ap"])), 4) for a in ARMS},
                flush=True,
            )


def long(out):
    for arm in set(ARMS) - {"ce", "wce sqrt", "focal2"}:
        del ARMS[arm]
    spec = next(s for s in specs() if s.get("seed") == 8)
    result, counts = train(spec, 128, 9600, 400)
    out.write_text(
        json.dumps({"spec": spec, "batch": 128, "steps": 9600, "counts": counts, "result": result}) + "\n"
    )


def table(out):
    records = [json.loads(line) for line in out.read_text().splitlines()]
    print("cpu seconds", sum(r["cpu_s"] for r in records))
    groups = {
        "batch 128, all": lambda r: r["batch"] == 128,
        "batch 32, all": lambda r: r["batch"] == 32,
        "digits (both batches)": lambda r: r["spec"]["kind"] == "digits",
        "ratio 20 synthetic": lambda r: r["spec"]["kind"] != "digits" and r["spec"]["ratio"] == 20,
        "ratio 100 synthetic": lambda r: r["spec"]["kind"] != "digits" and r["spec"]["ratio"] == 100,
        "separation 0.7": lambda r: r["spec"].get("sep") == 0.7,
        "separation 1.5": lambda r: r["spec"].get("sep") == 1.5,
        "synthetic, batch 128": lambda r: r["spec"]["kind"] != "digits" and r["batch"] == 128,
        "C=5": lambda r: r["spec"]["classes"] == 5,
        "C=20": lambda r: r["spec"]["classes"] == 20,
    }
    for stop in ("ap", "f1"):
        for title, keep in groups.items():
            chosen = [r for r in records if keep(r)]
            if not chosen:
                continue
            print(
                f"\n### early stopping on validation macro {stop.upper()}; {title} "
                f"({len(chosen)} world means x {SEEDS} seeds)"
            )
            base = {m: np.array([np.mean(r["result"][stop]["ce"][m]) for r in chosen]) for m in METRICS}
            print("| arm | " + " | ".join(METRICS) + " |")
            print("|---|" + "---|" * len(METRICS))
            print("| ce (level) | " + " | ".join(f"{base[m].mean():.3f}" for m in METRICS) + " |")
            rng = np.random.default_rng(0)
            # one resample unit is a world, whatever batch sizes it was run with
            keys = [json.dumps(r["spec"]) for r in chosen]
            unique = sorted(set(keys))
            boot = rng.integers(len(unique), size=(10000, len(unique)))
            for arm in list(ARMS)[1:]:
                cells = []
                for m in METRICS:
                    d = np.array([np.mean(r["result"][stop][arm][m]) for r in chosen]) - base[m]
                    per = np.array(
                        [np.mean([v for v, k in zip(d, keys, strict=True) if k == u]) for u in unique]
                    )
                    low, high = np.quantile(per[boot].mean(1), [0.025, 0.975])
                    eps = 0.02 if m == "nll" else 0.005
                    good = -per if m in ("ece", "nll") else per
                    wtl = f"{(good > eps).sum()}/{(abs(per) <= eps).sum()}/{(good < -eps).sum()}"
                    cells.append(f"{per.mean():+.3f} [{low:+.3f}, {high:+.3f}] {wtl}")
                print(f"| {arm} | " + " | ".join(cells) + " |")
    print("\npaired sd over seeds of AP and F1 differences (median over worlds):")
    for arm in list(ARMS)[1:]:
        print(
            arm,
            [
                round(
                    float(
                        np.median(
                            [
                                np.std(np.subtract(r["result"][m][arm][m], r["result"][m]["ce"][m]), ddof=1)
                                for r in records
                            ]
                        )
                    ),
                    4,
                )
                for m in ("ap", "f1")
            ],
        )


def check():
    from imbalanced_losses import SoftmaxFocalLoss
    from sklearn.metrics import average_precision_score, f1_score, recall_score

    torch.manual_seed(0)
    a, s, b, c = len(ARMS), 2, 50, 5
    logits = torch.randn(a, s, b, c, dtype=torch.double) * 3
    y = torch.randint(c, (s, b))
    counts = np.array([900, 300, 100, 30, 10])
    gamma = torch.tensor([v[0] for v in ARMS.values()])
    w = torch.tensor(np.stack([weights(counts, v[1]) for v in ARMS.values()]))
    norm = torch.tensor([v[2] for v in ARMS.values()])
    got = losses(logits, y, gamma, w, norm)
    for i in range(a):
        for j in range(s):
            if gamma[i] == 0:
                want = torch.nn.functional.cross_entropy(logits[i, j], y[j], weight=w[i])
            else:
                want = SoftmaxFocalLoss(alpha=w[i], gamma=2.0)(logits[i, j], y[j])
            assert abs(got[i, j] - want) < 1e-6, (i, j, got[i, j], want)
    sw = torch.rand(s, b)
    m = evaluate(logits[0], y, sw)
    for j in range(s):
        p = torch.softmax(logits[0, j], -1).numpy()
        kw = {"sample_weight": sw[j].numpy()}
        ap = np.mean([average_precision_score(y[j].numpy() == k, p[:, k], **kw) for k in range(c)])
        assert abs(ap - m["ap"][j]) < 1e-9
        f1 = f1_score(y[j].numpy(), p.argmax(1), average="macro", **kw)
        assert abs(f1 - m["f1"][j]) < 1e-9
        rare = recall_score(y[j].numpy(), p.argmax(1), average=None, **kw)[-2:].mean()
        assert abs(rare - m["rare"][j]) < 1e-9
    # the written-out gradient is autograd's, for every arm
    w32, x, y = w.float(), torch.randn(2, 50, 4) * 3, torch.randint(c, (2, 50))
    stack = Stack([4, 64, 64, c], 2, a, gamma, w32, norm, lr=1e-2)
    leaves = [p.clone().requires_grad_() for p in stack.p]
    losses(stack.logits(x, leaves), y, gamma, w32, norm).sum().backward()
    stack.gradient(x, y)
    for q, g in zip(leaves, stack.g, strict=True):
        assert torch.allclose(q.grad, g, atol=1e-6, rtol=1e-4), (q.grad - g).abs().max()
    # the stack trains like separate torch modules
    for arm in (0, list(ARMS).index("focal2 cb")):
        stack = Stack([4, 64, 64, c], 2, a, gamma, w32, norm, lr=1e-3)
        net = torch.nn.Sequential(
            torch.nn.Linear(4, 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, c),
        )
        with torch.no_grad():
            for q, p in zip(net.parameters(), stack.p, strict=True):
                q.copy_(p[arm * 2 + 1].T if q.ndim == 2 else p[arm * 2 + 1, 0])
        opt = torch.optim.Adam(net.parameters(), lr=1e-3)
        fn = SoftmaxFocalLoss(alpha=w32[arm], gamma=2.0) if arm else torch.nn.CrossEntropyLoss()
        for _ in range(30):
            stack.step(x, y)
            opt.zero_grad()
            fn(net(x[1]), y[1]).backward()
            opt.step()
        assert torch.allclose(stack.logits(x)[arm, 1], net(x[1]), atol=1e-3), (
            (stack.logits(x)[arm, 1] - net(x[1])).abs().max()
        )
    print("check ok")


if __name__ == "__main__":
    {
        "check": check,
        "run": lambda: run(Path(sys.argv[2])),
        "long": lambda: long(Path(sys.argv[2])),
        "table": lambda: table(Path(sys.argv[2])),
    }[sys.argv[1]]()
