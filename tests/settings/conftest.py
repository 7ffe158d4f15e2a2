"""Lets pytest explain the assertions that the tests of the settings share."""

import pytest

pytest.register_assert_rewrite("support.settings")
