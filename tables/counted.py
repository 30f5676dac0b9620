"""How many, in words."""


def counted(number: int, one: str, several: str = "") -> str:
    """``number`` with what is counted: ``one`` of them or ``several``, which is ``one`` with an s if not given."""
    return f"{number} {one if number == 1 else several or f'{one}s'}"
