"""The process that draws the report's plots."""

from __future__ import annotations

import pytest

from preflect.errors import RunError
from preflect.report import Pen
from preflect.report.charts import funnel

STAGES = [{"stage": "pair <&> é", "kind": "went on", "count": 3, "place": 0}]


def test_a_drawing_is_the_same_whenever_it_is_made() -> None:
    with Pen() as pen:
        first = pen.draw(funnel(STAGES))
        assert first.startswith('<svg aria-hidden="true" focusable="false" ')
        assert "pair &lt;&amp;&gt; é" in first
        assert pen.draw(funnel(STAGES)) == first


def test_what_cannot_be_drawn_is_said_in_one_line() -> None:
    with Pen() as pen, pytest.raises(RunError, match=r"a plot of the report could not be drawn: .+"):
        pen.draw({"mark": 7})
