"""Rows of datasets on the Hugging Face Hub, or of local dataset folders, streamed by `datasets`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, cast

import datasets  # pyright: ignore[reportMissingTypeStubs]  # the library has none
import httpx2
from datasets.exceptions import DatasetsError  # pyright: ignore[reportMissingTypeStubs]

from preflect.adapters.input_row import RawRow
from preflect.errors import DataError, MissingPartError

if TYPE_CHECKING:
    from preflect.adapters.input_sources import HubDataset


class _Builder(Protocol):
    """The part of `datasets.DatasetBuilder` used here; the library carries no types."""

    hash: str
    """Hash of the configuration and of the data files' revisions."""

    def as_streaming_dataset(self, split: str) -> Iterator[Mapping[str, object]]: ...


def rows_of_dataset(dataset: HubDataset, split: str) -> Iterator[RawRow]:
    """Each row of one split with its number from 1.

    Raises: DataError: no such dataset, configuration or split, or its files are damaged; MissingPartError: the Hub
    cannot be reached.
    """
    with _foreign_errors(dataset, split):
        rows = _builder(dataset).as_streaming_dataset(split=split)
        for number, value in enumerate(rows, start=1):
            yield RawRow(number, dict(value))


def dataset_sha256(dataset: HubDataset, split: str) -> str:
    """Hash of name, split and revision of the data files; raises as `rows_of_dataset`."""
    with _foreign_errors(dataset, split):
        named = f"{dataset.name}/{dataset.config or ''}@{_builder(dataset).hash}#{split}"
    return hashlib.sha256(named.encode()).hexdigest()


def _builder(dataset: HubDataset) -> _Builder:
    load = cast("Callable[..., _Builder]", datasets.load_dataset_builder)  # pyright: ignore[reportUnknownMemberType]
    return load(dataset.name, dataset.config)


@contextmanager
def _foreign_errors(dataset: HubDataset, split: str) -> Generator[None]:
    name = f"hf://{dataset.name}"
    try:
        yield
    except (FileNotFoundError, DatasetsError) as error:
        raise DataError(f"{name}: {error}; check the name, and for a private dataset that its token is set") from error
    except ValueError as error:
        raise DataError(
            f"{name}, split {split!r}: {error}; set input.split, or write the configuration behind the name "
            f"(hf://organisation/name/config)"
        ) from error
    except (OSError, httpx2.HTTPError) as error:
        raise MissingPartError(
            f"{name}: cannot be reached: {error}; check the network, or download the data and give input.path its file"
        ) from error
