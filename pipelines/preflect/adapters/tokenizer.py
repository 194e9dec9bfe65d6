"""The tokenizer of a model on the Hugging Face Hub or in a folder, through `transformers`; torch is not needed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, Protocol, cast

from preflect.adapters.bare_tokenizer import uncut
from preflect.errors import InputError, MissingPartError, UnscorableError
from preflect.schemas import Conversation, Message


class LibraryTokenizer(Protocol):
    """What is used of a tokenizer of `transformers`."""

    chat_template: str | None
    vocab_size: int

    def __call__(
        self, text: list[str], *, add_special_tokens: bool, return_attention_mask: bool, verbose: bool
    ) -> dict[str, list[list[int]]]: ...
    def get_vocab(self) -> dict[str, int]: ...
    def decode(self, token_ids: list[int], *, clean_up_tokenization_spaces: bool) -> str: ...
    def apply_chat_template(
        self, conversation: list[dict[str, Any]], *, tokenize: bool, add_generation_prompt: bool
    ) -> str: ...


class HubTokenizer:
    """Implements `preflect.scoring.sequences.TextEncoder`."""

    def __init__(self, name: str, tokenizer: LibraryTokenizer) -> None:
        self._name: Final = name
        self._tokenizer: Final = tokenizer
        self._core: Final = _core_of(tokenizer)
        self.leading: Final = self._leading()
        self.ids: Final = 1 + max(tokenizer.get_vocab().values())
        self.vocabulary: Final = tokenizer.vocab_size
        """Those of its ids that are no tokens added later, which a model may have no embedding for."""

    def encode(self, texts: Sequence[str], *, special: bool = False) -> list[list[int]]:
        """The token ids of each text; `special` puts those around it that the tokenizer adds by itself."""
        if self._core:
            # Where each token stands in its text, which transformers asks for as well, takes longer than the ids.
            return [one.ids for one in self._core.encode_batch_fast(texts, add_special_tokens=special)]
        # Not verbose: texts longer than the model takes are cut later.
        encoded = self._tokenizer(list(texts), add_special_tokens=special, return_attention_mask=False, verbose=False)
        return encoded["input_ids"]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of these ids, spaces as they are."""
        return self._tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)

    def check_chat_template(self) -> None:
        """See that there is one, and that it takes a user's turn. Raises: InputError."""
        remedy = "choose template vicuna, alpaca, wiz or gpt2, or a student with a chat template"
        if not self._tokenizer.chat_template:
            raise InputError(f"the tokenizer of student {self._name!r} has no chat template; {remedy}")
        try:
            self.chat_turns((Message(role="user", content="Hello."),))
        except UnscorableError as error:
            raise InputError(
                f"the chat template of student {self._name!r} fails: {error.__cause__}; {remedy}"
            ) from error

    def chat_turns(self, messages: Conversation) -> str:
        """The chat template around the turns of a conversation, each in its role, up to where the response begins.

        Raises: UnscorableError: the template refuses such a conversation, as some do system turns or tools.
        """
        from jinja2 import TemplateError  # noqa: PLC0415  # it comes with transformers, needed for templates alone

        turns = [_turn(message) for message in messages]
        try:
            return self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        # What is wrong for a filter of the template comes out as Python's own error.
        except (TemplateError, TypeError, ValueError) as error:
            raise UnscorableError("unscorable:chat_template") from error

    def _leading(self) -> tuple[int, ...]:
        (bare,), (whole,) = self.encode(["text"]), self.encode(["text"], special=True)
        starts = [i for i in range(len(whole) - len(bare) + 1) if whole[i : i + len(bare)] == bare]
        return tuple(whole[: starts[0]]) if starts else ()


def load_tokenizer(model: str, revision: str | None) -> HubTokenizer:
    """The tokenizer beside a model. Raises: as `load_library_tokenizer`."""
    return HubTokenizer(model, load_library_tokenizer(model, revision))


def load_library_tokenizer(model: str, revision: str | None) -> LibraryTokenizer:
    """The tokenizer beside a model, as `transformers` has it.

    Raises: MissingPartError: transformers is not installed; InputError: there is none.
    """
    try:
        from transformers import AutoTokenizer  # noqa: PLC0415  # heavy
    except ImportError as error:
        raise MissingPartError(
            f"a student's tokenizer needs transformers ({error}); pip install 'preflect[student]'"
        ) from error
    try:
        # The library's stubs leave it partly untyped.
        return cast("Any", AutoTokenizer).from_pretrained(model, revision=revision)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(
            f"the tokenizer of student {model!r} cannot be loaded: {error}; give the folder of a model with its "
            "tokenizer, or its name on the Hub"
        ) from error


def load_known_ids(model: str, revision: str | None) -> int | None:
    """How many ids the model has an embedding for, by the configuration beside it; None where there is none."""
    from transformers import AutoConfig  # noqa: PLC0415  # heavy

    try:
        config = cast("Any", AutoConfig).from_pretrained(model, revision=revision)
        return config.get_text_config().vocab_size
    except (OSError, ValueError, KeyError, AttributeError):
        return None


def _core_of(tokenizer: LibraryTokenizer) -> Any | None:
    """The `tokenizers.Tokenizer` in one of `transformers`; None where it is written in Python."""
    core = cast("Any", getattr(tokenizer, "backend_tokenizer", None))
    return uncut(core) if core else None


def _turn(message: Message) -> dict[str, Any]:
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _arguments(call.arguments)}}
        for call in message.tool_calls
    ]
    extra = {"name": message.name, "tool_calls": calls, "tool_call_id": message.tool_call_id}
    return {"role": message.role, "content": message.content, **{key: value for key, value in extra.items() if value}}


def _arguments(text: str) -> object:
    # Templates write arguments as JSON themselves, from a mapping.
    try:
        return json.loads(text)
    except ValueError:
        return text
