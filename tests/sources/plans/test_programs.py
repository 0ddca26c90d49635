"""Values that a script declares in one place and uses in another: read, and marked where assumed."""

import textwrap

import pytest

from imbalance_doctor.sources.plans import read_plan


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """Return value, mark and reason of the queue size in a script."""
    monkeypatch.chdir(tmp_path)

    def queue(text):
        text = "from imbalanced_losses import SmoothAPLoss\n" + textwrap.dedent(text)
        (tmp_path / "train.py").write_text(text, encoding="utf-8")
        (run,) = read_plan("train.py")
        name = "queue_size"
        return run.plan.queue_size, run.assumed.get(name), run.unreadable.get(name)

    return queue


PARSER = """\
import argparse
p = argparse.ArgumentParser()
p.add_argument("-q", "--queue-size", type=int, default=512)
"""
ARGS = PARSER + "args = p.parse_args()\n"
USE = "SmoothAPLoss(1, queue_size=args.queue_size)\n"


@pytest.mark.parametrize(
    "text",
    [
        ARGS + USE,
        PARSER + "args, rest = p.parse_known_args()\n" + USE,
        ARGS + "SmoothAPLoss(1, queue_size=vars(args)['queue_size'])",
        PARSER + "def build(args):\n    return " + USE + "build(p.parse_args())",
        PARSER + "def parse():\n    return p.parse_args()\nargs = parse()\n" + USE,
        PARSER + "def main(a):\n    build(a)\ndef build(args):\n    " + USE + "main(p.parse_args())",
        ARGS + "def build(q):\n    SmoothAPLoss(1, queue_size=q)\nbuild(args.queue_size)",
        ARGS + "class T:\n    def __init__(self, a):\n        self.a = a\n    def f(self):\n"
        "        SmoothAPLoss(1, queue_size=self.a.queue_size)\nT(args)",
        PARSER.replace("512", '"512"') + "args = p.parse_args()\n" + USE,
    ],
)
def test_the_default_of_an_option(queue, text):
    assert queue(text) == (512, "default of --queue-size, train.py:4", None)


@pytest.mark.parametrize(
    "text",
    [
        ARGS.replace(", default=512", "") + USE,
        ARGS.replace("512", "None") + USE,
        ARGS.replace("512", "argparse.SUPPRESS") + USE,
        ARGS + "args.queue_size = 2\n" + USE,
        ARGS + "setattr(args, name, 2)\n" + USE,
        ARGS + "vars(args).update(more)\n" + USE,
        ARGS + "args = merge(args)\n" + USE,
        ARGS + "p.set_defaults(queue_size=2)\n" + USE,
        ARGS + "p.add_argument('--queue-size', default=9)\n" + USE,
        PARSER + "args = p.parse_args(['--queue-size', '8'])\n" + USE,
        PARSER + "args = read_yaml()\n" + USE,
        PARSER + "def build(args):\n    " + USE,
        PARSER + "def build(args):\n    " + USE + "build(p.parse_args())\nbuild(other)",
    ],
)
def test_an_option_that_may_be_anything(queue, text):
    value, mark, reason = queue(text)
    assert (value, mark) == (None, None)
    assert reason == "'args.queue_size' is only known when the script runs"


@pytest.mark.parametrize(
    "text",
    [
        'CFG = {"q": 512}\nSmoothAPLoss(1, queue_size=CFG["q"])',
        'CFG = {"loss": {"q": 2 * 256}}\nSmoothAPLoss(1, queue_size=CFG["loss"]["q"])',
        'CFG = dict(q=512)\ndef f():\n    SmoothAPLoss(1, queue_size=CFG["q"])',
        'def f(c):\n    SmoothAPLoss(1, queue_size=c["q"])\nf({"q": 512})',
        "from types import SimpleNamespace as S\nc = S(q=512)\nSmoothAPLoss(1, queue_size=c.q)",
        "class C:\n    q = 512\nSmoothAPLoss(1, queue_size=C.q)",
        "class C:\n    q = 512\nclass D(C):\n    pass\nSmoothAPLoss(1, queue_size=D.q)",
        "class C:\n    q: int = 9\nc = C(q=512)\nSmoothAPLoss(1, queue_size=c.q)",
        "class C:\n    a: int = 1\n    q: int = 9\nc = C(2, 512)\nSmoothAPLoss(1, queue_size=c.q)",
        "def f(q):\n    SmoothAPLoss(1, queue_size=q)\nf(512)\nf(q=512)",
        "def f(q=3):\n    SmoothAPLoss(1, queue_size=q)\nf(512)",
        "class M:\n    def __init__(self):\n        self.q = 512\n        SmoothAPLoss(1, queue_size=self.q)",
        "class M:\n    q = 512\n    def f(self):\n        SmoothAPLoss(1, queue_size=self.q)",
    ],
)
def test_what_is_written_once_is_known(queue, text):
    assert queue(text) == (512, None, None)


DATACLASS = (
    "from dataclasses import dataclass, field\n@dataclass\nclass C:\n    a: int = 1\n    q: int = 512\n"
)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (DATACLASS + "c = C()\nSmoothAPLoss(1, queue_size=c.q)", "C.q, train.py:6"),
        (DATACLASS + "c = C(a=3)\nSmoothAPLoss(1, queue_size=c.q)", "C.q, train.py:6"),
        (DATACLASS + "c = C(3)\nSmoothAPLoss(1, queue_size=c.q)", "C.q, train.py:6"),
        (DATACLASS + "def f(c=C()):\n    SmoothAPLoss(1, queue_size=c.q)", "C.q, train.py:6"),
        (
            DATACLASS.replace("= 512", "= field(default=512)") + "c = C()\nSmoothAPLoss(1, queue_size=c.q)",
            "C.q, train.py:6",
        ),
        ("def f(a, q=512):\n    SmoothAPLoss(1, queue_size=q)", "q of f(), train.py:2"),
        ("def f(a, q=512):\n    SmoothAPLoss(1, queue_size=q)\nf(3)", "q of f(), train.py:2"),
        ("def f(*, q=512):\n    SmoothAPLoss(1, queue_size=q)", "q of f(), train.py:2"),
        (
            (
                "class M:\n    def __init__(self, q=512):\n        self.q = q\n    def f(self):\n"
                "        SmoothAPLoss(1, queue_size=self.q)"
            ),
            "q of M, train.py:3",
        ),
        (
            (
                "class M:\n    def __init__(self, q=512):\n        self.save_hyperparameters()\n"
                "    def f(self):\n"
                "        SmoothAPLoss(1, queue_size=self.hparams.q)"
            ),
            "q of M, train.py:3",
        ),
        (
            "class M:\n    def fit(self, a, q=512):\n        SmoothAPLoss(1, queue_size=q)\nM().fit(3)",
            "q of M, train.py:3",
        ),
    ],
)
def test_defaults_are_read_and_marked(queue, text, source):
    assert queue(text) == (512, f"default of {source}", None)


@pytest.mark.parametrize(
    "text",
    [
        'C = {"q": 512}\nC["q"] = 3\nSmoothAPLoss(1, queue_size=C["q"])',
        'C = {"q": 512}\nC.update(more)\nSmoothAPLoss(1, queue_size=C["q"])',
        'C = {"q": 512, **more}\nSmoothAPLoss(1, queue_size=C["q"])',
        'C = {"a": 512}\nSmoothAPLoss(1, queue_size=C["q"])',
        'C = {"q": 512}\nC = load()\nSmoothAPLoss(1, queue_size=C["q"])',
        DATACLASS + "c = C()\nc.q = 3\nSmoothAPLoss(1, queue_size=c.q)",
        DATACLASS
        + "    def __post_init__(self):\n        self.q = 3\nc = C()\nSmoothAPLoss(1, queue_size=c.q)",
        DATACLASS + "c = C(**more)\nSmoothAPLoss(1, queue_size=c.q)",
        DATACLASS + "c = C(*more)\nSmoothAPLoss(1, queue_size=c.q)",
        "def f(q=512):\n    SmoothAPLoss(1, queue_size=q)\nf(*more)",
        "def f(q=512):\n    SmoothAPLoss(1, queue_size=q)\nf(n)",
        "def f(q=512):\n    q = q or 3\n    SmoothAPLoss(1, queue_size=q)",
        "def f(q=512):\n    SmoothAPLoss(1, queue_size=q)\nspawn(f, 3)",
        "def f(q=None):\n    SmoothAPLoss(1, queue_size=q)",
        "def f(q=512):\n    SmoothAPLoss(1, queue_size=q)\nf()\nf(3)",
        "def f(q):\n    f(q)\n    f(q)\n    SmoothAPLoss(1, queue_size=q)",
        (
            "class M:\n    def __init__(self, q=512):\n        self.q = q\n        self.q = 3\n"
            "        SmoothAPLoss(1, queue_size=self.q)"
        ),
        (
            "class M:\n    def __init__(self, q=512):\n        SmoothAPLoss(1, queue_size=q)\nclass N(M):\n"
            "    def __init__(self):\n        super().__init__(3)"
        ),
        (
            "class M:\n    def __init__(self, q=512):\n        self.save_hyperparameters('a')\n"
            "    def f(self):\n"
            "        SmoothAPLoss(1, queue_size=self.hparams.q)"
        ),
        "class M:\n    def fit(self, q=512):\n        SmoothAPLoss(1, queue_size=q)\nM().fit(3)",
    ],
)
def test_what_is_set_twice_or_elsewhere_is_not_read(queue, text):
    value, mark, reason = queue(text)
    assert (value, mark) == (None, None)
    assert reason


def test_settings_of_the_script_are_marked_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(
        textwrap.dedent(
            """
            import torch
            from torch.utils.data import DataLoader
            def main(bs=64, lr=0.1, epochs=5, amp=False):
                loss = torch.nn.BCEWithLogitsLoss()
                loader = DataLoader(data, batch_size=bs, shuffle=True)
                optimizer = torch.optim.SGD(net.parameters(), lr=lr)
                for epoch in range(epochs):
                    with torch.autocast("cuda", enabled=amp):
                        loss(net(x), y)
            """
        )
    )
    (run,) = read_plan("train.py")
    assert (run.plan.batch_size, run.plan.learning_rate, run.plan.epochs) == (64, 0.1, 5)
    assert run.assumed == {
        "batch_size": "default of bs of main(), train.py:4",
        "learning_rate": "default of lr of main(), train.py:4",
        "epochs": "default of epochs of main(), train.py:4",
    }
    assert run.unreadable == {"precision": "'amp' is only known when the script runs"}


def test_calls_that_fan_out_are_read_in_time(queue):
    levels = 30
    text = "\n".join(f"def f{n}(q):\n    f{n + 1}(q)\n    f{n + 1}(q)" for n in range(levels))
    text += f"\ndef f{levels}(q):\n    SmoothAPLoss(1, queue_size=q)\n"
    assert queue(text + "f0(512)") == (512, None, None)
    assert queue(text + "f0(n)")[0] is None
    objects = text.replace("queue_size=q", "queue_size=q.a") + "class C:\n    a: int = 512\n"
    assert queue(objects + "c = C()\nf0(c)")[0] == 512
    assert queue(objects + "f0(n)")[0] is None
