"""A session has what its key allows, ends, and is known by its hash alone."""

from pipelines.config.serve import KeySettings
from serving.keys import KeyRing, make_key
from serving.web.sessions import LAST_SECONDS, Sessions, is_own


def test_a_session_is_its_key_s_until_it_ends() -> None:
    now = [0.0]
    key, digest = make_key()
    ring = KeyRing([KeySettings(name="ana", sha256=digest, tenant="north")], 10)
    sessions = Sessions(ring, lambda: now[0])
    assert sessions.sign_in("lw_wrong", "ana") is None
    secret = sessions.sign_in(f" {key} ", "somebody else")
    assert secret is not None
    found = sessions.find(secret)
    assert found is not None
    assert (found.caller.name, found.caller.tenant) == ("ana", "north")
    assert is_own(found, found.token)
    assert not is_own(found, "")
    assert not is_own(found, "\u00e9")
    assert sessions.find(None) is sessions.find("guessed") is None
    now[0] = LAST_SECONDS
    assert sessions.find(secret) is None


def test_without_keys_a_name_is_enough_and_signing_out_ends_it() -> None:
    sessions = Sessions(KeyRing([], 10))
    first, second = sessions.sign_in("", " ben "), sessions.sign_in("", "")
    found = [sessions.find(one) for one in (first, second)]
    assert [one and one.caller.name for one in found] == ["ben", "local"]
    sessions.sign_out(first)
    assert sessions.find(first) is None
    assert sessions.find(second) is not None
