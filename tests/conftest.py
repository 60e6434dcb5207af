"""What all tests share: on a build machine hypothesis draws the same examples in every run."""

import os

from hypothesis import settings

settings.register_profile("fixed", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("fixed")
