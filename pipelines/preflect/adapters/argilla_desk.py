"""Review in Argilla, embedded or a team's own: a dataset with our questions, and the answers that were submitted."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from preflect.adapters.argilla_form import VECTOR, fields_of, record_of, settings_of
from preflect.desk import Agreed, ReviewForm, ReviewItem, other_queue
from preflect.errors import InputError, MissingPartError, NoQueueError
from preflect.schemas import ReviewAnswer

_PAGE: Final = 500
_LONGEST_NAME: Final = 200
"""Characters, of a dataset; a workspace's may be of any length."""


@dataclass(frozen=True, slots=True)
class ArgillaDesk:
    """A dataset in a workspace, both made where they are not there; records are known by the sample's id."""

    url: str
    api_key: str = field(repr=False)
    workspace: str
    dataset: str

    def push(self, form: ReviewForm, items: Sequence[ReviewItem], agreed: Agreed = lambda _: None) -> int:
        """Log the records that are not there: one that is there may be answered, and stays as it is."""
        self._refuse_long_name()
        with self._session() as session:
            found = session.dataset() or session.new_dataset(form)
            known = {record["external_id"]: record["fields"] for record in session.records(found.id)}
            self._refuse_others(known, items)
            told = session.told(found.id)
            self._refuse_another_run(told, form, known, items)
            session.ask(told, form)
            agreed(known)
            new = [item for item in items if item.id not in known]
            session.take_vectors(found.id, {len(item.vector) for item in new if item.vector})
            return session.log(found, new)

    def answers(self, items: Sequence[ReviewItem] = ()) -> Mapping[str, Sequence[ReviewAnswer]]:
        """What was submitted; drafts and discarded answers are none."""
        with self._session() as session:
            found = session.dataset()
            if found is None:
                raise NoQueueError(f"dataset {self._place} is not there; `preflect review push` makes it")
            names = session.usernames()
            records = list(session.records(found.id, "responses"))
            self._refuse_others({record["external_id"]: record["fields"] for record in records}, items)
            return {record["external_id"]: [*_answers(record, names)] for record in records}

    def _refuse_long_name(self) -> None:
        if (length := len(self.dataset)) > _LONGEST_NAME:
            raise InputError(
                f"the dataset would have a name of {length} characters, {self.dataset[:40]}…, and Argilla takes "
                f"{_LONGEST_NAME}; give it a shorter one with --dataset NAME"
            )

    def _refuse_others(self, known: Mapping[str, Mapping[str, str]], items: Sequence[ReviewItem]) -> None:
        for item in items:
            if known.get(item.id, shown := fields_of(item)) != shown:
                raise other_queue(
                    self._place, item, "push it to another dataset with --dataset, or delete that one in Argilla"
                )

    def _refuse_another_run(
        self, told: Mapping[str, Any], form: ReviewForm, known: Collection[str], items: Sequence[ReviewItem]
    ) -> None:
        """One that does not say whose it is, of an older version or another tool's, is told by what is in it."""
        owner: str = told["metadata"].get("run", "")
        is_ours = owner == form.run if owner else {*known} <= {item.id for item in items}
        if not is_ours:
            raise InputError(
                f"{self._place} is another run's queue; push to another dataset with --dataset NAME, or delete that "
                "one in Argilla"
            )

    def admit(self, usernames: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Let these people into the workspace; those who are new are made, each told with its password once it is."""
        with self._session() as session:
            yield from session.admit(usernames)

    @contextmanager
    def _session(self) -> Generator[_Session]:
        """Argilla's client, open while the block runs; what goes wrong is said in words of what to do about it."""
        argilla: Any = _argilla()
        import httpx  # noqa: PLC0415  # the client's own

        faults = argilla._exceptions  # noqa: SLF001  # it names them nowhere else
        try:
            client = argilla.Argilla(api_url=self.url, api_key=self.api_key)
            try:
                yield _Session(argilla, client, self.workspace, self.dataset)
            finally:
                client.http_client.close()
        except httpx.TransportError as error:
            raise MissingPartError(
                f"no Argilla answers at {self.url} ({type(error).__name__}); start it, or name another with --url"
            ) from error
        except faults.ArgillaCredentialsError as error:
            raise InputError(f"the Argilla at {self.url} does not take this API key") from error
        except faults.ForbiddenError as error:
            raise InputError(f"the API key may not do this at {self.url}; an owner's may: {error}") from error
        except (faults.ArgillaError, httpx.HTTPStatusError) as error:
            raise InputError(f"{self._place}: {error}") from error

    @property
    def _place(self) -> str:
        return f"{self.workspace}/{self.dataset} at {self.url}"


def _argilla() -> Any:
    try:
        with warnings.catch_warnings():
            # It is written for an older pydantic, which is its own affair.
            warnings.simplefilter("ignore", DeprecationWarning)
            import argilla  # noqa: PLC0415  # takes a second
    except ImportError as error:
        raise MissingPartError("Argilla's client is not installed; pip install 'preflect[review]'") from error
    return argilla


@dataclass(frozen=True, slots=True)
class _Session:
    """A logged-in client, and the names of what it works on.

    What is looked up by name and is not there, the client warns of on the terminal: so it's looked for in the lists.
    """

    argilla: Any
    client: Any
    workspace_name: str
    dataset_name: str

    def dataset(self) -> Any | None:
        """The dataset, if it is there."""
        workspace = self._known_workspace()
        datasets = workspace.datasets if workspace else ()
        found = next((known for known in datasets if known.name == self.dataset_name), None)
        return found and found.get()

    def new_dataset(self, form: ReviewForm) -> Any:
        """The dataset, made."""
        self._workspace()
        settings = settings_of(self.argilla, self.client, form)
        made = self.argilla.Dataset(
            name=self.dataset_name, workspace=self.workspace_name, settings=settings, client=self.client
        )
        return made.create()

    def told(self, dataset_id: object) -> dict[str, Any]:
        """The dataset as the API has it."""
        told = self._ask("GET", f"/datasets/{dataset_id}")
        return {**told, "metadata": told["metadata"] or {}}

    def ask(self, told: Mapping[str, Any], form: ReviewForm) -> None:
        """It is this run's, and so many people complete a record from now on, those that were answered before too."""
        wanted: dict[str, dict[str, Any]] = {
            "distribution": {"strategy": "overlap", "min_submitted": form.overlap},
            "metadata": {**told["metadata"], "run": form.run},
        }
        if changes := {name: value for name, value in wanted.items() if told[name] != value}:
            self._ask("PATCH", f"/datasets/{told['id']}", json=changes)

    def take_vectors(self, dataset_id: object, widths: Iterable[int]) -> None:
        """Have the dataset take vectors of these widths, of which there is one at most."""
        path = f"/datasets/{dataset_id}/vectors-settings"
        for width in widths:
            if all(known["name"] != VECTOR for known in self._ask("GET", path)["items"]):
                self._ask("POST", path, json={"name": VECTOR, "title": "Words in common", "dimensions": width})

    def log(self, dataset: Any, items: Sequence[ReviewItem]) -> int:
        """Bring the items in; returns how many there are."""
        models = [record_of(self.argilla, dataset, item).api_model() for item in items]
        for start in range(0, len(models), _PAGE):
            # Not by `records.log`, which draws a progress bar of its own.
            self.client.api.records.bulk_upsert(dataset_id=dataset.id, records=models[start : start + _PAGE])
        return len(models)

    def records(self, dataset_id: object, include: str = "") -> Iterator[dict[str, Any]]:
        """The records as the API has them: the client leaves out when a response was given."""
        offset, last = 0, False
        while not last:
            params = {"limit": _PAGE, "offset": offset, **({"include": include} if include else {})}
            items: list[dict[str, Any]] = self._ask("GET", f"/datasets/{dataset_id}/records", params=params)["items"]
            yield from items
            offset, last = offset + len(items), len(items) < _PAGE

    def usernames(self) -> dict[str, str]:
        """By id; an owner may answer without being of the workspace, and only an owner may list everybody."""
        known = self.client.users if self.client.me.role == "owner" else self._workspace().users
        return {str(user.id): user.username for user in known}

    def admit(self, usernames: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Names and passwords of those who are new."""
        workspace, known = self._workspace(), {user.username: user for user in self.client.users}
        members = {user.username for user in workspace.users}
        for name in dict.fromkeys(usernames):
            if name not in known:
                password = secrets.token_urlsafe(12)
                known[name] = self._new_user(name, password)
                yield name, password
            if name not in members:
                workspace.add_user(known[name])

    def _new_user(self, name: str, password: str) -> Any:
        user = self.argilla.User(
            username=name, first_name=name, role="annotator", password=password, client=self.client
        )
        return self.client.users.add(user)

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """One call of the API, for what the client leaves out."""
        answer = self.client.http_client.request(method, f"/api/v1{path}", **options)
        answer.raise_for_status()
        return answer.json()

    def _workspace(self) -> Any:
        return self._known_workspace() or self.argilla.Workspace(name=self.workspace_name, client=self.client).create()

    def _known_workspace(self) -> Any | None:
        return next((known for known in self.client.workspaces if known.name == self.workspace_name), None)


def _answers(record: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[ReviewAnswer]:
    responses: list[dict[str, Any]] = record.get("responses") or []
    for response in responses:
        values: dict[str, dict[str, Any]] = response["values"] or {}
        if response["status"] == "submitted":
            yield ReviewAnswer(
                sample_id=record["external_id"],
                # A user who was deleted since has said it all the same.
                reviewer=names.get(str(response["user_id"]), str(response["user_id"])),
                values={name: said["value"] for name, said in values.items()},
                submitted_at=f"{response['updated_at']}+00:00",
            )
