"""The answer that every benchmark streams: words as long as a model's tokens, a few of them not ASCII."""

QUESTION = "What does a viewer see?"
_WORDS = (" the", " record", " is", " what", " a", " viewer", " sees", ",", " never", " more", " é", " naïve", ".\n\n")


def words(count: int) -> list[str]:
    return [_WORDS[number * 7 % len(_WORDS)] for number in range(count)]
