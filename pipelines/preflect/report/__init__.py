"""The report of a run: one HTML file that needs nothing but a browser."""

from preflect.report.page import render_report
from preflect.report.pen import Pen
from preflect.report.tally import Findings, read_once

__all__ = ["Findings", "Pen", "read_once", "render_report"]
