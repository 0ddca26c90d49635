"""Training logs: one file per format."""

from imbalance_doctor.sources.logs.base import LogReading, Options, read_logs

__all__ = ["LogReading", "Options", "read_logs"]
