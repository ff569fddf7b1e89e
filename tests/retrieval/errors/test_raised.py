from retrieval import first_few


def test_the_first_few_are_said_and_the_others_counted() -> None:
    assert first_few([1, 2, 3, 4, 5]) == ["1", "2", "3", "4", "5"]
    assert first_few(["a", "b", "c"], repr, most=1) == ["'a'", "... and 2 more"]
