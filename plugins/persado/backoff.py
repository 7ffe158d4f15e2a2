"""The pauses between attempts, for every retry in this project."""

from __future__ import annotations

import tenacity
from tenacity.wait import wait_base


def growing(first: float, longest: float) -> wait_base:
    """
    Return pauses that double with every attempt. Each is a random length between half of its maximum and the maximum.

    The randomness prevents clients that failed together from retrying together.

    :param first: the maximum of the first pause in seconds
    :param longest: the maximum of any pause in seconds
    """
    half, longest_half = first / 2, longest / 2
    return tenacity.wait_exponential(multiplier=half, max=longest_half) + tenacity.wait_random_exponential(
        multiplier=half, max=longest_half
    )


def pause(failures: int, first: float, longest: float) -> float:
    """
    Return the seconds to wait after a number of consecutive failures.

    :param failures: the number of failures, at least 1
    :param first: as in :func:`growing`
    :param longest: as in :func:`growing`
    """
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    state.attempt_number = failures
    return growing(first, longest)(state)
