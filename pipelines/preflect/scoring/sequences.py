"""From questions about texts to the sequences of token ids that answer them: all of a student but its model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from preflect.errors import InputError, UnscorableError
from preflect.ports import ScoreQuery
from preflect.schemas import Conversation, Message
from preflect.schemas.models import Template
from preflect.scoring.spans import Pass, passes_after_bos, passes_without_bos
from preflect.scoring.templates import TEMPLATES, PromptTemplate, prompt_and_target

Ids = Sequence[int]
Laid = tuple[Pass, Pass] | UnscorableError
"""The conditioned and the unconditioned pass of a query, or why there are none."""

_GPT2_LENGTH: Final = 1024
_LENGTH: Final = 2048


class TextEncoder(Protocol):
    """What is needed of a tokenizer."""

    @property
    def ids(self) -> int:
        """How many ids it may give: 0 to this, exclusive."""
        ...

    @property
    def leading(self) -> tuple[int, ...]:
        """What it puts before a text (BOS), or nothing."""
        ...

    def encode(self, texts: Sequence[str]) -> Sequence[Ids]:
        """The token ids of each text, without any that it would add around it."""
        ...

    def chat_turns(self, messages: Conversation) -> str:
        """Its chat template around a conversation, up to where the response begins.

        Raises: UnscorableError: the template refuses it.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one student reads: its tokenizer, its template, and how far.

    Any model can be asked for what comes out: it has to give the mean negative log-likelihood of each `Pass`.
    """

    encoder: TextEncoder
    template: Template
    max_length: int
    """In tokens."""
    known_ids: int
    """Ids that the model has an embedding for: 0 to this, exclusive."""

    def passes(self, queries: Sequence[ScoreQuery]) -> list[Laid]:
        """The two passes of each query, or why it has none; all texts are tokenised together, each once."""
        texts = [self._texts(query) for query in queries]
        whole = dict.fromkeys(part for text in texts if not isinstance(text, UnscorableError) for part in text)
        ids = dict(zip(whole, self.encoder.encode(list(whole)), strict=True)) if whole else {}
        return [text if isinstance(text, UnscorableError) else self._laid(text, ids) for text in texts]

    def _texts(self, query: ScoreQuery) -> tuple[str, str, str] | UnscorableError:
        try:
            prompt, target = prompt_and_target(query, self._template(query))
        except UnscorableError as error:
            return error
        return prompt, prompt + target, target

    def _laid(self, texts: tuple[str, str, str], ids: Mapping[str, Ids]) -> Laid:
        prompt, joint, alone = (ids[text] for text in texts)
        try:
            passes = self._cut(prompt, joint, alone)
        except UnscorableError as error:
            return error
        if self.encoder.ids > self.known_ids and any(max(one.ids) >= self.known_ids for one in passes):
            return UnscorableError("unscorable:unknown_token")
        return passes

    def _cut(self, prompt: Ids, joint: Ids, alone: Ids) -> tuple[Pass, Pass]:
        leading = self.encoder.leading
        # A chat template writes the beginning-of-sequence token itself, where its model wants one.
        start = () if self.template == "chat" else leading
        prefix, joint, alone = (*start, *prompt), (*start, *joint), (*leading, *alone)
        if leading:
            return passes_after_bos(prefix, joint, alone, bos=len(leading), max_length=self.max_length)
        return passes_without_bos(prefix, joint, alone, max_length=self.max_length)

    def _template(self, query: ScoreQuery) -> PromptTemplate:
        if self.template != "chat":
            return TEMPLATES[self.template]
        messages = query.messages
        # The reverse question is one turn whatever the conversation was.
        if query.direction == "reverse" or messages is None:
            return self._chat_prompt
        return lambda _instruction, _input: self.encoder.chat_turns(messages)

    def _chat_prompt(self, instruction: str, input_text: str | None) -> str:
        content = f"{instruction}\n\n{input_text}" if input_text else instruction
        return self.encoder.chat_turns((Message(role="user", content=content),))


def revision_at(revision: str, max_length: int, *, usual: int) -> str:
    """The revision that stands beside a student's scores, which are others where texts are cut at another length."""
    return revision if max_length == usual else f"{revision}+max_length={max_length}"


def longest(student: str, template: Template, wanted: int | None, positions: int | None) -> int:
    """How far a student reads, in tokens: as far as is wanted, else as far as its template's original did.

    Args: positions is the longest sequence that its model takes; None where that is not known.
    Raises: InputError: more is wanted.
    """
    usual = _GPT2_LENGTH if template == "gpt2" else _LENGTH
    if positions is None:
        return wanted or usual
    if wanted and wanted > positions:
        raise InputError(
            f"max_length {wanted} is more than the {positions} positions of student {student!r}; "
            f"set it to {positions} or less, or leave it out"
        )
    return wanted or min(usual, positions)
