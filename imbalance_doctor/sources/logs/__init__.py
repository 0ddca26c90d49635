"""Training logs: one file per format."""

from imbalance_doctor.sources.logs.base import LogReading, read_logs

__all__ = ["LogReading", "read_logs"]
