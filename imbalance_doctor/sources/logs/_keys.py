"""What a log's keys mean: ``val/box_loss``, ``Test cls recall 3`` and ``s_auc`` to canonical names.

A key is cut into words; words for the phase and words that say nothing are taken out, words that make it
something else than a measurement (a clock, a rate, a running extreme) refuse it, and the longest known name
among the rest decides. What is left then says which part it is: a class, a head, a term of the loss. The
tables are the whole knowledge; a new dialect is a line in one of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath
from typing import Literal

from imbalance_doctor.errors import InputError, did_you_mean
from imbalance_doctor.evidence import SERIES

__all__ = ["ABSOLUTE", "CURVES", "SHARES", "STAND_IN", "Named", "canonical", "override", "phase_of_file"]

Place = Literal["train", "val", "test", ""]

STAND_IN = 5
"""`Named.order` from which a series only counts where no better one exists."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NAMED_TEST = re.compile(r"test[\W_]*(?:error|loss|log|metric|result|acc|history|score)", re.IGNORECASE)

SHARES = _words("""
    accuracy average_precision balanced_accuracy dice f1 false_positive_rate foreground_accuracy iou
    partial_auc precision predicted_positive_share prevalence recall recall_at_quantile roc_auc
    specificity
""")
"""Names whose values lie between 0 and 1, which some logs give in percent."""

CURVES = SHARES - {"prevalence", "predicted_positive_share"} | {
    "loss", "loss_component", "loss_mean", "bce", "mcc", "gradient_norm",
}  # fmt: skip
"""Names of which one is enough to make a log the log of a training."""

ABSOLUTE = frozenset(SERIES) - CURVES - {"prevalence", "predicted_positive_share"}
"""Names that mean the same in every phase, unless the key itself says one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What one key means.

    Attributes
    ----------
    name
        A key of `SERIES`.
    phase
        As the key says it; ``test`` is settled when all keys are known.
    part
        Class, head, term of the loss; empty for the whole.
    complement
        An error: the series is 1 minus the value.
    order
        Which of several whole series of one name is the best: the smallest; see `STAND_IN`.
    kind
        What a whole loss is called if another one turns out to be the total: ``dice``.
    dataset
        Number of the evaluation set where the phase has one: ``validation_1``; -1 otherwise.
    given
        By the user: nothing in the log changes it.
    """

    name: str
    phase: Place = ""
    part: str = ""
    complement: bool = False
    order: int = 0
    kind: str = ""
    dataset: int = -1
    given: bool = False

    def __str__(self) -> str:
        return " ".join(filter(None, (self.phase, self.name, self.part and f"[{self.part}]")))


_PHASES: Mapping[str, Place] = {
    "train": "train", "training": "train", "trn": "train", "tr": "train", "learn": "train",
    "trainset": "train",
    "val": "val", "valid": "val", "validation": "val", "validating": "val", "dev": "val", "eval": "val",
    "evaluation": "val", "evaluating": "val", "vali": "val", "valset": "val", "holdout": "val", "oof": "val",
    "test": "test", "testing": "test", "tst": "test", "testset": "test",
    "predict": "test",
}  # fmt: skip

# Words that change nothing.
_FILLERS = _words("""
    a achieved after all an and at average avg batch bbox binary by class cls coco coef coefficient
    completed cur current data dataset decode done end epoch epochs fast final finished for global got
    head heads in inner is iter iteration iterations label labels last log logs ma mean meter metric
    metrics minibatch model monitor multiclass multilabel net new now of on optim optimizer overall per
    performance rate raw rcnn reached reduce reduced result results roi running s scalar scalars score
    set stats step the this torchmetrics total trainer trn update val value vs with
""")
# The same where a loss is concerned, for which a class or a rate is no filler.
_LOSS_FILLERS = _FILLERS - _words("""
    class cls label labels coef coefficient rate binary multiclass multilabel bbox fast rcnn roi head
    heads decode
""") | _words("fn function criterion mini smoothed smooth history")
# Words with which it is a clock, a counter, a setting, a running extreme or a difference.
_REFUSED = _words("""
    baseline best beta bsz change ci count counter cpu decay delta diff difference dropout duration
    epsilon eps every freq frequency gamma interval smoothing type
    elapsed episode eta flops flos fps gap gb gpu highest hour hours image images img imgs
    improved improvement ips it lambda
    len length lower lowest margin max maximum mb mem memory min minimum minute minutes momentum ms num
    number p50 p90 p95 p99 parameters params patience percentage perplexity ppl prev
    previous progress remaining return
    returns reward runtime samples sec second seconds secs seed size speed std stderr stdev target
    tflops thr thresh threshold throughput time times tokens upper ups var variance vram warmup weight
    weights wpb wps
""")
# What a loss is made of, where it is nevertheless all there is of it.
_LOSS_KINDS = _words("""
    asl bbce bce bcedice binary categorical ce celoss classification combined combo cross crossentropy
    dice dicece entropy error focal hinge huber hybrid l1 l2 lm log logistic logit logits mae main mlm
    mse nll nllloss ntp objective sigmoid softmax sparse squared sum tversky weighted
""")
# Names without the word: what they are called beside a loss, where there is one.
_LIKE_LOSSES = {
    ("cross", "entropy"): "bce", ("crossentropy",): "bce", ("binary", "crossentropy"): "bce",
    ("binary", "cross", "entropy"): "bce", ("bce",): "bce", ("log", "likelihood"): "", ("nll",): "bce",
    ("ce",): "bce", ("xent",): "bce", ("mlogloss",): "bce", ("cost",): "", ("objective",): "",
    ("categorical", "crossentropy"): "bce", ("sparse", "categorical", "crossentropy"): "bce",
    ("rmse",): "", ("mse",): "", ("mae",): "", ("l2",): "", ("l1",): "", ("total",): "", ("deviance",): "bce",
    ("mean", "squared", "error"): "", ("mean", "absolute", "error"): "", ("huber",): "", ("elbo",): "",
}  # fmt: skip

# name, whether it is an error, order, how logs call it; the longest run of words in a key decides.
_METRICS: tuple[tuple[str, bool, int, str], ...] = (
    ("average_precision", False, 0, """
     average precision, mean average precision, ap, map, m ap, aupr, auprc, auc pr, pr auc, aucpr,
     prauc, auc prc, prc auc, auprcurve, avg precision, averageprecision, binaryaverageprecision,
     map5095, average precision score, apscore, area under pr
    """),
    ("average_precision", False, 1, "map50, ap50"),
    ("average_precision", False, 2, "map75, ap75"),
    ("roc_auc", False, 0, """
     auc, auroc, roc auc, auc roc, rocauc, aucroc, roc, binaryauroc, multiclassauroc, aucscore, roc auc
     score, area under roc, aucs
    """),
    ("partial_auc", False, 0, "pauc, partial auc, partial roc auc, p auc"),
    ("recall_at_quantile", False, 0, "recall q, recall at quantile, recall quantile, raq"),
    ("recall", False, 0, """
     recall, recalls, ents r, sensitivity, sens, tpr, true positive rate, rec, hit rate, binaryrecall,
     detection rate
    """),
    ("recall", False, 1, "ar, mar, mean average recall"),
    ("recall", True, 1, """
     fnr, false negative rate, miss rate, false negative, false neg ratio
    """),
    ("precision", False, 0, """
     precision, precisions, ents p, prec, ppv, positive predictive value, binaryprecision
    """),
    ("specificity", False, 0, "specificity, spec, tnr, true negative rate"),
    ("false_positive_rate", False, 0, """
     fpr, false positive rate, fall out, fallout, false alarm rate
    """),
    ("f1", False, 0, """
     f1, f1s, ents f, cats macro f, f1 score, fscore, f score, f1score, f measure, fmeasure,
     binaryf1score, multiclassf1score, f 1
    """),
    ("mcc", False, 0, """
     mcc, matthews, matthews corrcoef, matthews correlation, matthews correlation coefficient
    """),
    ("accuracy", False, 0, """
     acc, accuracy, accs, acc1, top1, top 1, accuracy top1, top1 accuracy, top1 acc, acc top1, prec1, pixacc,
     pixel accuracy, pixel acc, categorical accuracy, binary accuracy, aacc, oa, sparse categorical
     accuracy, overall accuracy, accu, accuracies, precat1, accat1, top 1 acc, top1acc, acc seg, cls
     accuracy, multiclassaccuracy, binaryaccuracy, accuracy score, pa, rank1, top 1 accuracy, accuracy
     top 1, pix acc, a acc
    """),
    ("accuracy", True, 1, """
     err, error, error rate, top1 err, top1 error, err top1, merror, class error, top 1 err, top 1
     error, classification error, misclassification, err1, misclassification rate, train err, err rate
    """),
    ("balanced_accuracy", False, 0, """
     balanced accuracy, balanced acc, bal acc, bacc, balacc, macc, uar, balanced accuracy score,
     balancedaccuracy, bal accuracy, mean class accuracy, mean per class accuracy, bca, m acc
    """),
    ("balanced_accuracy", False, STAND_IN, "gm, gmean, g mean, geometric mean"),
    ("foreground_accuracy", False, 0, "fg cls accuracy, foreground accuracy, fg accuracy, fg acc"),
    ("dice", False, 0, """
     dice, dsc, dice coef, dice coefficient, dice score, dice similarity coefficient, gds, mdice,
     generalized dice score, dicescore, pseudo dice, dices, foreground dice, dice metric, m dice
    """),
    ("iou", False, 0, """
     iou, miou, jaccard, mean iou, mean io u, jaccard index, jac, jaccard score, io u, ious, meaniou, m
     iou, fwiou, intersection over union, binary io u
    """),
    ("loss_scale", False, 0, """
     loss scale, amp scale, grad scale, scaler scale, loss scaler
    """),
    ("gradient_norm", False, 0, """
     grad norm, gradnorm, gnorm, gradient norm, grad norm total, total grad norm, grads norm, grad 2 0
     norm total, grad 2 norm total, global grad norm, global gradient norm, norm grad, grad 2 0 norm,
     grad 2 norm, gradients norm, total norm
    """),
    ("learning_rate", False, 0, """
     lr, learning rate, learningrate, lr0, base lr, lrate, lr 0, lr pg0, learning rate group 0, lr
     group 0
    """),
)  # fmt: skip
_OPTIMISERS = _words("adam w nadam radam sgd rmsprop rm sprop adagrad lion")  # as capitals cut them
_AVERAGES = {"macro": 1, "mac": 1, "weighted": 2, "micro": 3, "mic": 3, "ema": STAND_IN}
_BY_WORDS = {
    tuple(words.split()): (name, complement, order)
    for name, complement, order, synonyms in _METRICS
    for words in synonyms.split(",")
}
_LONGEST_NAME = max(len(words) for words in _BY_WORDS)
_STARTS = frozenset(words[0] for words in _BY_WORDS)

# Keys whose meaning hangs on all of their words, phase taken off; `\d*` is the window they were taken over.
_WHOLE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"loss_mean\d*", "loss_mean"),
        (r"loss_std\d*", "loss_std"),
        (r"(?:loss_zero|zero_loss)_(?:frac|share|fraction)\d*", "loss_zero_share"),
        (r"grad(?:ient)?(?:_norm)?_max\d*|max_grad(?:ient)?_norm_seen", "gradient_norm_max"),
        (r"grad(?:ient)?(?:_norm)?_med(?:ian)?\d*", "gradient_norm_median"),
        (
            r"(?:n(?:um)?_)?pos(?:itives)?_(?:(?:in|per)_)?batch|batch_(?:n(?:um)?_)?pos(?:itives)?",
            "positives_in_batch",
        ),
        (
            r"(?:batch_no_?pos(?:itives)?|no_?pos(?:itives)?_batch(?:es)?)_(?:frac|share)",
            "batch_without_positives_share",
        ),
        (
            r"batch_without_positives_share",
            "batch_without_positives_share",
        ),
        (r"(?:pos|positive)_(?:rate|share|frac|fraction|ratio)|prevalence|base_rate", "prevalence"),
        (
            r"(?:pred(?:icted)?_pos(?:itives?)?|pos(?:itive)?_pred(?:iction)?s?)_(?:frac|rate|share|ratio)",
            "predicted_positive_share",
        ),
        (r"(?:frac(?:tion)?|share)_pred(?:icted)?_pos(?:itives?)?", "predicted_positive_share"),
        (r"(?:score|logit)s?_mean", "score_mean"),
        (r"(?:score|logit)s?_mean_neg(?:ative)?s?|neg_(?:score|logit)s?_mean", "score_mean_negative"),
        (r"(?:score|logit)s?_mean_pos(?:itive)?s?|pos_(?:score|logit)s?_mean", "score_mean_positive"),
        (r"(?:score|logit)s?_std", "score_std"),
        (r"(?:score|logit)s?_std_neg(?:ative)?s?|neg_(?:score|logit)s?_std", "score_std_negative"),
        (r"(?:score|logit)s?_std_pos(?:itive)?s?|pos_(?:score|logit)s?_std", "score_std_positive"),
        (r"positives|n(?:um)?_pos(?:itives)?", "positives"),
        (r"(?:score|logit)s?_(?:abs_?max|max_?abs)|max_?abs_(?:score|logit)s?", "score_absmax"),
        (r"phase|stage", "stage"),
        (r"main_(?:loss_)?weight|blend_weight", "main_weight"),
        (r"temperature|tau|temp", "temperature"),
        (r"tau_eff(?:ective)?", "tau_eff"),
        (r"threshold|score_threshold", "threshold"),
        (r"pool_size|pool_rows", "pool_size"),
        (r"pool_(?:n(?:um)?_)?pos(?:itives)?|(?:n(?:um)?_)?pos(?:itives)?_(?:in_)?pool", "pool_positives"),
        (r"queue_(?:fill|size|rows|len)", "queue_fill"),
        (r"queue_(?:n(?:um)?_)?pos(?:itives)?|(?:n(?:um)?_)?pos(?:itives)?_(?:in_)?queue", "queue_positives"),
        (r"queue_(?:(?:score|logit)s?_)?mean", "queue_score_mean"),
        (r"queue_(?:(?:score|logit)s?_)?std", "queue_score_std"),
        (r"queue_age", "queue_age"),
        (r"band_neg(?:ative)?s?(?:_count)?", "band_neg_count"),
        (r"grad_pos(?:itives)?(?:_count)?", "grad_pos_count"),
        (r"rank_loss_(std|min|max)", "rank_loss_"),
        (r"gradient_share_positive", "gradient_share_positive"),
        (r"gradient_sign_positive", "gradient_sign_positive"),
        (r"positives_with_gradient", "positives_with_gradient"),
        (r"chance_level", "chance_level"),
    )
)

# Columns of detection consoles; in lower case they mean nothing.
_LETTERS = {"P": "precision", "R": "recall"}
# Columns of CatBoost's console, which does not name what it measures.
_UNNAMED: Mapping[str, Place] = {"learn": "train", "test": "test"}
_FOREIGN = {
    "损失值": " loss ", "损失": " loss ", "准确率": " accuracy ", "正确率": " accuracy ",
    "精确率": " precision ",
    "精度": " accuracy ", "召回率": " recall ", "学习率": " learning rate ", "训练集": " train ",
    "训练": " train ", "验证集": " val ", "验证": " val ", "测试集": " test ", "测试": " test ", "平均": " ",
    "最佳": " best ", "最优": " best ", "最高": " best ", "потери": " loss ", "точность": " accuracy ",
    "полнота": " recall ", "pérdida": " loss ", "perte": " loss ", "обучени": " train ", "валидаци": " val ",
    "entrenamiento": " train ", "validación": " val ", "exactitud": " accuracy ", "entraînement": " train ",
    "rappel": " recall ", "richiamo": " recall ", "sensibilidad": " recall ",
    "exactitude": " accuracy ", "trainingsverlust": " train loss ",
    "validierungsverlust": " val loss ", "verlust": " loss ", "trainings": " train ", "validierungs": " val ",
    "genauigkeit": " accuracy ", "trefferquote": " recall ", "perdita": " loss ", "addestramento": " train ",
    "validazione": " val ", "accuratezza": " accuracy ", "perda": " loss ", "treino": " train ",
    "validação": " val ", "acurácia": " accuracy ", "学習率": " learning rate ", "損失": " loss ",
    "訓練": " train ", "検証": " val ", "正解率": " accuracy ", "適合率": " precision ", "再現率": " recall ",
    "学習": " train ", "손실": " loss ", "훈련": " train ", "학습률": " learning rate ", "학습": " train ",
    "검증": " val ", "정확도": " accuracy ", "재현율": " recall ", "정밀도": " precision ", "f1值": " f1 ",
}  # fmt: skip
_BOX_AND_MASK = {"(b)": "", "(m)": "mask", "(p)": "pose"}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z]{3})(?=[A-Z])")
_GLUED = re.compile(
    r"\b(train|trn|tr|val|valid|validation|test|dev|eval)"
    r"(loss|losses|acc|accuracy|auc|auroc|f1|dice|iou|recall|precision|ap|map|err|error)\b"
)
_MAP = re.compile(
    r"(?<![a-z])(m?ap)[\s_@/(\[]*(?:iou)?[=_@]?[\s(]*0?\.?(50?)\s*[-_:]+\s*(?:0?\.0?5\s*:\s*)?0?\.?95\b[\s)\]]*"
    r"|(?<![a-z])(m?ap)[\s_@/(\[]*(?:iou)?[=_@]?[\s(]*0?\.?(50?|75)\b[)\]]*"
)
_AT = re.compile(
    r"(?<![a-z])(recall|ar|r|hits?|precision|p|acc|accuracy|prec|top|rank|ndcg|map|mrr)"
    r"(?:\s*@\s*|[\s_-]at[\s_-](?!quantile|q))(\w+)"
)
_SIZE = re.compile(r"(?<![a-z])m?a([pr])[_-]?(s|m|l|small|medium|large)$", re.IGNORECASE)
_TOP = re.compile(r"(?<![a-z])top[_-]?([2-9]|10)(?![0-9])", re.IGNORECASE)
_RATE_OF = re.compile(r"^(lr|learning[ _]rate)\(\w*\)$", re.IGNORECASE)
_NUMBERED_LOSS = re.compile(r"loss\d+")
_LOG_LOSSES = frozenset(("logloss", "mlogloss"))
_LOG_KINDS = frozenset(("log", "binary", "multi", "multiclass"))
_NUMBERED = re.compile(r"\b(lr|pg)(\d+)\b")
_OF_SET = re.compile(r"^(.*?)'s\s+(.+)$")
_OF_CLASS = re.compile(r"^(?:\w+/)?(Acc|IoU|Dice|Precision|Recall|Fscore)\.(\S.*)$")
_CLASS_NAMES = {
    "acc": "recall", "iou": "iou", "dice": "dice", "precision": "precision", "recall": "recall",
    "fscore": "f1",
}  # fmt: skip
_BARE_ERRORS = frozenset(("err", "error"))
_INDEX = re.compile(r"^(.*\S)\s*\[([^\[\]]{1,40})\]$")
_BOOSTED = re.compile(r"\b(val(?:id(?:ation)?)?|eval|test)_?(\d+)\b")
_WORD = re.compile(r"[^\W_]+")
_LONGEST_KEY = 200
_MOST_LEFT = 4
_MOST_WORDS = 12


@lru_cache(maxsize=20_000)
def canonical(key: str) -> Named | None:
    """Return what a log's key means; None for clocks, counters, settings and whatever is not known.

    >>> print(canonical("metrics/mAP50(B)"), canonical("val/box_loss"), sep="; ")
    average_precision; val loss_component [box]
    >>> print(canonical("test_cls_recall/9"))
    test recall [9]
    >>> print(canonical("training's auc"), canonical("best_val_f1"), canonical("elapsed time per iteration"))
    train roc_auc None None
    """
    key, part = _indexed(key[: _LONGEST_KEY + 1].strip().strip("'\"*-•:| "))
    if key in _LETTERS:
        return Named(name=_LETTERS[key], part=part)
    if key in _UNNAMED and not part:
        return Named(name="loss", phase=_UNNAMED[key], order=STAND_IN + 4, kind="unnamed")
    of_class = _OF_CLASS.match(key)
    if of_class:
        return Named(name=_CLASS_NAMES[of_class[1].lower()], part=of_class[2])
    text, mask = _plain(key)
    words = [(found.group().lower(), found.group()) for found in _WORD.finditer(text)]
    if not words or len(words) > _MOST_WORDS or len(key) > _LONGEST_KEY:
        return None
    phase, dataset, words = _phased(words, text.lower())
    found = _whole(words) or _loss(words) or _metric(words)
    if found is None:
        return None
    parts = [p for p in (found.part, part, mask) if p]
    return Named(
        name=found.name,
        phase=phase,
        part=" ".join(parts),
        complement=found.complement,
        order=found.order,
        kind=found.kind,
        dataset=dataset,
    )


def phase_of_file(name: str) -> Place:
    """Return the phase that a file's name states, for logs that hold one phase alone.

    >>> phase_of_file("test_error.tsv"), phase_of_file("val.log"), phase_of_file("test.log")
    ('test', 'val', '')
    """
    stem = PurePath(name).stem
    words = [found.group() for found in re.finditer(r"[a-z]+", _CAMEL.sub(" ", stem).lower())]
    phases = {_PHASES[word] for word in words if word in _PHASES}
    if phases == {"val"}:
        return "val"
    return "test" if phases == {"test"} and _NAMED_TEST.search(stem) else ""


def override(keys: Mapping[str, str]) -> dict[str, Named]:
    """Return what the user says keys mean.

    Raises
    ------
    InputError
        A name is not in `evidence.SERIES`, with ``train_`` or ``val_`` in front or not.
    """
    given = {}
    for key, said in keys.items():
        phase: Place = ""
        name = said.strip().lower().replace("/", "_")
        for prefix in ("train", "val"):
            if name.startswith(f"{prefix}_") and name not in SERIES:
                phase, name = ("train" if prefix == "train" else "val"), name.removeprefix(f"{prefix}_")
        if name not in SERIES:
            known = [*SERIES, *(f"{p}_{n}" for p in ("train", "val") for n in SERIES)]
            raise InputError(
                f"expected the name of a series, but got '{said}' for the key '{key}'",
                where="--map",
                hint=did_you_mean(said, known) or f"a name such as {', '.join(list(SERIES)[:8])}",
            )
        given[key] = Named(name=name, phase=phase, given=True)
    return given


def _indexed(key: str) -> tuple[str, str]:
    """Take an index off the end: ``Pseudo dice[1]``."""
    found = _INDEX.match(key)
    return (found[1], found[2].strip()) if found else (key, "")


def _plain(key: str) -> tuple[str, str]:  # noqa: C901  one spelling after another
    """Return the key as words apart, and the head that a suffix such as ``(M)`` names."""
    mask = ""
    sized = _SIZE.search(key)
    if sized and ("/" in key or "_" in sized[0]):
        return f"{key[: sized.start()]} A{sized[1]}", {"s": "small", "m": "medium", "l": "large"}[
            sized[2][0].lower()
        ]
    key = _RATE_OF.sub(r"\1", key)
    for suffix, head in _BOX_AND_MASK.items():
        if key.lower().endswith(suffix):
            key, mask = key[: -len(suffix)], head
    for foreign, word in sorted(_FOREIGN.items(), key=lambda pair: -len(pair[0])):
        if foreign in key.lower():
            key = key.lower().replace(foreign, word)
    named = _OF_SET.match(key)
    if named:  # LightGBM: the data set's name, which may be a path
        place = re.split(r"[\\/]", named[1])[-1].rsplit(".", 1)[0]
        phases = re.search(rf"(?<![a-z])({'|'.join(_PHASES)})(?![a-z])[_-]?\d*", place, re.IGNORECASE)
        key = f"{phases[0] if phases else place} {named[2]}"
    for spelling, metric in _SPELT_OUT:
        key = spelling.sub(metric, key)
    lowered = key.lower()
    mapped = _MAP.search(lowered)
    if mapped:
        which = "5095" if mapped[1] else mapped[4].replace("5", "50", 1) if mapped[4] in {"5", "50"} else "75"
        which = "50" if which in {"50", "500"} else which
        key = f"{key[: mapped.start()]} map{which} {key[mapped.end() :]}"
        return _CAMEL.sub(" ", key), mask
    top = _TOP.search(key)
    if top and not {"acc", "accuracy"} & set(re.findall(r"[a-z]+", lowered)):
        return f"{key[: top.start()].replace('_', ' ')} accuracy {key[top.end() :]}", f"@{top[1]}"
    at = _AT.search(lowered)
    if at:
        first = at[2] in {"1", "top1"} and at[1] in {"acc", "accuracy", "prec", "top", "rank"}
        name = "acc" if first else "recall" if at[1] == "r" else at[1]
        name = "accuracy" if first or at[1] in {"acc", "top", "rank"} else name
        return f"{key[: at.start()]} {name} {key[at.end() :]}", mask or ("" if first else f"@{at[2]}")
    key = _NUMBERED.sub(r"\1 \2", key)
    return _GLUED.sub(r"\1 \2", _CAMEL.sub(" ", key)), mask


# The area under the precision-recall curve, where both words would be read as metrics of their own, and
# recall among a share of the rows (a plain number is a rank: recall@5).
_SPELT_OUT = (
    (
        re.compile(
            r"auc[\W_]*precision[\W_]*recall|precision[\W_]*recall[\W_]*(?:curve[\W_]*)?auc", re.IGNORECASE
        ),
        " auprc ",
    ),
    (
        re.compile(
            r"(?<![a-z])(?:recall|rec|r|sensitivity)[\s_]*(?:@|at)[\s_]*"
            r"(?:0?\.\d+|\d+e-\d+|\d+(?:\.\d+)?[\s_]*(?:%|pct|percent))(?![a-z\d])",
            re.IGNORECASE,
        ),
        " recall at quantile ",
    ),
)

Words = list[tuple[str, str]]


def _phased(words: Words, text: str) -> tuple[Place, int, Words]:
    """Take the words for the phase out."""
    phases = [(i, _PHASES[word]) for i, (word, _) in enumerate(words) if word in _PHASES]
    boosted = _BOOSTED.search(text)
    dataset = int(boosted[2]) if boosted and len(boosted[2]) < 3 else -1  # noqa: PLR2004
    if boosted and not phases:
        word = "".join(boosted.groups())
        phases = [(i, _PHASES[boosted[1]]) for i, (w, _) in enumerate(words) if w == word]
    if not phases:
        return "", -1, words
    said: set[Place] = {phase for _, phase in phases}
    # "loss/test_Training", "train/val_loss": the first is a folder
    phase: Place = phases[-1][1] if "train" in said else "val" if "val" in said else "test"
    taken = {i for i, _ in phases}
    if dataset >= 0:
        taken |= {i + 1 for i, _ in phases if i + 1 < len(words) and words[i + 1][0] == str(dataset)}
    left = [word for i, word in enumerate(words) if i not in taken]
    return phase, dataset, left


def _whole(words: Words) -> Named | None:
    joined = "_".join(word for word, _ in words)
    for pattern, name in _WHOLE:
        found = pattern.fullmatch(joined)
        if found:
            return Named(name=f"{name}{found[1]}" if name.endswith("_") else name)
    return None


def _loss(words: Words) -> Named | None:
    lowered = [word for word, _ in words]
    at = next((i for i, word in enumerate(lowered) if _is_loss(word)), -1)
    if at < 0:
        return _like_a_loss(tuple(lowered))
    if _REFUSED & set(lowered) or {"scale", "scaler"} & set(lowered):
        return None
    word = lowered[at]
    rest = [own for i, (low, own) in enumerate(words) if i != at and low not in _LOSS_FILLERS]
    if word in _LOG_LOSSES or (word == "loss" and "log" in lowered[:at] and len(rest) == 1):
        return Named(name="loss", order=STAND_IN + 1, kind="bce") if set(rest) <= _LOG_KINDS else None
    glued = word.removesuffix("losses").removesuffix("loss").removeprefix("loss")
    rest = [glued, *rest] if glued else rest
    if len(rest) > _MOST_LEFT:
        return None
    named = "_".join(rest)
    if rest and not {own.lower() for own in rest} <= _LOSS_KINDS:
        return Named(name="loss_component", part=named)
    smoothed = bool({"smoothed", "smooth"} & set(lowered))
    order = 4 if rest else 3 if smoothed else 0 if "total" in lowered else 1 if len(words) == 1 else 2
    return Named(name="loss", order=order, kind=named)


def _like_a_loss(words: tuple[str, ...]) -> Named | None:
    """Return the meaning of what is a loss where nothing else is: ``logloss``, ``cost``."""
    bare = tuple(word for word in words if word not in _LOSS_FILLERS)
    for name in (words, bare):
        if name in _LIKE_LOSSES:
            kind = _LIKE_LOSSES[name]
            return Named(name="loss", order=STAND_IN + (1 if kind else 3), kind=kind or "_".join(words))
    return None


def _is_loss(word: str) -> bool:
    """Tell a loss in one word: ``celoss``, ``loss1``."""
    return word.endswith(("loss", "losses")) or _NUMBERED_LOSS.fullmatch(word) is not None


def _metric(words: Words) -> Named | None:
    lowered = [word for word, _ in words]
    found = _longest_name(lowered)
    if found is None:
        return None
    start, stop = found
    name, complement, order = _BY_WORDS[tuple(lowered[start:stop])]
    left = words[:start] + words[stop:]
    if _REFUSED & {low for low, _ in left}:
        return None
    averages = [low for low, _ in left if low in _AVERAGES]
    if averages:
        order += _AVERAGES[averages[0]]
    if name == "learning_rate":
        left = [word for word in left if word[0] not in {"x", "0", "pg"} | _OPTIMISERS]
    # "acc/test_recall/3": the folder says what kind of thing it is
    known = _FILLERS | _AVERAGES.keys()
    rest = [own for low, own in left if low not in known and (low,) not in _BY_WORDS]
    if len(rest) > _MOST_LEFT or (rest and lowered[start] in _BARE_ERRORS):
        return None
    return Named(name=name, part="_".join(rest), complement=complement, order=order)


def _longest_name(lowered: list[str]) -> tuple[int, int] | None:
    """Return where the longest known name stands, the last of equally long ones."""
    best: tuple[int, int] | None = None
    for start, word in enumerate(lowered):
        if word not in _STARTS:
            continue
        for stop in range(min(start + _LONGEST_NAME, len(lowered)), start, -1):
            if tuple(lowered[start:stop]) in _BY_WORDS:
                if best is None or stop - start >= best[1] - best[0]:
                    best = (start, stop)
                break
    return best
