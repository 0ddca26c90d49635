"""One thread per process: the tests run side by side, and thread pools that compete are slow."""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from hypothesis import settings  # noqa: E402  after the threads are set

settings.register_profile("no-clock", deadline=None)  # a busy machine is no fault
settings.load_profile("no-clock")
