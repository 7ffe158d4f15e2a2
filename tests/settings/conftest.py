"""Enable pytest's assertion details in the helpers of the settings tests."""

import pytest

pytest.register_assert_rewrite("support.settings")
