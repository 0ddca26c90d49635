"""Losses for rare classes under the reference library's names: change one import. Needs torch.

::

    - from imbalanced_losses import LossWarmupWrapper, SmoothAPLoss
    + from imbalance_doctor.losses import LossWarmupWrapper, SmoothAPLoss
"""

from imbalance_doctor.losses.base import RankingLoss
from imbalance_doctor.losses.gather import all_gather_no_grad, all_gather_with_grad
from imbalance_doctor.losses.pauc_at_budget import PAUCAtBudgetLoss, pauc_at_budget
from imbalance_doctor.losses.queue import MemoryQueue
from imbalance_doctor.losses.recall_at_quantile import RecallAtQuantileLoss, recall_at_quantile
from imbalance_doctor.losses.smooth_ap import SmoothAPLoss, smooth_ap
from imbalance_doctor.losses.warmup import LossWarmupWrapper

__all__ = [
    "LossWarmupWrapper",
    "MemoryQueue",
    "PAUCAtBudgetLoss",
    "RankingLoss",
    "RecallAtQuantileLoss",
    "SmoothAPLoss",
    "all_gather_no_grad",
    "all_gather_with_grad",
    "pauc_at_budget",
    "recall_at_quantile",
    "smooth_ap",
]
