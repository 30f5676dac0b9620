"""Text from records and files of others, made safe to print."""


def plain(text: object) -> str:
    """``text`` in one line, with whatever a terminal would obey written as an escape."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in str(text))
