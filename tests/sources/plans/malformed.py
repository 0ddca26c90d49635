"""Malformed plans and scripts: each must be one clear line and exit 2, never a traceback.

``malformed()`` yields (name, suffix, text or bytes); ``malformed_plans()`` and ``malformed_scripts()``
yield (name, suffix, body, part of the message), the message starting behind the file name.
"""

import json

DEEP = 200_000
LOSS = "from imbalanced_losses import SmoothAPLoss, PAUCAtBudgetLoss, SoftmaxFocalLoss, LossWarmupWrapper\n"


def malformed():
    for name, suffix, body, _ in (*malformed_plans(), *malformed_scripts()):
        yield name, suffix, body


def malformed_plans():
    yield from ((f"yaml-{name}", ".yaml", *rest) for name, *rest in _yaml_syntax())
    yield from ((f"plan-{name}", ".yaml", *rest) for name, *rest in _values())
    yield from ((f"together-{name}", ".yaml", *rest) for name, *rest in _together())
    yield from ((f"json-{name}", ".json", *rest) for name, *rest in _json())
    yield from ((f"toml-{name}", ".toml", *rest) for name, *rest in _toml())
    yield "unknown-ending", ".txt", "loss: bce\n", ": expected a plan or a training script"
    yield "no-ending", "", "loss: bce\n", ": expected a plan or a training script"
    yield "pickle", ".pkl", b"\x80\x04K\x01.", ":1: expected UTF-8"
    yield "json-by-content", ".plan", '{"loss": "bcee"}', ":1:10: expected loss to be one of"


def _yaml_syntax():
    yield "empty", "", ": expected a plan, but the file is empty"
    yield "blank", "\n \n", ": expected a plan, but the file is empty"
    yield "only-comments", "# loss: bce\n", ": expected a plan, but the file is empty"
    yield "empty-document", "---\n", ": expected a plan, but the file is empty"
    yield "empty-mapping", "{}\n", ": expected fields of a plan, but got an empty mapping"
    yield "sequence", "- loss: bce\n", ":1:1: expected a mapping"
    yield "scalar", "smooth-ap\n", ":1:1: expected a mapping"
    yield "number", "42\n", ":1:1: expected a mapping"
    yield "two-documents", "loss: bce\n---\nloss: ce\n", ":2:1: expected one document"
    yield "unclosed-list", "loss: bce\nclass_weights: [1, 2\n", ":3:1: expected YAML, but"
    yield "unclosed-quote", "loss: 'bce\n", ":2:1: expected YAML, but"
    yield "tab", "loss: bce\n\tbatch_size: 3\n", ":2:1: expected YAML, but"
    yield "bad-indent", "loss: bce\n batch_size: 3\n", ":2:12: expected YAML, but"
    yield "not-utf-8", b"loss: bce\nmetric: \xff\xfe\n", ":2: expected UTF-8 text"
    yield "utf-16", "loss: bce\n".encode("utf-16"), ":1: expected UTF-8 text"
    yield "null-byte", b"loss: b\x00ce\n", ": expected YAML, but"
    yield "control-character", b"loss: b\x07ce\n", ": expected YAML, but"
    yield "too-large", b"#" + b"x" * (1 << 20), ": expected at most 1 MiB"
    yield "alias", "gamma: &g 2.0\nalpha: *g\n", ":2:8: expected values without aliases"
    yield "alias-bomb", _bomb(), ":2:8: expected values without aliases"
    yield "alias-bomb-in-field", "class_weights: &a [*a, *a]\n", ":1:20: expected values without aliases"
    yield "tag", "loss: !!python/object/apply:os.system ['true']\n", ":1:7: expected values without tags"
    yield "binary-tag", "loss: !!binary YmNl\n", ":1:7: expected values without tags"
    yield "deep-flow", "loss: " + "[" * DEEP, ":1:10: expected a flat mapping"
    yield "deep-block", "loss:\n" + "- " * DEEP, ":2:7: expected a flat mapping"
    yield "merge-key", "<<: {loss: bce}\n", ":1:1: expected a field of the plan, but got '<<'"
    yield "key-is-a-list", "[loss, x]: bce\n", ":1:1: expected a field name as key"
    yield "key-is-null", "~: bce\n", ":1:1: expected a field name as key"
    yield "duplicate-key", "queue_size: 1\nloss: bce\nqueue_size: 2\n", ":3:1: expected each key once"
    yield "reference-cycle", "&a loss: *a\n", ":1:10: expected values without aliases"


def _bomb():
    rows = ["a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        rows.append(f"{name}: &{name} [" + ", ".join([f"*{before}"] * 9) + "]")
    return "\n".join(rows) + "\n"


def _values():
    yield (
        "unknown-key",
        "loss: bce\nqueue_sise: 4096\n",
        ":2:1: expected a field of the plan, but got 'queue_sise'",
    )
    yield "hint-by-likeness", "bach_size: 3\n", "did you mean 'batch_size'?"
    yield "hint-by-custom", "lr: 0.1\n", "did you mean 'learning_rate'?"
    yield "no-hint", "zzzzzz: 0.1\n", ":1:1: expected a field of the plan, but got 'zzzzzz'"
    yield "unknown-loss", "loss: smooth-app\n", "did you mean 'smooth-ap'?"
    yield "unknown-metric", "metric: accuracy\n", ":1:9: expected metric to be one of"
    yield "unknown-precision", "precision: int8\n", ":1:12: expected precision to be one of"
    yield "loss-is-a-number", "loss: 0.5\n", ":1:7: expected loss to be one of"
    yield "loss-is-a-list", "loss: [bce]\n", ":1:7: expected loss to be a word"
    yield "words-for-int", "batch_size: many\n", ":1:13: expected batch_size to be a whole number"
    yield "bool-for-int", "batch_size: true\n", ":1:13: expected batch_size to be a whole number"
    yield "bool-for-float", "gamma: yes\n", ":1:8: expected gamma to be a number"
    yield "fraction-for-int", "batch_size: 12.5\n", ":1:13: expected batch_size to be a whole number"
    yield "list-for-int", "batch_size: [3]\n", ":1:13: expected batch_size to be a whole number"
    yield "mapping-for-int", "batch_size: {a: 3}\n", ":1:13: expected batch_size to be a whole number"
    yield "number-for-bool", "pretrained: 1\n", ":1:13: expected pretrained to be true or false"
    yield "number-for-list", "class_weights: {a: 1}\n", ":1:16: expected class_weights to be a list"
    yield "empty-list", "class_weights: []\n", ":1:16: expected class_weights to hold at least one"
    yield "word-in-list", "class_weights: [1, two]\n", ":1:16: expected class_weights to be a number"
    yield "nested-list", "class_weights: [[1, 2]]\n", ":1:16: expected class_weights to be a number"
    yield "nan-in-list", "class_weights: [1, .nan]\n", ":1:16: expected class_weights to be a number"
    yield "negative-in-list", "class_weights: [1, -1]\n", ":1:16: expected class_weights to be at least 0"
    yield "nan", "gamma: nan\n", ":1:8: expected gamma to be finite"
    yield "yaml-nan", "gamma: .nan\n", ":1:8: expected gamma to be a number"
    yield "infinity", "gamma: inf\n", ":1:8: expected gamma to be finite"
    yield "overflow", "gamma: 1e999\n", ":1:8: expected gamma to be finite"
    yield "huge-int", "queue_size: " + "9" * 30 + "\n", ":1:13: expected queue_size to be at most"
    yield "endless-int", "queue_size: " + "9" * 9000 + "\n", ":1:13: expected queue_size to be"
    yield "negative", "queue_size: -1\n", ":1:13: expected queue_size to be at least 0"
    yield "zero-batch", "batch_size: 0\n", ":1:13: expected batch_size to be at least 1"
    yield "zero-temperature", "temperature: 0\n", ":1:14: expected temperature to be above 0"
    yield "quantile-0", "quantile: 0\n", ":1:11: expected quantile to be above 0 and below 1"
    yield "quantile-1", "quantile: 1\n", ":1:11: expected quantile to be above 0 and below 1"
    yield "prevalence-2", "prevalence: 2\n", ":1:13: expected prevalence to be at least 0 and at most 1"
    yield "percent", "prevalence: 0.2%\n", "write 0.002"
    yield "decimal-comma", "prevalence: 0,002\n", ":1:13: expected prevalence to be a number"
    yield "memory-unit", "memory_budget: 2 parsecs\n", ":1:16: expected memory_budget to be a size"
    yield "memory-negative", "memory_budget: -1\n", ":1:16: expected memory_budget to be a size"
    yield "memory-zero", "memory_budget: 0MB\n", ":1:16: expected memory_budget to be at least 1"
    yield "warmup-scalar", "warmup: 2\n", ":1:9: expected warmup to be a mapping"
    yield "warmup-key", "warmup: {warmup_epoch: 2}\n", "did you mean 'warmup_epochs'?"
    yield "loss-without-name", "loss: {queue_size: 4}\n", ":1:1: expected loss to be a name or to hold one"
    yield "field-in-wrong-section", "loss: {name: bce, batch_size: 4}\n", "it belongs at the top level"
    yield "twice-by-section", "loss: {name: bce, gamma: 1}\ngamma: 2\n", ":2:1: expected each key once"
    yield (
        "alpha-and-weights",
        "loss: ce\nalpha: [1, 2]\nclass_weights: [1, 2]\n",
        ":2:1: expected alpha as a list or",
    )
    yield "terminal-escape", 'loss: "\\e[31mred"\n', ":1:7: expected loss to be one of"
    yield "many-lines", 'loss: "a\\nb\\nc"\n', ":1:7: expected loss to be one of"


def _together():
    yield "band-empty", "loss: pauc\nalpha: 0.1\nbeta: 0.1\n", ":2:8: expected alpha below beta"
    yield "band-against-default", "loss: pauc\nalpha: 0.1\n", "beta 0.005"
    yield (
        "band-negative",
        "loss: pauc\nalpha: -1\n",
        ":2:8: expected alpha of pauc-at-budget to be at least 0",
    )
    yield "band-is-a-list", "loss: pauc\nalpha: [0, 1]\n", ":2:8: expected alpha to be a number"
    yield "metric-band", "metric_fpr_low: 0.2\nmetric_fpr_high: 0.1\n", ":2:18: expected metric_fpr_low below"
    yield "focal-alpha", "loss: focal\nalpha: -0.5\n", "-1 switches it off"
    yield "softmax-alpha", "loss: softmax-focal\nalpha: 0.25\n", "class_weights"
    yield (
        "warmup-mixed",
        "warmup_epochs: 2\nwarmup_steps: 9\n",
        ":2:15: expected warmup_epochs or warmup_steps",
    )
    yield "blend-alone", "blend_steps: 9\n", ":1:14: expected warmup_steps together with blend_steps"
    yield "blend-mixed", "warmup: {warmup_steps: 9, blend_epochs: 1}\n", "give blend_steps"
    yield (
        "weights-and-classes",
        "loss: ce\nnum_classes: 3\nclass_weights: [1, 2]\n",
        ":3:16: expected 3 class weights",
    )
    yield "background", "num_classes: 3\nbackground_class: 3\n", ":2:19: expected background_class below"
    yield (
        "reduction",
        "loss: smooth-ap\nreduction: mean_positive\n",
        ":2:12: expected reduction mean, sum or none",
    )


def _json():
    yield "empty", "", ": expected a plan, but the file is empty"
    yield "empty-object", "{}", ": expected fields of a plan, but got an empty object"
    yield "list", "[1]", ": expected an object of plan fields"
    yield "null", "null", ": expected an object of plan fields"
    yield "truncated", '{"loss": "bce",', ":1:16: expected JSON, but"
    yield "single-quotes", "{'loss': 'bce'}", ":1:2: expected JSON, but"
    yield "comment", '{"loss": "bce"} // yes', ":1:17: expected JSON, but"
    yield "duplicate-key", '{"loss": "bce",\n "loss": "ce"}', ":2:2: expected each key once"
    yield "nan", '{"gamma": NaN}', ":1:11: expected gamma to be finite"
    yield "bool-for-int", '{"batch_size": true}', ":1:16: expected batch_size to be a whole number"
    yield "unknown-key", json.dumps({"loss": "bce", "queue_sise": 1}, indent=1), ":3:2: expected a field"
    yield "deep", '{"loss": ' + "[" * DEEP + "]" * DEEP + "}", ": expected JSON, but it is nested"
    yield "endless-int", '{"queue_size": ' + "9" * 9000 + "}", ": expected JSON, but it is nested"
    yield "no-yaml", '{"loss":\t"\\ud83d\\ude00"}', ": expected loss to be one of"


def _toml():
    yield "empty", "", ": expected a plan, but the file is empty"
    yield "only-comments", "# nothing\n", ": expected fields of a plan"
    yield "syntax", "loss = bce\n", ":1:8: expected TOML, but"
    yield "duplicate-key", 'loss = "bce"\nloss = "ce"\n', ":2:12: expected TOML, but"
    yield "unknown-key", 'loss = "bce"\nqueue_sise = 4\n', ":2: expected a field of the plan"
    yield "date", "batch_size = 2024-01-01\n", ":1: expected batch_size to be a whole number"
    yield "nan", "gamma = nan\n", ":1: expected gamma to be finite"
    yield "bool", "batch_size = true\n", ":1: expected batch_size to be a whole number"
    yield "deep", "loss = " + "[" * DEEP, ": expected TOML, but it is nested too deeply"
    yield "table-in-table", "[warmup]\nwarmup_epochs = {a = 1}\n", ":2: expected warmup_epochs to be a number"


def malformed_scripts():
    yield from ((f"script-{name}", ".py", *rest) for name, *rest in _scripts())
    yield from ((f"notebook-{name}", ".ipynb", *rest) for name, *rest in _notebooks())


def _scripts():
    yield "empty", "", ": expected the call of a loss of"
    yield "no-loss", "import torch\nprint(1)\n", ": expected the call of a loss of"
    yield "own-loss", "class SmoothAPLoss: ...\nSmoothAPLoss(1)\n", ": expected the call of a loss of"
    yield "loss-not-called", LOSS, ": expected the call of a loss of"
    yield "python-2", "print 'hello'\n", ":1:1: expected Python 3"
    yield "syntax", LOSS + "SmoothAPLoss(1\n", ":2:13: expected Python 3"
    yield "indent", "if True:\nx = 1\n", ":2:1: expected Python 3"
    yield "null-byte", "x = 1\n\0\n", "the source does not parse"
    yield "not-utf-8", b"x = 1\ny = '\xff'\n", ":2: expected UTF-8 text"
    yield "too-large", b"#" + b"x" * (5 << 20), ": expected at most 5 MiB"
    yield "deep-brackets", "x = " + "(" * DEEP + ")" * DEEP, "expected"
    yield "deep-minus", "x = " + "-" * DEEP + "1\n", ": expected "
    yield "deep-sum", "x = " + "1+" * DEEP + "1\n", ": expected "
    yield "deep-attribute", "x" + ".a" * DEEP + "\n", ": expected "
    yield (
        "keyword-typo",
        LOSS + "l = SmoothAPLoss(1, queue_sise=4)\n",
        ":2:21: expected an argument of SmoothAPLoss",
    )
    yield "keyword-hint", LOSS + "l = SmoothAPLoss(1, queue_sise=4)\n", "did you mean 'queue_size'?"
    yield (
        "keyword-of-another",
        LOSS + "SmoothAPLoss(1, quantile=0.1)\n",
        ":2:17: expected an argument of SmoothAPLoss",
    )
    yield (
        "torch-keyword",
        "from torch import nn\nnn.CrossEntropyLoss(pos_weight=3)\n",
        ":2:21: expected an argument of",
    )
    yield (
        "wrapper-keyword",
        LOSS + "LossWarmupWrapper(a, b, warmup_epoch=2)\n",
        "did you mean 'warmup_epochs'?",
    )
    yield (
        "too-many-arguments",
        LOSS + "SmoothAPLoss(1, 2, 3, 'mean', 5, True, True, 8, 9)\n",
        ":2:49: expected at most 8",
    )
    yield (
        "given-twice",
        LOSS + "SmoothAPLoss(1, num_classes=2)\n",
        ":2:17: expected each argument of SmoothAPLoss once",
    )
    yield (
        "keyword-repeated",
        LOSS + "SmoothAPLoss(num_classes=1, num_classes=2)\n",
        ":2:29: expected each argument",
    )
    yield (
        "negative-queue",
        LOSS + "SmoothAPLoss(1, queue_size=-5)\n",
        ":2:28: expected queue_size to be at least 0",
    )
    yield (
        "zero-temperature",
        LOSS + "SmoothAPLoss(1, temperature=0.0)\n",
        ":2:29: expected temperature to be above 0",
    )
    yield (
        "text-for-number",
        LOSS + "SmoothAPLoss('one')\n",
        ":2:14: expected num_classes to be a whole number",
    )
    yield "bool-for-number", LOSS + "SmoothAPLoss(True)\n", ":2:14: expected num_classes to be a whole number"
    yield (
        "by-constant",
        LOSS + "Q = -5\nSmoothAPLoss(1, queue_size=Q)\n",
        ":3:28: expected queue_size to be at least 0",
    )
    yield (
        "overflow",
        LOSS + "SmoothAPLoss(1, temperature=1e999)\n",
        ":2:29: expected temperature to be finite",
    )
    yield (
        "empty-band",
        LOSS + "PAUCAtBudgetLoss(1, alpha=0.2, beta=0.1)\n",
        ":2:27: expected alpha below beta",
    )
    yield "weights-and-classes", LOSS + "SoftmaxFocalLoss([])\n", ":2:18: expected class_weights to hold"
    yield "warmup-mixed", LOSS + "LossWarmupWrapper(a, SmoothAPLoss(1), 2, warmup_steps=9)\n", "got both"
    yield (
        "after-wide-characters",
        LOSS + "π = '日本'; SmoothAPLoss(1, queue_sise=4)\n",
        ":2:27: expected an argument",
    )
    yield (
        "by-partial",
        LOSS + "from functools import partial\npartial(SmoothAPLoss, quantil=4)\n",
        ":3:23: expected an argument",
    )


def _notebooks():
    yield "no-json", "loss = 3\n", ": expected a Jupyter notebook, but it is no JSON"
    yield "no-cells", "{}", ": expected a Jupyter notebook, but it has no cells"
    yield "list", "[]", ": expected a Jupyter notebook, but it has no cells"
    yield "deep", "[" * DEEP, ": expected a Jupyter notebook, but it is no JSON"
    yield "strange-cells", '{"cells": [1, null, {"cell_type": "code"}]}', ": expected the call of a loss of"
    typo = {"cell_type": "code", "source": [LOSS, "SmoothAPLoss(1, queue_sise=4)"]}
    cells = [{"cell_type": "markdown", "source": ["(("]}, typo]
    yield "keyword-typo", json.dumps({"cells": cells}), "[cell 2]:2:17: expected an argument of SmoothAPLoss"
    broken = {"cell_type": "code", "source": "x = 1\n("}
    yield "syntax", json.dumps({"cells": [broken]}), "[cell 1]:2:1: expected Python 3"
