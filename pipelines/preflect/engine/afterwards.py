"""What is done at the end of a block, whatever ended it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

from preflect.errors import PreflectError


@contextmanager
def afterwards(action: Callable[[], object]) -> Generator[None]:
    """Do it when the block ends; of what goes wrong, the first is told.

    On a full disk what broke the block breaks the action as well, and the block's word is the clearer one.
    """
    try:
        yield
    except BaseException:
        with suppress(OSError, PreflectError):
            action()
        raise
    action()
