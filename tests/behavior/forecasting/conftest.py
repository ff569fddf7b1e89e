"""The fixtures of `tests/forecasting`, for what spans its modules."""

from tests.forecasting.conftest import by_demand, either, fitted, grocery, small, voting

__all__ = [
    "by_demand",
    "either",
    "fitted",
    "grocery",
    "small",
    "voting",
]
