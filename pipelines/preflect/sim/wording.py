"""Set phrases of the simulated teacher, and the patterns by which they are found again in a text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_COMMAS: Final = re.compile(r"[,\s]+")


def bare(text: str) -> str:
    """The text without case, commas and line breaks: what set phrases are looked for in."""
    return _COMMAS.sub(" ", text.casefold()).strip()


def _any_of(wordings: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(bare(wording)) for wording in wordings))


LEADS: Final = (
    "Let me work through this.", "Here is the way to the result.", "Taking it one step at a time:",
    "This can be worked out.",
    "Below is what I found.", "The question can be settled with a few steps.", "I go through what is given in order.",
)  # fmt: skip
CLOSINGS: Final = (
    "I have gone over the steps again and they agree.", "Let me know if a step should be explained further.",
    "That settles the question.", "This follows from the statements alone.",
)  # fmt: skip

OFFERS: Final = ("Here you are:", "Here is my answer.", "This is what I would say.", "Certainly.", "Gladly:")
"""Leads for answers that are not worked out step by step."""
GOODBYES: Final = ("Let me know if you would like it changed.", "I hope this is of use to you.")

REFUSALS: Final = (
    "I'm sorry, but I can't help with that request.",
    "I am unable to assist with this task.",
    "As a language model, I cannot answer this question.",
    "Unfortunately, I'm not able to do that for you. Please consult a professional instead.",
    "I apologise, but I cannot complete this request.",
)
FILLERS: Final = (
    "This is a really interesting question that deserves a thoughtful and careful reply.",
    "There are many aspects that one could consider here, and all of them are important in their own way.",
    "As we all know, it is always good to look at things from several sides.",
    "In today's fast-moving world, questions like this one come up more and more often.",
    "Before going any further, it is worth pausing for a moment to appreciate how much there is to say.",
    "Needless to say, much more could be added, but the essence should be clear to everyone.",
    "At the end of the day, what matters most is that everything is considered in its context.",
    "It goes without saying that such matters have to be treated with all due attention.",
)
PLACEHOLDERS: Final = (
    "[insert the final result here]", "[insert answer here]", "[add the missing part here]", "[your text here]",
    "[insert details here]",
)  # fmt: skip

REFUSAL: Final = _any_of(REFUSALS)
FILLER: Final = _any_of(FILLERS)
PLACEHOLDER: Final = _any_of(PLACEHOLDERS)

UNKNOWN_MARK: Final = "[simulated answer]"
UNKNOWN: Final = (
    "The simulator has no knowledge of this task, so these sentences only stand where an answer would be.",
    "This text comes from the simulated endpoint, to which the instruction is unknown.",
    "Whoever reads this should know that it was generated without any understanding of the question.",
)
UNKNOWN_FURTHER: Final = (
    "A real model would answer here.",
    "Its length and wording vary from sample to sample.",
    "Nothing in it should be taken for a fact.",
    "Run the same recipe with a real endpoint to get answers that mean something.",
    "What follows from it for training is nothing at all.",
    "It serves to try out a recipe from end to end.",
    "Scores and ratings given to it carry no meaning.",
)
