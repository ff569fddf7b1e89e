from __future__ import annotations

import pytest

from serving.problems import ApiError
from serving.runtime.shares import Shares


def test_a_tenant_has_a_share_of_the_requests() -> None:
    shares = Shares(2, 100, 50)
    with shares.request("greedy"), shares.request("greedy"):
        with pytest.raises(ApiError, match="2 own requests") as told, shares.request("greedy"):
            pass
        assert told.value.status == 429
        with shares.request("late"):
            pass
    with shares.request("greedy"):
        pass


def test_a_tenant_has_a_share_of_the_memory() -> None:
    shares = Shares(9, 100, 50)
    with shares.request("greedy") as first, shares.request("late") as late:
        first.take(30)
        first.take(20)
        with pytest.raises(ApiError, match="own bodies"), shares.request("greedy") as second:
            second.take(1)
        late.take(40)
        with shares.request("third") as third:
            with pytest.raises(ApiError, match="large bodies"):
                third.take(20)
            third.take(10)
    with shares.request("greedy") as again:
        again.take(50)
