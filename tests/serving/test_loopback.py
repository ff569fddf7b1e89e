"""Without keys only this machine's own names are answered."""

import pytest

from serving.loopback import is_from_loopback

_HERE = ["localhost", "localhost:8000", "127.0.0.1:8000", "127.8.9.1", "[::1]:8000", "LOCALHOST"]
_ELSEWHERE = ["", "rebound.example:8000", "127.0.0.1.example", "10.0.0.1", "localhost.example", "["]


@pytest.mark.parametrize("host", _HERE)
def test_this_machine_is_answered(host: str) -> None:
    assert is_from_loopback(host, None)
    assert is_from_loopback("127.0.0.1", f"http://{host}")


@pytest.mark.parametrize("host", _ELSEWHERE)
def test_other_names_and_origins_are_not(host: str) -> None:
    assert not is_from_loopback(host, None)
    assert not is_from_loopback("127.0.0.1", f"http://{host}")
    assert not is_from_loopback("127.0.0.1", "null")
