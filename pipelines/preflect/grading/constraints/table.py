"""Which IFEval instruction id is verified by what."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from preflect.grading.constraints import case, content, keywords, language, layout, length
from preflect.grading.constraints.base import Verifier
from preflect.schemas import Constraint

VERIFIERS: Final[Mapping[str, type[Verifier]]] = MappingProxyType(
    {
        "change_case:capital_word_frequency": case.CapitalWords,
        "change_case:english_capital": case.AllCapitals,
        "change_case:english_lowercase": case.AllLowercase,
        "combination:repeat_prompt": content.RepeatPrompt,
        "combination:two_responses": content.TwoResponses,
        "detectable_content:number_placeholders": content.NumberOfPlaceholders,
        "detectable_content:postscript": content.Postscript,
        "detectable_format:constrained_response": layout.ConstrainedResponse,
        "detectable_format:json_format": layout.JsonFormat,
        "detectable_format:multiple_sections": layout.MultipleSections,
        "detectable_format:number_bullet_lists": layout.NumberOfBullets,
        "detectable_format:number_highlighted_sections": layout.HighlightedSections,
        "detectable_format:title": layout.Title,
        "keywords:existence": keywords.Existence,
        "keywords:forbidden_words": keywords.ForbiddenWords,
        "keywords:frequency": keywords.Frequency,
        "keywords:letter_frequency": keywords.LetterFrequency,
        "language:response_language": language.ResponseLanguage,
        "length_constraints:nth_paragraph_first_word": length.NthParagraphFirstWord,
        "length_constraints:number_paragraphs": length.NumberOfParagraphs,
        "length_constraints:number_sentences": length.NumberOfSentences,
        "length_constraints:number_words": length.NumberOfWords,
        "punctuation:no_comma": content.NoComma,
        "startend:end_checker": content.EndPhrase,
        "startend:quotation": content.Quotation,
    }
)


class ConstraintError(Exception):
    """A constraint that can't be verified; the message says why."""


def verifier_of(constraint: Constraint) -> Verifier:
    """The verifier with its arguments; arguments that are null count as not given. Raises: ConstraintError."""
    kind = VERIFIERS.get(constraint.id)
    if kind is None:
        near = get_close_matches(constraint.id, VERIFIERS, n=1, cutoff=0)
        raise ConstraintError(f"unknown constraint {constraint.id!r}; the nearest known one is {near[0]!r}")
    given = {name: value for name, value in constraint.arguments.items() if value is not None}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ConstraintError(f"{constraint.id}: {f'{place}: ' if place else ''}{first['msg']}") from error
