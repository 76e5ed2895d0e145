"""Errors a person can act on: the command line prints them without a stack trace."""

from __future__ import annotations


class ShopError(Exception):
    """A mistake or a condition that the user can mend.

    ``message`` says what was wrong and where, ``hint`` what to do. ``exit_code`` becomes the exit code of
    the ``shop`` command (2: usage or configuration, 1: the thing that was checked does not hold).
    """

    exit_code = 2

    def __init__(self, message: str, hint: str = "", *, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message
