"""Plan files, options and training scripts → `PlannedRun`."""

from imbalance_doctor.sources.plans._schema import example_plan, plan_schema
from imbalance_doctor.sources.plans._writer import write_plan
from imbalance_doctor.sources.plans.base import overlay, plan_from_options, read_plan

__all__ = ["example_plan", "overlay", "plan_from_options", "plan_schema", "read_plan", "write_plan"]
