"""Student's t against scipy's."""

import pytest
from scipy import stats

from imbalance_doctor.lab._student import student


@pytest.mark.parametrize("freedom", [*range(1, 61), 100, 1000, 10**6])
def test_three_digits(freedom):
    assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=5e-4)
