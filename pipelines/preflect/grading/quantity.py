# ruff: noqa: RUF001 - typographic characters are what is looked for here
"""Numbers as people and models write them: `1,200`, `$3.50`, `45 %`, `3/4`, `1.5e3`, `2 x 10^5`, `3 million`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final

# No traps: an overflow becomes an infinity, which equals nothing, instead of an exception.
ARITHMETIC: Final = Context(prec=400, Emax=999_999, Emin=-999_999, traps=[])
_MAX_DIGITS: Final = 400
_SCALES: Final = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_SMALL: Final = """zero one two three four five six seven eight nine ten
    eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"""
_TENS: Final = {
    word: 10 * place
    for place, word in enumerate(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), 2)
}
_SPELLED: Final = {word: value for value, word in enumerate(_SMALL.split())} | _TENS
_MAX_SPELLED_WORDS: Final = 4

_BLOB: Final = r"(?:\d+(?:[.,'’]\d+)*|\.\d+)"
_QUANTITY: Final = re.compile(
    rf"""(?P<sign>(?<![\w)\]}}])[-+])?
    (?:[$€£¥₹]\s?(?P<inner_sign>-)?)?
    (?<![A-Za-z_^\d])(?<!\d[.,'’])
    (?:(?P<whole>\d{{1,9}})[ ](?=\d{{1,9}}/\d{{1,9}}(?![\d/.,])))?
    (?P<blob>{_BLOB})(?![.,'’]?\d)
    (?:[eE](?P<exponent>[+-]?\d{{1,12}})(?!\w))?(?![eE][+-]?\d)
    (?:\s?\^\s?[({{]?(?P<power>[+-]?\d{{1,3}})[)}}]?)?
    (?:\s?[×x*·]\s?10\s?\^\s?[({{]?(?P<ten_power>[+-]?\d{{1,6}})[)}}]?)?
    (?:\s?/\s?(?P<below>{_BLOB})(?!\s?/\s?\d))?
    (?:\s?(?P<percent>%|percent\b|per\ cent\b)|\s(?P<scale>{"|".join(_SCALES)})s?\b)?""",
    re.VERBOSE | re.IGNORECASE,
)
# Digits with their group and decimal separators: 1,234.5 and 12,34,567 and 1'234.5 and 1.234,5.
_NOTATIONS: Final = (
    (re.compile(r"\d*\.?\d+"), ",", "."),
    (re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?"), ",", "."),
    (re.compile(r"\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?"), ",", "."),
    (re.compile(r"\d{1,3}(?:'\d{3})+(?:\.\d+)?"), "'", "."),
    (re.compile(r"\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}"), ".", ","),
)
_DECIMAL_COMMA: Final = re.compile(r"\d+,\d{1,2}")
_OR: Final = re.compile(r"\bor\W{0,4}$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number in a text."""

    text: str
    amount: Decimal
    """Without percent sign and scale word."""
    percent: bool = False
    scale: Decimal = Decimal(1)
    after_or: bool = False
    """Whether "or" stands before it."""

    @property
    def value(self) -> Decimal:
        return ARITHMETIC.multiply(self.amount, self.scale)

    def readings(self, expected: Quantity) -> list[tuple[Decimal, Decimal]]:
        """Pairs of values of which one must agree: a sign or word that only one side has may be meant or not."""
        pairs = [(self.value, expected.value)]
        if self.percent != expected.percent:
            share = Decimal("0.01")
            pairs.append((self._times(share, self.percent), expected._times(share, expected.percent)))
        if (self.scale == 1) != (expected.scale == 1):
            pairs.append((self.amount, expected.amount))
        return pairs

    def _times(self, factor: Decimal, wanted: bool) -> Decimal:
        return ARITHMETIC.multiply(self.value, factor) if wanted else self.value


def quantities(text: str) -> list[Quantity]:
    """All numbers of a text in plain notation, in order."""
    found = (_quantity(match) for match in _QUANTITY.finditer(text))
    return [quantity for quantity in found if quantity is not None]


def last_quantity(text: str) -> list[Quantity]:
    """The last number of a text in plain notation, if it has one."""
    for match in reversed(list(_QUANTITY.finditer(text))):
        quantity = _quantity(match)
        if quantity is not None:
            return [quantity]
    return []


def spelled_number(text: str) -> list[Quantity]:
    """The number that a short text without digits spells out (`five`, `twenty-five apples`), if there is one."""
    words = re.findall(r"[a-z]+", text[:80].casefold())
    if len(text) > len(text[:80]) or len(words) > _MAX_SPELLED_WORDS:
        return []
    values = [_SPELLED[word] for word in words if word in _SPELLED]
    spelled = " ".join(word for word in words if word in _SPELLED)
    if len(values) == 1 or (len(values) == 2 and values[0] in _TENS.values() and 0 < values[1] < 10):  # noqa: PLR2004
        return [Quantity(spelled, Decimal(sum(values)))]
    return []


def _quantity(match: re.Match[str]) -> Quantity | None:
    amount = _amount(match)
    if amount is None or not amount.is_finite():
        return None
    negative = match["sign"] == "-" or match["inner_sign"] is not None
    return Quantity(
        text=match.group().strip()[:80],
        amount=amount.copy_negate() if negative else amount,
        percent=match["percent"] is not None,
        scale=Decimal(10) ** _SCALES[match["scale"].casefold()] if match["scale"] else Decimal(1),
        after_or=_OR.search(match.string[max(0, match.start() - 12) : match.start()]) is not None,
    )


def _amount(match: re.Match[str]) -> Decimal | None:
    bracketed = match.string[max(0, match.start() - 1) : match.start()] in {"(", "[", "{"}
    amount = _blob_value(match["blob"], is_list=bracketed)
    if amount is None:
        return None
    if match["exponent"]:
        amount = ARITHMETIC.scaleb(amount, int(match["exponent"]))
    if match["power"]:
        amount = ARITHMETIC.power(amount, int(match["power"]))
    if match["ten_power"]:
        amount = ARITHMETIC.scaleb(amount, int(match["ten_power"]))
    if match["below"]:
        below = _blob_value(match["below"], is_list=False)
        amount = ARITHMETIC.divide(amount, below) if below else None
    if amount is not None and match["whole"]:
        amount = ARITHMETIC.add(amount, Decimal(match["whole"]))
    return amount


def _blob_value(blob: str, *, is_list: bool) -> Decimal | None:
    """The value of digits with separators; of a list (1,2,3) the last number; None for a version (1.2.3)."""
    digits = _without_separators(blob.replace("’", "'"), is_list=is_list)
    return Decimal(digits) if digits is not None and len(digits) <= _MAX_DIGITS else None


def _without_separators(blob: str, *, is_list: bool) -> str | None:
    for pattern, group, point in _NOTATIONS:
        if pattern.fullmatch(blob):
            return blob.replace(group, "").replace(point, ".")
    if _DECIMAL_COMMA.fullmatch(blob) and not is_list:
        return blob.replace(",", ".")
    last = re.split("[,']", blob)[-1]
    return last if last.count(".") <= 1 else None
