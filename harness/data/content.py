"""What can be said about the content of a file without knowing its format."""

import hashlib


def digest(content: bytes, algorithm: str) -> str:
    """The digest of ``content`` as ``algorithm:hexadecimal``."""
    return f"{algorithm}:{hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()}"


def is_web_page(content: bytes) -> bool:
    """Whether ``content`` begins like HTML, which broken mirrors send instead of data."""
    return content[:512].lstrip().lower().startswith((b"<!doctype html", b"<html"))


def one_line(error: BaseException) -> str:
    """An error's type and message in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
