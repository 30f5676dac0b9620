"""How the project says no."""


class Refused(Exception):
    """Something that a person can mend: one line that says what is wrong, what is allowed and which name is nearest."""
