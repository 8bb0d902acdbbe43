"""Settings for the tests of deliveries."""

from __future__ import annotations

import pytest

# Pytest reports a failed assertion of a helper in full, as it does in a test.
pytest.register_assert_rewrite("delivery")
