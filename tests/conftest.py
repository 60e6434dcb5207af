"""What all tests share: on a build machine hypothesis draws the same examples in every run."""

import os

import pytest
from hypothesis import settings

from tests.exact_int8 import is_exact

settings.register_profile("fixed", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("fixed")


@pytest.fixture
def exact_int8() -> None:
    """For what is compared with floats to the last digit: skipped where the processor cannot do that."""
    if not is_exact():
        pytest.skip("this processor has no VNNI: sums of two large 8-bit products are not exact")
