"""Review in any tool that reads and writes JSON lines: one line an item, with room for its answers."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import orjson

from preflect.desk import Agreed, ReviewForm, ReviewItem, ReviewQuestion, other_queue
from preflect.errors import DataError, NoQueueError
from preflect.files import write_text_atomically
from preflect.schemas import ReviewAnswer


@dataclass(frozen=True, slots=True)
class JsonlDesk:
    """A file with `id`, `prompt`, `responses`, `questions` and `answers` in each line.

    An answer is `{"reviewer": "ann", "better": "a", …}` with the questions' names as keys, and, where the tool knows
    it, `submitted_at` in ISO 8601. Lines and keys that are not ours stay as they are.
    """

    path: Path

    def push(self, form: ReviewForm, items: Sequence[ReviewItem], agreed: Agreed = lambda _: None) -> int:
        """Append the items whose id is in no line yet; whatever a tool does meanwhile to the lines before stays."""
        is_there = self.path.exists()
        lines = list(self._lines()) if is_there else []
        known = {line["id"]: line for _, line in lines}
        self._refuse_strangers(lines, items)
        self._refuse_others(known, items)
        new = [_line(form, item) for item in items if item.id not in known]
        text = "".join(orjson.dumps(line).decode() + "\n" for line in new)
        agreed(known)
        if not is_there:
            write_text_atomically(self.path, text)
        elif new:
            _append(self.path, text.encode())
        return len(new)

    def answers(self, items: Sequence[ReviewItem] = ()) -> Mapping[str, Sequence[ReviewAnswer]]:
        """As the port has it.

        Raises: NoQueueError: there is no file; DataError: a line is no item, an answer has no reviewer, or one reviewer
        has answers that differ.
        """
        if not self.path.exists():
            raise NoQueueError(f"{self.path} is not there; `preflect review push RUN --to {self.path}` writes it")
        lines = list(self._lines())
        self._refuse_others({line["id"]: line for _, line in lines}, items)
        found: dict[str, dict[str, ReviewAnswer]] = {line["id"]: {} for _, line in lines}
        for number, line in lines:
            for answer in self._answers(number, line):
                # An item may have several lines.
                said = found[line["id"]].setdefault(answer.reviewer, answer)
                if said.values != answer.values:
                    raise DataError(
                        f"{self.path}:{number}: {answer.reviewer!r} has two different answers to {line['id']!r}; "
                        "leave the one that stands"
                    )
        return {item_id: [by[reviewer] for reviewer in sorted(by)] for item_id, by in found.items()}

    def _refuse_strangers(self, lines: Sequence[tuple[int, Mapping[str, Any]]], items: Sequence[ReviewItem]) -> None:
        """A file that holds anything else than items, such as a dataset, is somebody's, and nothing is put into it."""
        ours = {item.id for item in items}
        for number, line in lines:
            if line["id"] not in ours and not isinstance(line.get("questions"), dict):
                raise DataError(
                    f"{self.path}:{number}: {line['id']!r} has no `questions`, so this is no item of a queue; name a "
                    "file of its own for the queue with --to"
                )

    def _refuse_others(self, known: Mapping[str, Mapping[str, Any]], items: Sequence[ReviewItem]) -> None:
        for item in items:
            # A tool may have left a text out: what it kept is compared.
            if any(known.get(item.id, {}).get(name, text) != text for name, text in _shown(item).items()):
                raise other_queue(str(self.path), item, "name another file")

    def _lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, text in enumerate(self.path.read_bytes().splitlines(), start=1):
            if text.strip():
                yield number, self._checked(number, text)

    def _checked(self, number: int, text: bytes) -> dict[str, Any]:
        try:
            line: Any = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise DataError(f"{self.path}:{number}: not JSON ({error}); each line is one JSON object") from error
        if not isinstance(line, dict) or not isinstance((found := cast("dict[str, Any]", line)).get("id"), str):
            raise DataError(f"{self.path}:{number}: an object with an `id` is wanted, got {text[:80]!r}")
        if not isinstance(found.get("answers", []), list):
            raise DataError(f"{self.path}:{number}: `answers` is {found['answers']!r}; a list of objects is right")
        return found

    def _answers(self, number: int, line: Mapping[str, Any]) -> Iterator[ReviewAnswer]:
        for said in cast("list[Any]", line.get("answers", [])):
            answer = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
            if not isinstance(answer.get("reviewer"), str) or not answer["reviewer"]:
                raise DataError(f"{self.path}:{number}: an answer needs a `reviewer`, got {said!r}")
            yield ReviewAnswer(
                sample_id=line["id"],
                reviewer=answer["reviewer"],
                values={key: value for key, value in answer.items() if key not in {"reviewer", "submitted_at"}},
                submitted_at=self._moment(number, answer.get("submitted_at", "")),
            )

    def _moment(self, number: int, said: Any) -> str:
        """In UTC; what names no zone is taken for UTC."""
        if said == "":
            return ""
        try:
            moment = datetime.fromisoformat(said)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{self.path}:{number}: `submitted_at` is {said!r}; a time such as 2026-01-31T09:30:00Z is right"
            ) from error
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).isoformat()


def _append(path: Path, lines: bytes) -> None:
    """Put them behind the file's last line in one write, all of them or none."""
    with path.open("a+b", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        if end and os.pread(file.fileno(), 1, end - 1) != b"\n":
            lines = b"\n" + lines
        if file.write(lines) < len(lines):
            file.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(file.fileno())


def _shown(item: ReviewItem) -> dict[str, Any]:
    return {
        "prompt": item.prompt,
        "responses": dict(zip("ab", item.responses, strict=False)),
        **({} if item.reference is None else {"reference": item.reference}),
    }


def _line(form: ReviewForm, item: ReviewItem) -> dict[str, Any]:
    return {
        "id": item.id,
        **_shown(item),
        "questions": {question.name: _described(question) for question in form.questions},
        **({"suggested": dict(item.suggested)} if item.suggested else {}),
        "metadata": dict(item.metadata),
        "answers": [],
    }


def _described(question: ReviewQuestion) -> dict[str, Any]:
    described: dict[str, Any] = {"title": question.title, "kind": question.kind, "required": question.required}
    return described | ({"choices": dict(question.choices)} if question.choices else {})
