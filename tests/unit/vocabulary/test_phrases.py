"""Numbers with their nouns, and lists."""

from cestab.vocabulary.phrases import show_classes, show_count, show_list


def test_one_is_singular() -> None:
    assert [show_count(number, "row") for number in (0, 1, 2, 1156)] == ["0 rows", "1 row", "2 rows", "1,156 rows"]
    assert [show_classes(number) for number in (1, 2, 1000)] == ["1 class", "2 classes", "1000 classes"]


def test_a_list_has_one_and() -> None:
    assert [show_list(words) for words in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
