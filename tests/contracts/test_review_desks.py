"""What every place where people review does: the embedded Argilla, the same as a team's own, and a file."""

from __future__ import annotations

import gc
import json
import resource
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import JsonValue
from tests.review_server import ReviewServer, User

from preflect.adapters.argilla_desk import ArgillaDesk
from preflect.adapters.jsonl_desk import JsonlDesk
from preflect.desk import ReviewDesk, ReviewItem
from preflect.errors import DataError, InputError, MissingPartError
from preflect.recipes.review_desks import open_desk
from preflect.review.form import form_of
from preflect.schemas import ArgillaDeskSpec, ReviewStage

Values = Mapping[str, JsonValue]
FORMS = {kind: form_of(ReviewStage(kind=kind, gold=0, overlap=2), "q", "r1") for kind in ("preference", "sft", "rft")}
ZOE = '{"id": "0", "answers": [{"reviewer": "zoe", "better": "a"}]}'
HOSTILE = "<script>alert(1)</script> **bold** 日本語 \N{ZERO WIDTH JOINER}\n\n| a | b |\n|---|---|\n| 1 | 2 |"


def item(number: int, *, kind: str = "preference", text: str = "text", suggested: str = "") -> ReviewItem:
    responses = {"preference": (f"{text} a", f"{text} b"), "sft": (text,), "rft": ()}[kind]
    return ReviewItem(
        id=f"sample-{number}",
        prompt=f"prompt {number} {text}",
        responses=responses,
        reference="42" if kind == "rft" else None,
        metadata={"source": "seeds", "prompt_chars": 9} | ({"response_chars": 6} if responses else {}),
        hidden={"part": "random"} | ({"judge": "b", "margin": 1.5} if kind == "preference" else {}),
        suggested={"better": suggested} if suggested else {},
    )


@dataclass(frozen=True)
class Place:
    """A desk, and people at it."""

    desk: ReviewDesk
    say: Callable[[str, str, Values], None]
    """Item, reviewer, answers."""
    withdraw: Callable[[str, str], None]
    shown: Callable[[str], Mapping[str, str]]
    """What stands on the form of an item."""


def in_file(path: Path) -> Place:
    def change(item_id: str, edit: Callable[[dict[str, Any]], None]) -> None:
        lines: list[dict[str, Any]] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for line in lines:
            if line["id"] == item_id:
                edit(line)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    def say(item_id: str, reviewer: str, values: Values) -> None:
        said = {"reviewer": reviewer, "submitted_at": "2026-01-31T10:30:00+01:00", **values}
        withdraw(item_id, reviewer)
        change(item_id, lambda line: line["answers"].append(said))

    def withdraw(item_id: str, reviewer: str) -> None:
        change(item_id, lambda line: line.update(answers=[a for a in line["answers"] if a["reviewer"] != reviewer]))

    def shown(item_id: str) -> Mapping[str, str]:
        [line] = [one for one in map(json.loads, path.read_text(encoding="utf-8").splitlines()) if one["id"] == item_id]
        texts = {f"response_{label}": text for label, text in line["responses"].items()}
        return {"prompt": line["prompt"], **texts} | (
            {"reference_answer": line["reference"]} if "reference" in line else {}
        )

    return Place(JsonlDesk(path), say, withdraw, shown)


@dataclass
class InArgilla:
    """People at an Argilla, by its API."""

    server: ReviewServer
    workspace: str
    dataset: str

    def __post_init__(self) -> None:
        self._people: dict[str, Any] = {}

    def id_of(self, where: str, name: str) -> str:
        return next(one["id"] for one in self.server.get(where)["items"] if one["name"] == name)

    def records(self) -> dict[str, dict[str, Any]]:
        dataset = self.id_of("/me/datasets", self.dataset)
        found = self.server.get(f"/datasets/{dataset}/records?include=responses&limit=500")["items"]
        return {record["external_id"]: record for record in found}

    def person(self, name: str) -> Any:
        if name not in self._people:
            workspace = self.id_of("/me/workspaces", self.workspace)
            self._people[name] = self.server.add_user(f"{name}-{self.workspace}", workspace)
        return self._people[name]

    def say(self, item_id: str, reviewer: str, values: Values) -> None:
        self._respond(item_id, reviewer, "submitted", values)

    def _respond(self, item_id: str, reviewer: str, status: str, values: Values) -> None:
        record = self.records()[item_id]
        body = {"record_id": record["id"], "status": status, "values": {n: {"value": v} for n, v in values.items()}}
        [told] = self.person(reviewer).post("/me/responses/bulk", {"items": [body]})["items"]
        assert told["error"] is None, told

    def withdraw(self, item_id: str, reviewer: str) -> None:
        self._respond(item_id, reviewer, "discarded", {})

    def shown(self, item_id: str) -> Mapping[str, str]:
        return self.records()[item_id]["fields"]


@pytest.fixture(params=["embedded", "remote", "file"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "file":
        return in_file(tmp_path / "queue.jsonl")
    server: ReviewServer = request.getfixturevalue("review_server")
    name = f"q-{uuid4().hex[:12]}"
    people = InArgilla(server, name, name)
    if request.param == "remote":
        desk: ReviewDesk = ArgillaDesk(server.url, server.api_key, people.workspace, people.dataset)
    else:
        desk = open_desk(ArgillaDeskSpec(home=str(server.home), workspace=people.workspace, dataset=people.dataset))
    return Place(desk, people.say, people.withdraw, people.shown)


def told(desk: ReviewDesk) -> dict[str, dict[str, Values]]:
    """Values by item and reviewer, without the suffix that tells one test's people from another's."""
    return {
        item_id: {answer.reviewer.partition("-")[0]: answer.values for answer in answers}
        for item_id, answers in desk.answers().items()
    }


def test_what_is_laid_out_twice_is_there_once(place: Place) -> None:
    form = FORMS["preference"]
    assert place.desk.push(form, [item(1), item(2)]) == 2
    assert place.desk.push(form, [item(1), item(2)]) == 0
    assert place.desk.push(form, [item(2), item(3)]) == 1
    assert told(place.desk) == {"sample-1": {}, "sample-2": {}, "sample-3": {}}


def test_what_is_there_already_is_told_before_more_is_laid_out(place: Place) -> None:
    there: list[set[str]] = []
    for items in ([item(1)], [item(1), item(2)]):
        place.desk.push(FORMS["preference"], items, lambda ids: there.append({*ids}))
    assert there == [set(), {"sample-1"}]


def test_answers_come_back_as_they_were_given(place: Place) -> None:
    place.desk.push(FORMS["preference"], [item(1), item(2)])
    said: Values = {
        "better": "b",
        "rating_a": 2,
        "rating_b": 5,
        "problems_a": ["wrong", "unclear"],
        "improved": HOSTILE,
    }
    place.say("sample-1", "ann", said)
    place.say("sample-1", "bob", {"better": "tie"})
    assert told(place.desk) == {"sample-1": {"ann": said, "bob": {"better": "tie"}}, "sample-2": {}}
    [first, _] = place.desk.answers()["sample-1"]
    assert first.submitted_at.endswith("+00:00")


def test_an_answer_may_be_changed_and_withdrawn(place: Place) -> None:
    place.desk.push(FORMS["preference"], [item(1)])
    place.say("sample-1", "ann", {"better": "a"})
    place.say("sample-1", "ann", {"better": "both_bad"})
    assert told(place.desk) == {"sample-1": {"ann": {"better": "both_bad"}}}
    place.withdraw("sample-1", "ann")
    assert told(place.desk) == {"sample-1": {}}


def test_what_is_laid_out_later_leaves_answers_as_they_are(place: Place) -> None:
    place.desk.push(FORMS["preference"], [item(1)])
    place.say("sample-1", "ann", {"better": "a"})
    place.desk.push(FORMS["preference"], [item(1), item(2)])
    assert told(place.desk) == {"sample-1": {"ann": {"better": "a"}}, "sample-2": {}}


def test_what_is_said_while_more_is_laid_out_stays(place: Place) -> None:
    place.desk.push(FORMS["preference"], [item(1)])
    place.desk.push(FORMS["preference"], [item(1), item(2)], lambda _: place.say("sample-1", "ann", {"better": "a"}))
    assert told(place.desk) == {"sample-1": {"ann": {"better": "a"}}, "sample-2": {}}


@pytest.mark.parametrize("kind", FORMS)
def test_a_queue_that_asks_about_other_texts_takes_nothing(place: Place, kind: str) -> None:
    place.desk.push(FORMS[kind], [item(1, kind=kind)])
    agreed: list[Collection[str]] = []
    other = [item(2, kind=kind), item(1, kind=kind, text="other")]
    with pytest.raises(InputError, match="sample-1 with other texts than this run"):
        place.desk.push(FORMS[kind], other, agreed.append)
    with pytest.raises(InputError, match="sample-1 with other texts than this run"):
        place.desk.answers(other)
    assert (told(place.desk), agreed) == ({"sample-1": {}}, [])
    assert place.shown("sample-1")["prompt"] == "prompt 1 text"


def test_responses_the_other_way_round_are_other_texts(place: Place) -> None:
    place.desk.push(FORMS["preference"], [item(1)])
    turned = replace(item(1), responses=item(1).responses[::-1])
    with pytest.raises(InputError, match="with other texts"):
        place.desk.push(FORMS["preference"], [turned])


@pytest.mark.parametrize("kind", FORMS)
def test_texts_are_shown_as_they_are(place: Place, kind: str) -> None:
    place.desk.push(FORMS[kind], [item(1, kind=kind, text=HOSTILE)])
    shown = place.shown("sample-1")
    assert shown["prompt"] == f"prompt 1 {HOSTILE}"
    fields = {"preference": {"response_a", "response_b"}, "sft": {"response_a"}, "rft": {"reference_answer"}}[kind]
    assert {*shown} == {"prompt"} | fields


def test_a_queue_that_is_not_there_is_told(place: Place) -> None:
    with pytest.raises(InputError, match="is not there"):
        place.desk.answers()


def test_more_people_are_asked_about_what_is_laid_out_already(review_server: ReviewServer) -> None:
    people = InArgilla(review_server, "overlaps", "overlaps")
    desk = ArgillaDesk(review_server.url, review_server.api_key, people.workspace, people.dataset)
    for overlap, status in ((1, "completed"), (2, "pending")):
        form = form_of(ReviewStage(gold=0, overlap=overlap), "q")
        desk.push(form, [item(1)])
        people.say("sample-1", "ann", {"better": "a"})
        deadline = time.monotonic() + 20
        while people.records()["sample-1"]["status"] != status and time.monotonic() < deadline:
            time.sleep(0.1)
        assert people.records()["sample-1"]["status"] == status
    assert told(desk) == {"sample-1": {"ann": {"better": "a"}}}


def test_a_dataset_with_another_runs_items_is_left_as_it_is(review_server: ReviewServer) -> None:
    people = InArgilla(review_server, "owned", "owned")
    desk = ArgillaDesk(review_server.url, review_server.api_key, people.workspace, people.dataset)
    mine, other = (form_of(ReviewStage(gold=0, overlap=overlap), "q", run) for overlap, run in ((1, "r1"), (3, "r2")))
    assert desk.push(mine, [item(1)]) == 1
    with pytest.raises(InputError, match=r"owned/owned at \S+ is another run's queue.*--dataset NAME"):
        desk.push(other, [item(1)])
    assert (desk.push(mine, [item(1), item(2)]), {*told(desk)}) == (1, {"sample-1", "sample-2"})
    [dataset] = [d for d in review_server.get("/me/datasets")["items"] if d["name"] == "owned"]
    assert dataset["distribution"]["min_submitted"] == 1


def test_a_dataset_that_does_not_say_whose_it_is_is_told_by_its_items(review_server: ReviewServer) -> None:
    people = InArgilla(review_server, "unsaid", "unsaid")
    desk = ArgillaDesk(review_server.url, review_server.api_key, people.workspace, people.dataset)
    desk.push(FORMS["sft"], [item(1, kind="sft"), item(2, kind="sft")])
    where = f"/datasets/{people.id_of('/me/datasets', 'unsaid')}"
    review_server.ask("PATCH", where, json={"metadata": None}).raise_for_status()
    form = form_of(ReviewStage(kind="sft"), "q", "r1")
    with pytest.raises(InputError, match="is another run's queue"):
        desk.push(form, [item(1, kind="sft")])
    assert desk.push(form, [item(number, kind="sft") for number in (1, 2, 3)]) == 1


def test_people_see_no_verdict_unless_they_are_to(review_server: ReviewServer) -> None:
    people = InArgilla(review_server, "verdicts", "verdicts")
    desk = ArgillaDesk(review_server.url, review_server.api_key, people.workspace, people.dataset)
    desk.push(FORMS["preference"], [item(1), item(2, suggested="b")])
    dataset = people.id_of("/me/datasets", "verdicts")
    found = review_server.get(f"/datasets/{dataset}/records?include=suggestions")["items"]
    suggested = {r["external_id"]: [s["value"] for s in r["suggestions"]] for r in found}
    assert suggested == {"sample-1": [], "sample-2": ["b"]}
    ann = people.person("ann")
    properties = {
        p["name"]: p["visible_for_annotators"] for p in ann.get(f"/me/datasets/{dataset}/metadata-properties")["items"]
    }
    assert {"judge", "margin", "part"}.isdisjoint(properties)
    assert {"source", "prompt_chars", "response_chars"} <= {*properties}


def test_nobody_learns_by_the_api_what_the_pages_hide(review_server: ReviewServer) -> None:
    people = InArgilla(review_server, "blinded", "blinded")
    desk = ArgillaDesk(review_server.url, review_server.api_key, people.workspace, people.dataset)
    desk.push(FORMS["preference"], [item(1)])
    for name in ("ann", "bob"):
        people.say("sample-1", name, {"better": "a"})
    record, ann = people.records()["sample-1"], people.person("ann")
    seen = ann.get(f"/records/{record['id']}")
    assert seen["metadata"] == item(1).metadata
    assert [response["user_id"] for response in seen["responses"]] == [ann.get("/me")["id"]]
    all_ = review_server.get(f"/records/{record['id']}")
    assert (all_["metadata"], len(all_["responses"])) == ({**item(1).metadata, **item(1).hidden}, 2)
    assert review_server.get(f"/records/{record['id']}") == all_

    def search(user: User, **query: Any) -> int:
        where = f"/me/datasets/{people.id_of('/me/datasets', 'blinded')}/records/search"
        return user.ask("POST", where, json=query).status_code

    for name, value in item(1).hidden.items():
        scope = {"entity": "metadata", "metadata_property": name}
        terms = {"and": [{"type": "terms", "scope": scope, "values": [str(value)]}]}
        assert (search(ann, filters=terms), search(review_server, filters=terms)) == (403, 200)
        order = [{"scope": scope, "order": "asc"}]
        assert (search(ann, sort=order), search(review_server, sort=order)) == (403, 200)
    source = {"entity": "metadata", "metadata_property": "source"}
    shown = {"and": [{"type": "terms", "scope": source, "values": ["seeds"]}]}
    assert search(ann, filters=shown, sort=[{"scope": source, "order": "asc"}]) == 200
    assert search(ann) == 200


def test_a_new_person_has_a_password_once_and_gets_in(review_server: ReviewServer) -> None:
    desk = ArgillaDesk(review_server.url, review_server.api_key, "team", "queue")
    desk.push(FORMS["sft"], [item(1, kind="sft")])
    passwords = dict(desk.admit(["carol", "dave", "carol"]))
    assert {*passwords} == {"carol", "dave"}
    assert review_server.log_in("carol", passwords["carol"]).status_code < 300
    assert review_server.log_in("carol", passwords["dave"]).status_code == 401
    assert dict(desk.admit(["carol"])) == {}
    other = ArgillaDesk(review_server.url, review_server.api_key, "another-team", "queue")
    assert dict(other.admit(["carol"])) == {}


def test_a_password_is_told_before_the_next_person_is_refused(review_server: ReviewServer) -> None:
    desk = ArgillaDesk(review_server.url, review_server.api_key, "team", "queue")
    people = desk.admit(["erin", " "])
    name, password = next(people)
    assert (name, review_server.log_in("erin", password).status_code) == ("erin", 201)
    with pytest.raises(InputError, match="team/queue"):
        next(people)


# The client leaves its connection open where it can't log in.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_wrong_key_is_refused_and_not_repeated(review_server: ReviewServer) -> None:
    desk = ArgillaDesk(review_server.url, "not-a-key", "team", "queue")
    with pytest.raises(InputError, match="does not take this API key") as told_:
        desk.push(FORMS["sft"], [])
    assert "not-a-key" not in f"{told_.value}{desk!r}"
    del told_
    gc.collect()


def test_an_annotators_key_may_not_make_a_queue(review_server: ReviewServer) -> None:
    ann = review_server.add_user("only-annotates")
    desk = ArgillaDesk(review_server.url, ann.api_key, "forbidden", "queue")
    with pytest.raises(InputError, match="an owner's may"):
        desk.push(FORMS["sft"], [item(1, kind="sft")])


def test_an_argilla_that_is_not_there_is_a_missing_part(tmp_path: Path) -> None:
    with pytest.raises(MissingPartError, match="preflect review start"):
        open_desk(ArgillaDeskSpec(home=str(tmp_path), dataset="queue"))
    with pytest.raises(InputError, match="--api-key-env NAME"):
        open_desk(ArgillaDeskSpec(url="http://127.0.0.1:9", dataset="queue"))
    with pytest.raises(MissingPartError, match="no Argilla answers at"):
        ArgillaDesk("http://127.0.0.1:9", "key", "w", "q").push(FORMS["sft"], [])


def test_a_name_longer_than_argilla_takes_is_told_before_anything_is_sent() -> None:
    nobody = "http://127.0.0.1:9"
    with pytest.raises(InputError, match=r"name of 201 characters, n+…, and Argilla takes 200; .*--dataset NAME"):
        ArgillaDesk(nobody, "key", "w", "n" * 201).push(FORMS["sft"], [])
    with pytest.raises(MissingPartError, match="no Argilla answers at"):
        ArgillaDesk(nobody, "key", "w", "n" * 200).push(FORMS["sft"], [])


def test_a_tool_may_leave_texts_and_line_ends_out(tmp_path: Path) -> None:
    path = tmp_path / "queue.jsonl"
    path.write_text('{"id": "sample-1", "answers": [{"reviewer": "ann", "better": "a"}]}', encoding="utf-8")
    assert JsonlDesk(path).push(FORMS["preference"], [item(1), item(2)]) == 1
    assert told(JsonlDesk(path)) == {"sample-1": {"ann": {"better": "a"}}, "sample-2": {}}


def test_what_somebody_says_twice_is_said_once(tmp_path: Path) -> None:
    path = tmp_path / "queue.jsonl"
    path.write_text(f"{ZOE}\n" * 2, encoding="utf-8")
    assert told(JsonlDesk(path)) == {"0": {"zoe": {"better": "a"}}}


def test_a_file_that_is_no_queue_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    JsonlDesk(path).push(FORMS["preference"], [item(1)])
    with path.open("a", encoding="utf-8") as file:
        file.write('{"id": "seed-1", "prompt": "Add 2 and 2."}\n')
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"seeds\.jsonl:2: 'seed-1' has no `questions`.*--to"):
        JsonlDesk(path).push(FORMS["preference"], [item(1), item(2)])
    assert path.read_bytes() == before


def test_what_does_not_fit_on_the_disk_is_not_laid_out_in_part(tmp_path: Path) -> None:
    path = tmp_path / "queue.jsonl"
    JsonlDesk(path).push(FORMS["preference"], [item(1)])
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, limits[1]))
    try:
        with pytest.raises(OSError, match="No space left"):
            JsonlDesk(path).push(FORMS["preference"], [item(2)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "not JSON"),
        ('{"prompt": "x"}', "an object with an `id` is wanted"),
        ('{"id": "1", "answers": 3}', "a list of objects is right"),
        ('{"id": "1", "answers": [{"better": "a"}]}', "an answer needs a `reviewer`"),
        ('{"id": "1", "answers": [{"reviewer": "ann", "submitted_at": "noon"}]}', "a time such as"),
        (
            '{"id": "1", "answers": [{"reviewer": "zoe", "better": "a"}, {"reviewer": "zoe", "better": "b"}]}',
            "'zoe' has two different answers to '1'; leave the one that stands",
        ),
        ('{"id": "0", "answers": [{"reviewer": "zoe", "better": "b"}]}', "'zoe' has two different answers to '0'"),
    ],
)
def test_a_line_that_is_no_item_is_told_with_its_place(tmp_path: Path, line: str, fault: str) -> None:
    path = tmp_path / "queue.jsonl"
    path.write_text(f"{ZOE}\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=fault) as told_:
        JsonlDesk(path).answers()
    assert str(told_.value).startswith(f"{path}:2: ")
