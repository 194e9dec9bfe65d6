"""`preflect student export`: a causal language model into a folder that is scored without torch."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import chain, cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from preflect.adapters.onnx_folder import (
    CARD,
    CHAT_TEMPLATE,
    TOKENIZER,
    CheckedText,
    ExportCard,
    read_tokenizer,
)
from preflect.adapters.parts import see_that_parts_are_there
from preflect.adapters.student_check import PLAIN, plain_texts
from preflect.adapters.tokenizer import HubTokenizer, load_library_tokenizer
from preflect.adapters.transformers import public_name
from preflect.errors import InputError, UnscorableError
from preflect.schemas import Message, TransformersStudent
from preflect.scoring.spans import Pass

if TYPE_CHECKING:
    from preflect.adapters.causal_lm import CausalLm

_log = logging.getLogger(__name__)

_PARTS: Final = ("torch", "transformers", "safetensors", "onnx", "onnxscript", "onnxruntime", "tokenizers")
_TOLERANCE: Final = 1e-4
_LONG: Final = 300
"""Tokens of the longest text that graph and model are compared on: more than the head takes at a time."""
_ODD: Final = (*PLAIN, " two  spaces", "line\n\nbreaks\n", "Ünïcödé ✓ 猫", "1234567 + 89 = ?\ttab")
_TURNS: Final = (
    (Message(role="user", content="Hello."),),
    tuple(Message(role=role, content=f"{role} said <this> & 'that'.") for role in ("user", "assistant", "user")),
    tuple(Message(role=role, content=f"\n{role} ✓ ") for role in ("system", "user")),
)


def export_student(model: str, folder: Path, *, revision: str | None = None) -> ExportCard:
    """Write a model and its tokenizer to `folder`, which is whole or absent, and see once that it scores as the model.

    Raises: MissingPartError: a package is not installed; InputError: the folder is in use, the model is not a causal
    one or cannot be loaded, ONNX has no counterpart of it or of its tokenizer, or the graph gives other likelihoods.
    """
    _see_that_it_is_free(folder)
    see_that_parts_are_there("exporting a student needs torch, transformers and onnx", _PARTS, "onnx-export")
    from preflect.adapters.causal_lm_check import check_causal_lm  # noqa: PLC0415  # heavy
    from preflect.adapters.causal_lm_loading import load_causal_lms  # noqa: PLC0415
    from preflect.adapters.onnx_graph import write_graph  # noqa: PLC0415

    (lm,) = load_causal_lms(TransformersStudent(model=model, revision=revision, device="cpu"))
    library = load_library_tokenizer(model, revision)
    tokenizer = HubTokenizer(model, library)
    check_causal_lm(lm, tokenizer)
    card = _card(lm, tokenizer, library, revision or lm.fingerprint())
    with _appearing(folder) as work:
        _write_texts(work, card, tokenizer, library)
        write_graph(lm, work)
        check_graph(work, lm, tokenizer)
    return card


def size_bytes(folder: Path) -> int:
    """Of all files in the folder."""
    return sum(path.stat().st_size for path in folder.iterdir())


def _see_that_it_is_free(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        what = "is not empty" if folder.is_dir() else "is a file"
        raise InputError(f"{str(folder)!r} {what}; name a folder that does not exist yet, or an empty one")


@contextmanager
def _appearing(folder: Path) -> Generator[Path]:
    """A folder beside it that takes its place when all went well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        work = Path(temporary) / folder.name
        work.mkdir()
        yield work
        work.replace(folder)


def _card(lm: CausalLm, tokenizer: HubTokenizer, library: Any, revision: str) -> ExportCard:
    costs = lm.mean_nlls([Pass(tuple(ids), 1) for ids in plain_texts(tokenizer)])
    return ExportCard(
        model=public_name(lm.name),
        revision=revision,
        embeddings=lm.embeddings,
        positions=lm.positions,
        special_tokens={name: token for name, token in library.special_tokens_map.items() if isinstance(token, str)},
        check=tuple(CheckedText(text=text, nats=cost) for text, cost in zip(PLAIN, costs, strict=True)),
    )


def _write_texts(work: Path, card: ExportCard, tokenizer: HubTokenizer, library: Any) -> None:
    """Card and tokenizer. Raises: InputError: what is written does not read texts as the tokenizer itself does."""
    core = getattr(library, "backend_tokenizer", None)
    if core is None:
        raise InputError(f"the tokenizer of student {card.model!r} has no form as {TOKENIZER}: it is not a fast one")
    core.save(str(work / TOKENIZER))
    (work / CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    read = read_tokenizer(work, card)
    if any(read.encode(_ODD, special=added) != tokenizer.encode(_ODD, special=added) for added in (False, True)):
        raise InputError(f"the tokenizer of student {card.model!r} does more than its {TOKENIZER} can say")
    if library.chat_template:
        _write_chat_template(work, card, tokenizer, library)


def _write_chat_template(work: Path, card: ExportCard, tokenizer: HubTokenizer, library: Any) -> None:
    path = work / CHAT_TEMPLATE
    path.write_text(library.get_chat_template(), encoding="utf-8")
    if [*_rendered(read_tokenizer(work, card))] != [*_rendered(tokenizer)]:
        _log.warning(
            "the chat template of %s gives something else in transformers than by itself, and is left out", card.model
        )
        path.unlink()


def _rendered(tokenizer: HubTokenizer) -> Iterator[str | None]:
    for turns in _TURNS:
        try:
            yield tokenizer.chat_turns(turns)
        except UnscorableError:
            yield None


def check_graph(work: Path, lm: CausalLm, tokenizer: HubTokenizer) -> None:
    """Compare graph and model, each text alone and all together. Raises: InputError: they differ."""
    from preflect.adapters.onnx_lm import OnnxLm  # noqa: PLC0415  # an extra

    graph = OnnxLm(lm.name, work, budget=1)
    texts = plain_texts(tokenizer)
    repeated = [*islice(cycle(chain(*texts)), min(_LONG, lm.positions or _LONG))]
    passes = [Pass(tuple(ids), first) for ids in (*texts, repeated) for first in (1, len(ids) // 2)]
    batches = [*([one] for one in passes), passes]
    worst = max(
        abs(ours - own)
        for batch in batches
        for ours, own in zip(graph.mean_nlls(batch), lm.mean_nlls(batch), strict=True)
    )
    # Written so that a NaN fails too.
    if not worst <= _TOLERANCE:
        raise InputError(
            f"the ONNX graph of student {lm.name!r} is off by {worst:.1e} nats per token, more than {_TOLERANCE:.0e}; "
            "score with --student transformers:MODEL"
        )
