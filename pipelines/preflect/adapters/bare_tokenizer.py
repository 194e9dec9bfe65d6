"""A `tokenizer.json` read by the `tokenizers` package alone: `transformers` imports torch where it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from preflect.adapters.chat_template import ChatTemplate


def uncut(core: Any) -> Any:
    """The `tokenizers.Tokenizer`, which cuts and pads nothing from now on, whatever it was saved with."""
    core.no_truncation()
    core.no_padding()
    return core


class BareTokenizer:
    """Implements `preflect.adapters.tokenizer.LibraryTokenizer`."""

    def __init__(self, core: Any, chat_template: str | None, special_tokens: Mapping[str, str]) -> None:
        """Args: core is a `tokenizers.Tokenizer`, whose bindings are only partly typed."""
        self._core = uncut(core)
        self.chat_template = chat_template
        self._chat: Final = ChatTemplate(chat_template or "", special_tokens)
        self.vocab_size: int = core.get_vocab_size(with_added_tokens=False)

    def __call__(self, text: list[str], *, add_special_tokens: bool, **_: bool) -> dict[str, list[list[int]]]:
        encoded = self._core.encode_batch_fast(text, add_special_tokens=add_special_tokens)
        return {"input_ids": [one.ids for one in encoded]}

    def get_vocab(self) -> dict[str, int]:
        return self._core.get_vocab()

    def decode(self, token_ids: list[int], **_: bool) -> str:
        return self._core.decode(token_ids, skip_special_tokens=False)

    def apply_chat_template(self, conversation: list[dict[str, Any]], *, add_generation_prompt: bool, **_: bool) -> str:
        return self._chat.render(conversation, add_generation_prompt=add_generation_prompt)
