"""The fixtures of `tests/forecasting`, for what spans its modules."""

from tests.forecasting.conftest import either, fitted, grocery, small, voting

__all__ = [
    "either",
    "fitted",
    "grocery",
    "small",
    "voting",
]
