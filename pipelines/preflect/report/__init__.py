"""The report of a run: one HTML file that needs nothing but a browser."""

from preflect.report.page import render_report

__all__ = ["render_report"]
