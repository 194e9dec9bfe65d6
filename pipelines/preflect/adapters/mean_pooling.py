"""Sentence embeddings from an encoder on this machine, through the `transformers` library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from preflect.errors import InputError, MissingPartError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TOKENS: Final = 512
_BATCH: Final = 32


class MeanPooling:
    """Implements `preflect.ports.Embedder`: the mean of the last layer's states over a text's tokens, at length 1.

    Source: Reimers and Gurevych 2019 (Sentence-BERT), whose models are meant for it; a text is cut at 512 tokens.
    """

    def __init__(self, model: str) -> None:
        """Load the model. Raises: MissingPartError: its packages are not installed; InputError: no such model."""
        try:
            import torch  # noqa: PLC0415  # heavy
            from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415
        except ImportError as error:
            raise MissingPartError(
                f"embeddings by transformers need torch and transformers ({error}); pip install 'preflect[student]'"
            ) from error
        device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self._tokenizer: Any = cast("Any", AutoTokenizer).from_pretrained(model)
            self._model: Any = cast("Any", AutoModel).from_pretrained(model).eval().to(device)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"embeddings by transformers:{model}: it cannot be loaded: {error}; give the folder of a model with "
                "its tokenizer, or its name on the Hub"
            ) from error
        self.name: Final = model

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """One vector of length 1 for each text; texts of about the same length are computed together."""
        import numpy as np  # noqa: PLC0415  # comes with torch

        by_length = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        vectors: dict[int, Any] = {}
        for start in range(0, len(texts), _BATCH):
            places = by_length[start : start + _BATCH]
            vectors.update(zip(places, self._pooled([texts[place] for place in places]), strict=True))
        return np.array([vectors[place] for place in range(len(texts))], dtype=np.float64)

    def _pooled(self, texts: list[str]) -> Any:
        import torch  # noqa: PLC0415  # heavy, and loaded before by the model itself

        rows = [self._tokenizer(text, truncation=True, max_length=_TOKENS)["input_ids"] or [0] for text in texts]
        longest = max(map(len, rows))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=self._model.device)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=self._model.device)
        with torch.inference_mode():
            states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state.double()
        mean = (states * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        return torch.nn.functional.normalize(mean).cpu().numpy()
