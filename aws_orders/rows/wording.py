"""Numbers with their nouns in singular or plural, for messages. Pure."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: "1 row", "2,000 rows".

    Args:
        number: The number.
        noun: The noun in singular.
        plural: Its plural, if that is not the singular with an s.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
