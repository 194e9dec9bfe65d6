"""What all verifiers share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

from pydantic import BaseModel, ConfigDict

Relation = Literal["at least", "at most", "less than", "more than", "exactly"]


class Verifier(BaseModel):
    """One kind of constraint with its arguments, named as IFEval names them."""

    # Not strict: counts that went through a table with gaps come back as floats (3.0).
    model_config = ConfigDict(frozen=True, extra="forbid")

    @abstractmethod
    def met(self, answer: str) -> bool:
        """Whether the answer, which is not blank, meets the constraint."""


def compare(count: int, relation: Relation, bound: int) -> bool:
    """Whether `count` stands in the relation to `bound`."""
    return {
        "at least": count >= bound,
        "at most": count <= bound,
        "less than": count < bound,
        "more than": count > bound,
        "exactly": count == bound,
    }[relation]
