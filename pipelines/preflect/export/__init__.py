"""Training data from samples: rows, split and files, each row validated."""

from preflect.export.check_file import BadRow, CheckFormat, CheckResult, check_file, check_files
from preflect.export.checks import Problem, RowChecker
from preflect.export.export import export_run, write_export
from preflect.export.intake import Intake, take

__all__ = [
    "BadRow",
    "CheckFormat",
    "CheckResult",
    "Intake",
    "Problem",
    "RowChecker",
    "check_file",
    "check_files",
    "export_run",
    "take",
    "write_export",
]
