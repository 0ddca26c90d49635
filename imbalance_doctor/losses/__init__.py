"""Losses for rare classes under the reference library's names: change one import. Needs torch.

::

    - from imbalanced_losses import LossWarmupWrapper, SmoothAPLoss
    + from imbalance_doctor.losses import LossWarmupWrapper, SmoothAPLoss
"""

from importlib.util import find_spec

if find_spec("torch") is None:
    raise ImportError("the losses need torch: pip install 'imbalance-doctor[torch]'")

from imbalance_doctor.losses.base import RankingLoss
from imbalance_doctor.losses.gather import all_gather_no_grad, all_gather_with_grad
from imbalance_doctor.losses.pauc_at_budget import PAUCAtBudgetLoss, pauc_at_budget
from imbalance_doctor.losses.queue import MemoryQueue
from imbalance_doctor.losses.recall_at_quantile import RecallAtQuantileLoss, recall_at_quantile
from imbalance_doctor.losses.sigmoid_focal import SigmoidFocalLoss, sigmoid_focal
from imbalance_doctor.losses.smooth_ap import SmoothAPLoss, smooth_ap
from imbalance_doctor.losses.softmax_focal import SoftmaxFocalLoss, softmax_focal
from imbalance_doctor.losses.warmup import LossWarmupWrapper
from imbalance_doctor.losses.weighted import (
    ClassBalancedBCELoss,
    ClassBalancedCELoss,
    MinedBCELoss,
    WeightedBCELoss,
    WeightedCELoss,
    class_balanced_pos_weight,
    class_balanced_weights,
    inverse_frequency_weights,
    mined_bce,
)

__all__ = [
    "ClassBalancedBCELoss",
    "ClassBalancedCELoss",
    "LossWarmupWrapper",
    "MemoryQueue",
    "MinedBCELoss",
    "PAUCAtBudgetLoss",
    "RankingLoss",
    "RecallAtQuantileLoss",
    "SigmoidFocalLoss",
    "SmoothAPLoss",
    "SoftmaxFocalLoss",
    "WeightedBCELoss",
    "WeightedCELoss",
    "all_gather_no_grad",
    "all_gather_with_grad",
    "class_balanced_pos_weight",
    "class_balanced_weights",
    "inverse_frequency_weights",
    "mined_bce",
    "pauc_at_budget",
    "recall_at_quantile",
    "sigmoid_focal",
    "smooth_ap",
    "softmax_focal",
]
