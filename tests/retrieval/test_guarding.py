import copy
import pickle
import threading

from retrieval.guarding import Lock


def _is_free(lock: Lock) -> bool:
    """Tell whether another thread gets it."""
    got: list[bool] = []

    def take() -> None:
        with lock:
            got.append(True)

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    thread.join(0.2)
    return bool(got)


def test_whoever_holds_a_lock_may_take_it_again_and_nobody_else() -> None:
    lock = Lock()
    with lock, lock:
        assert not _is_free(lock)
    assert _is_free(lock)


def test_copies_and_pickles_of_a_lock_are_free() -> None:
    lock = Lock()
    with lock:
        for other in (copy.copy(lock), copy.deepcopy(lock), pickle.loads(pickle.dumps(lock))):
            assert _is_free(other)
