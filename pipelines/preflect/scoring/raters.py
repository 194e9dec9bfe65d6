"""How far people agree beyond chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Literal


def cohens_kappa(ratings: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """Agreement of two raters who rated the same things, (p_o - p_e) / (1 - p_e): 1 in all, 0 as by chance.

    Source: Cohen 1960. Returns: None where it is not defined: nothing rated, or all by both alike with one value.
    """
    n = len(ratings)
    one, other = Counter(a for a, _ in ratings), Counter(b for _, b in ratings)
    # In whole numbers, so that full agreement is exactly 1: n² times each share.
    observed = n * sum(a == b for a, b in ratings)
    expected = sum(one[value] * other[value] for value in one)
    return (observed - expected) / (n * n - expected) if n * n > expected else None


def krippendorffs_alpha(units: Sequence[Sequence[float | str]], level: Literal["nominal", "ordinal"]) -> float | None:
    """Agreement of any number of raters, of whom each may have left things out: 1 - D_o / D_e.

    Source: Krippendorff 2019, chapter 12, as the package `krippendorff` has it.
    Args: for each thing rated, the values that it was given, in any order.
    Returns: None where it is not defined: nothing was rated twice, or all with one value.
    """
    paired = [unit for unit in units if len(unit) > 1]
    domain = sorted({value for unit in paired for value in unit}, key=lambda value: (str(type(value)), value))
    if len(domain) < 2:  # noqa: PLR2004
        return None
    import krippendorff  # noqa: PLC0415  # numpy
    import numpy as np  # noqa: PLC0415

    counts = np.array([[unit.count(value) for value in domain] for unit in map(list, paired)])
    values = domain if level == "ordinal" else [*range(len(domain))]
    return float(krippendorff.alpha(value_counts=counts, value_domain=values, level_of_measurement=level))
