"""The pauses between attempts: everything here that tries again waits in this way."""

from __future__ import annotations

import tenacity
from tenacity.wait import wait_base


def growing(first: float, longest: float) -> wait_base:
    """
    Return pauses that double with every attempt, each at random between half its length and all of it.

    Chance keeps clients that failed together from coming back together.

    :param first: the first pause in seconds, at most
    :param longest: the longest pause in seconds
    """
    half, longest_half = first / 2, longest / 2
    return tenacity.wait_exponential(multiplier=half, max=longest_half) + tenacity.wait_random_exponential(
        multiplier=half, max=longest_half
    )


def pause(failures: int, first: float, longest: float) -> float:
    """
    Return the seconds to wait after some failures in a row.

    :param failures: how many, from 1
    :param first: as in :func:`growing`
    :param longest: as in :func:`growing`
    """
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    state.attempt_number = failures
    return growing(first, longest)(state)
