"""What samples give for an export, so small that no sample is needed any more; it can be kept and sent as bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import orjson

from preflect.export.checks import Fingerprint, Problem, inspected
from preflect.export.rows import Kind, Unfit, rows_of
from preflect.export.split import keys_of
from preflect.export.trl import columns_of, uses_tools
from preflect.schemas import ExportSpec, Sample


class Taken(NamedTuple):
    """One sample: by what it is told and split, and what came of it for each kind, in the order of the kinds."""

    sample_id: str
    keys: tuple[str, ...]
    """Of its instructions: samples that share one stay on one side of the split."""
    results: tuple[tuple[Kind, Fingerprint | Problem], ...]


@dataclass(frozen=True, slots=True)
class Intake:
    """What some samples give."""

    samples: tuple[Taken, ...]
    lines: tuple[bytes, ...]
    """The rows as JSON, in the order of the fingerprints."""
    with_tools: frozenset[Kind]
    """Kinds of rows of which one uses tools."""
    simulated: frozenset[Kind]
    """Kinds of rows of which one is simulated."""

    def to_bytes(self) -> bytes:
        """One line for the samples, one for each row."""
        samples = [
            (taken.sample_id, taken.keys, [(kind, isinstance(found, Problem), found) for kind, found in taken.results])
            for taken in self.samples
        ]
        return b"\n".join([orjson.dumps((samples, [*self.with_tools], [*self.simulated])), *self.lines])

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """What `to_bytes` wrote."""
        head, *lines = content.split(b"\n")
        samples, with_tools, simulated = orjson.loads(head)
        return cls(
            samples=tuple(Taken(name, tuple(keys), tuple(map(_result, found))) for name, keys, found in samples),
            lines=tuple(lines),
            with_tools=frozenset(with_tools),
            simulated=frozenset(simulated),
        )


def _result(written: tuple[Kind, bool, dict[str, Any]]) -> tuple[Kind, Fingerprint | Problem]:
    kind, is_problem, fields = written
    if is_problem:
        return kind, Problem(**fields)
    return kind, Fingerprint(fields["row"], tuple(fields["preference"]) if fields["preference"] else None)


def take(samples: Iterable[Sample], spec: ExportSpec) -> Intake:
    """All that can be said of samples without knowing the others."""
    lines: list[bytes] = []
    with_tools: set[Kind] = set()
    simulated: set[Kind] = set()

    def results(sample: Sample) -> Iterator[tuple[Kind, Fingerprint | Problem]]:
        for kind in spec.kinds:
            for row in rows_of(sample, kind):
                if isinstance(row, Unfit):
                    yield kind, Problem(row.reason, row.detail)
                    continue
                columns = columns_of(row)
                found = inspected(columns, kind, max_prompt_chars=spec.max_prompt_chars)
                yield kind, found
                if isinstance(found, Fingerprint):
                    lines.append(orjson.dumps(columns))
                    with_tools.update({kind} if uses_tools(columns) else ())
                    simulated.update({kind} if row.simulated else ())

    taken = tuple(Taken(sample.id, keys_of(sample), tuple(results(sample))) for sample in samples)
    return Intake(taken, tuple(lines), frozenset(with_tools), frozenset(simulated))
