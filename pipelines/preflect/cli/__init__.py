"""The command line: arguments, environment, exit codes, progress on the terminal."""

from preflect.cli.app import main

__all__ = ["main"]
