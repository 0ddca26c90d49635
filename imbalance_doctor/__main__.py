"""`python -m imbalance_doctor`."""

from imbalance_doctor.cli import main

main()
