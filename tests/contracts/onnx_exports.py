"""Exports of models, which take some seconds: each model once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from preflect.adapters.onnx_export import export_student


@cache
def exported(folder: Path) -> Path:
    """The folder of the model's export, beside its own."""
    target = folder.with_name(f"{folder.name}-onnx")
    export_student(str(folder), target)
    return target
