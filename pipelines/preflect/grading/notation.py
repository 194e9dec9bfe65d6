# ruff: noqa: RUF001 - typographic characters are what is looked for here
"""Text in which numbers stand in plain notation, whatever typography or TeX they were written in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final

_DASHES: Final = {ord(dash): "-" for dash in "−‐‑‒–﹣－"}
_SUPERSCRIPTS: Final = {ord(high): low for high, low in zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-", strict=True)}
_SUPERSCRIPT_RUN: Final = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]{1,8}")
_GROUPING_SPACE: Final = re.compile("(?<=\\d)[\u00a0\u2007\u2009\u202f](?=\\d{3}(?!\\d))")
_CURRENCY_CODE: Final = re.compile(r"\b(?:US\$|USD|EUR|GBP|JPY|CHF|INR|CNY|Rs\.?)\s?(?=[-\d])")
_FRACTION_COMMAND: Final = re.compile(
    r"(?P<before>\d?)\s{0,2}\\[dt]?frac\s{0,2}(?:\{([^{}]{1,40})\}\s{0,2}\{([^{}]{1,40})\}|(\d)(\d))"
)
_TEX: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]] = (
    (re.compile(r"\{,\}|\\[,!;: ]|\\(?:left|right)\b|\\(?=[$%#])"), lambda m: "," if m.group() == "{,}" else ""),
    (re.compile(r"\\(?:times|cdot)\b"), lambda _: "×"),
    (re.compile(r"\\(?:text|mathrm|textbf|mathbf)\s{0,2}\{([^{}]{0,200})\}"), lambda m: f" {m.group(1)} "),
    (re.compile(r"\*\*|__|`"), lambda _: " "),
)


def plain_notation(text: str) -> str:
    """NFKC with `-`, `^` and `/` for minus, exponent and fraction, without grouping spaces, TeX and emphasis."""
    text = _GROUPING_SPACE.sub("", text).translate(_DASHES)
    # Before NFKC, which would make 10² a 102 and 1½ an 11/2.
    text = _SUPERSCRIPT_RUN.sub(lambda run: "^" + run.group().translate(_SUPERSCRIPTS), text)
    text = "".join(f" {char}" if _is_fraction(char) else char for char in text)
    text = unicodedata.normalize("NFKC", text).replace("\u2044", "/")
    text = _FRACTION_COMMAND.sub(_plain_fraction, text)
    for pattern, replacement in _TEX:
        text = pattern.sub(replacement, text)
    return _CURRENCY_CODE.sub("$", text)


def _is_fraction(char: str) -> bool:
    return char > "~" and "\u2044" in unicodedata.normalize("NFKC", char)


def _plain_fraction(match: re.Match[str]) -> str:
    above, below = (match[2], match[3]) if match[2] else (match[4], match[5])
    gap = " " if match["before"] else ""
    return f"{match['before']}{gap}{above}/{below}"
