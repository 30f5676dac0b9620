"""How a command says no."""

from sacred.utils import SacredError

from conas.refusal import Refused


class RefusedError(SacredError, Refused):
    """Something a person can mend: Sacred prints it as one line, ``error: ...``, and exits with 1."""

    def __init__(self, message: str) -> None:
        super().__init__(message, print_traceback=False)  # type: ignore[call-arg]


RefusedError.__module__, RefusedError.__qualname__ = "builtins", "error"  # what Sacred prints before the message
