"""How the project says no."""


class Refused(Exception):  # noqa: N818 - what happens, not a mistake of the program
    """Something that a person can mend: one line that says what is wrong, what is allowed and which name is nearest."""
