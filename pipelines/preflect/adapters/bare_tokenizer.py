"""A `tokenizer.json` read by the `tokenizers` package alone: `transformers` imports torch where it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from preflect.adapters.chat_template import ChatTemplate


class BareTokenizer:
    """Implements `preflect.adapters.tokenizer.LibraryTokenizer`."""

    def __init__(self, core: Any, chat_template: str | None, special_tokens: Mapping[str, str]) -> None:
        """Args: core is a `tokenizers.Tokenizer`, whose bindings are only partly typed."""
        self.backend_tokenizer = core
        self.chat_template = chat_template
        self._chat: Final = ChatTemplate(chat_template or "", special_tokens)
        self.vocab_size: int = core.get_vocab_size(with_added_tokens=False)

    def __call__(self, text: list[str], *, add_special_tokens: bool, **_: bool) -> dict[str, list[list[int]]]:
        encoded = self.backend_tokenizer.encode_batch(text, add_special_tokens=add_special_tokens)
        return {"input_ids": [one.ids for one in encoded]}

    def get_vocab(self) -> dict[str, int]:
        return self.backend_tokenizer.get_vocab()

    def decode(self, token_ids: list[int], **_: bool) -> str:
        return self.backend_tokenizer.decode(token_ids, skip_special_tokens=False)

    def apply_chat_template(self, conversation: list[dict[str, Any]], *, add_generation_prompt: bool, **_: bool) -> str:
        return self._chat.render(conversation, add_generation_prompt=add_generation_prompt)
