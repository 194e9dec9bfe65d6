"""The embedded Argilla as a user meets it: one command, its own process, data that stay, and in only those who may."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import requests
from tests.review_server import ReviewServer, User, review, running_server


def document(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# Start, find, stop


def test_start_says_url_user_and_where_the_password_is_but_not_the_password(review_server: ReviewServer) -> None:
    said = review("start", "--home", review_server.home)
    assert said.returncode == 0
    assert said.stdout == (
        f"review server is already running: {review_server.url}\n"
        "user      owner\n"
        f"password  in {review_server.home}/credentials.json\n"
        f"stop it   preflect review stop --home {review_server.home}\n"
    )


def test_the_server_answers_and_is_argilla_itself(review_server: ReviewServer) -> None:
    assert review_server.get("/version") == {"version": "2.8.0"}
    assert review_server.get("/me")["role"] == "owner"
    assert "<title>Argilla</title>" in requests.get(f"{review_server.url}/sign-in", timeout=10).text


def test_a_second_start_finds_the_first(review_server: ReviewServer) -> None:
    again = document(review("start", "--home", review_server.home, "--json"))
    assert again == {
        "pid": review_server.pid,
        "url": review_server.url,
        "username": "owner",
        "credentials": str(review_server.home / "credentials.json"),
        "already_running": True,
    }


def test_status_says_what_runs_where_and_what_it_holds(review_server: ReviewServer) -> None:
    dataset = review_server.add_dataset("status")
    before = document(review("status", "--home", review_server.home, "--json"))
    review_server.add_records(dataset, "one", "two")
    after = document(review("status", "--home", review_server.home, "--json"))
    assert after == before | {"records": int(str(before["records"])) + 2}
    assert {"running": True, "url": review_server.url, "version": "2.8.0"}.items() <= after.items()


def test_without_a_server_status_and_stop_say_so_and_make_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert document(review("status", "--home", home, "--json")) == {
        "running": False,
        "pid": None,
        "url": None,
        "version": None,
    }
    assert document(review("stop", "--home", home, "--json")) == {"stopped": False, "pid": None}
    assert not home.exists()


def test_a_killed_server_s_number_is_not_taken_for_the_server(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "lock").touch()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as somebody_else:
        told = {"pid": somebody_else.pid, "url": "http://127.0.0.1:1", "machine": socket.gethostname()}
        (home / "server.json").write_text(json.dumps(told), encoding="utf-8")
        assert document(review("status", "--home", home, "--json"))["running"] is False
        assert document(review("stop", "--home", home, "--json")) == {"stopped": False, "pid": None}
        assert somebody_else.poll() is None
        somebody_else.kill()


def test_two_starts_at_once_start_one_server(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ThreadPoolExecutor() as both:
        starts = [both.submit(review, "start", "--home", home, "--json") for _ in range(2)]
    first, second = [document(start.result()) for start in starts]
    assert document(review("stop", "--home", home, "--json")) == {"stopped": True, "pid": first["pid"]}
    assert first | {"already_running": None} == second | {"already_running": None}
    assert {first["already_running"], second["already_running"]} == {True, False}


# What stays


def test_data_logins_and_address_survive_stop_and_start(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running_server(home) as server:
        dataset = server.add_dataset("kept")
        (record,) = server.add_records(dataset, "Name a bird.")
        annotator = server.add_user("ada", dataset.workspace)
        annotator.rate(record, 4)
        token = server.log_in("ada", "long enough").json()["access_token"]
    assert document(review("status", "--home", home, "--json"))["responses"] == 1
    with running_server(home) as again:
        assert (again.url, again.password, again.api_key) == (server.url, server.password, server.api_key)
        me = requests.get(f"{again.url}/api/v1/me", headers={"Authorization": f"Bearer {token}"}, timeout=10)
        assert me.json()["username"] == "ada"
        assert annotator.get(f"/records/{record}")["responses"][0]["values"] == {"rating": {"value": 4}}


def test_a_killed_server_starts_again_with_all_that_it_had_acknowledged(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running_server(home) as server:
        dataset = server.add_dataset("killed")
        (record,) = server.add_records(dataset, "Name a bird.")
        os.kill(server.pid, signal.SIGKILL)
        with running_server(home) as again:
            assert again.pid != server.pid
            assert again.get(f"/records/{record}")["fields"] == {"prompt": "Name a bird."}


def test_a_deleted_credentials_file_is_made_anew_and_the_old_password_ends(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running_server(home) as server:
        pass
    (home / "credentials.json").unlink()
    with running_server(home) as again:
        assert again.log_in("owner", again.password).status_code == 201
        assert again.log_in("owner", server.password).status_code == 401
        assert User(again.url, server.api_key).ask("GET", "/me").status_code == 401


def test_a_start_that_was_killed_while_it_made_the_database_is_repeated(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running_server(home):
        pass
    (home / "argilla.db").rename(home / ".argilla.db.tmp")
    with running_server(home) as again:
        assert again.get("/me")["username"] == "owner"


def test_jobs_of_argilla_are_carried_out(review_server: ReviewServer) -> None:
    dataset = review_server.add_dataset("jobs")
    (record,) = review_server.add_records(dataset, "Name a bird.")
    review_server.rate(record, 3)
    assert review_server.get(f"/records/{record}")["status"] == "completed"
    settings = {"distribution": {"strategy": "overlap", "min_submitted": 2}}
    review_server.ask("PATCH", f"/datasets/{dataset.id}", json=settings).raise_for_status()
    deadline = time.monotonic() + 20
    while review_server.get(f"/records/{record}")["status"] != "pending" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert review_server.get(f"/records/{record}")["status"] == "pending"


# Who may


def test_a_wrong_password_is_refused(review_server: ReviewServer) -> None:
    assert review_server.log_in(review_server.username, review_server.password).status_code == 201
    assert review_server.log_in(review_server.username, "wrong").status_code == 401
    assert review_server.log_in("argilla", "1234").status_code == 401


def test_nobody_sees_a_workspace_of_others(review_server: ReviewServer) -> None:
    mine, theirs = review_server.add_dataset("mine"), review_server.add_dataset("theirs")
    (record,) = review_server.add_records(theirs, "Name a bird.")
    me = review_server.add_user("eve", mine.workspace)
    assert [dataset["name"] for dataset in me.get("/me/datasets")["items"]] == ["mine"]
    for path in (f"/datasets/{theirs.id}", f"/records/{record}", f"/datasets/{theirs.id}/records", "/users"):
        assert me.ask("GET", path).status_code in {403, 404}, path
    values = {"values": {"rating": {"value": 1}}, "status": "submitted"}
    assert me.ask("POST", f"/records/{record}/responses", json=values).status_code == 403
    assert me.ask("POST", "/workspaces", json={"name": "more"}).status_code == 403


def _segment(claims: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


def test_a_token_that_was_tampered_with_is_refused(review_server: ReviewServer) -> None:
    review_server.add_user("mallory")
    token = review_server.log_in("mallory", "long enough").json()["access_token"]
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    as_owner = _segment(claims | {"username": "owner", "identity": review_server.get("/me")["id"]})
    unsigned = _segment({"alg": "none", "typ": "JWT"})
    for forged in (f"{head}.{as_owner}.{signature}", f"{unsigned}.{as_owner}.", f"{head}.{body}.", f"{token[:-4]}AAAA"):
        headers = {"Authorization": f"Bearer {forged}"}
        assert requests.get(f"{review_server.url}/api/v1/me", headers=headers, timeout=10).status_code == 401


@pytest.mark.parametrize("up", ["../..", "%2e%2e/%2e%2e", "..%2f..", "_nuxt/../../..", "....//..../", "%5c..%5c.."])
@pytest.mark.parametrize("name", ["credentials.json", "secret_key", "argilla.db"])
def test_no_path_leads_out_of_the_pages(review_server: ReviewServer, up: str, name: str) -> None:
    where = urlsplit(review_server.url)
    with closing(http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)) as connection:
        connection.request("GET", f"/{up}/{name}")
        said = connection.getresponse().read()
    assert said.startswith(b"<!doctype html>") or b"detail" in said or said == b"Not Found"
    assert (review_server.home / name).read_bytes()[:30] not in said


def test_pages_and_answers_carry_the_security_headers(review_server: ReviewServer) -> None:
    for path in ("/", "/sign-in", "/_nuxt/nothing.js", "/api/v1/version", "/api/v1/me", "/api/v1/nothing"):
        headers = requests.get(review_server.url + path, timeout=10).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'self'"
        assert "unsafe" not in policy["script-src"]
        assert {policy["object-src"], policy["frame-ancestors"]} == {"'none'"}


def test_only_pages_of_this_server_may_read_its_answers(review_server: ReviewServer) -> None:
    def allowed(origin: str) -> str | None:
        answer = requests.get(f"{review_server.url}/api/v1/version", headers={"Origin": origin}, timeout=10)
        return answer.headers.get("Access-Control-Allow-Origin")

    assert allowed(review_server.url) == review_server.url
    assert allowed("https://elsewhere.example") is None


def test_no_page_asks_google_for_fonts(review_server: ReviewServer) -> None:
    (pages,) = (review_server.home / "static").iterdir()
    files = [path for path in pages.rglob("*") if path.suffix in {".html", ".css", ".js"}]
    assert len(files) > 20
    assert [path.name for path in files if b"fonts.googleapis.com" in path.read_bytes()] == []
    for sheet in (path for path in files if path.suffix == ".css"):
        served = requests.get(f"{review_server.url}/{sheet.relative_to(pages)}", timeout=10)
        assert served.content == sheet.read_bytes()


def test_everything_in_home_is_for_its_owner_alone(review_server: ReviewServer) -> None:
    assert stat.S_IMODE(review_server.home.stat().st_mode) == 0o700
    # The pages, which everybody has, keep the modes that they came with.
    (pages,) = (review_server.home / "static").iterdir()
    own = [path for path in review_server.home.rglob("*") if pages not in {path, *path.parents}]
    assert len(own) > 8
    assert [path for path in own if path.stat().st_mode & 0o077] == []


def test_the_log_holds_no_secret(review_server: ReviewServer) -> None:
    review_server.log_in("owner", "a wrong password")
    review_server.ask("GET", "/me", params={"api_key": review_server.api_key})
    log = (review_server.home / "server.log").read_text(encoding="utf-8")
    secrets = (review_server.password, review_server.api_key, (review_server.home / "secret_key").read_text())
    assert [secret for secret in (*secrets, "a wrong password") if secret in log] == []
    assert "started" in log.lower()


def test_the_server_listens_on_this_machine_alone_and_leaves_nothing_in_tmp(review_server: ReviewServer) -> None:
    process = psutil.Process(review_server.pid)
    assert {connection.laddr.ip for connection in process.net_connections() if connection.status == "LISTEN"} == {
        "127.0.0.1"
    }
    assert [file.path for file in process.open_files() if not file.path.startswith(str(review_server.home))] == []


# What is refused


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_host_that_is_open_to_the_network_is_refused_with_the_way_to_tls(tmp_path: Path, host: str) -> None:
    said = review("start", "--home", tmp_path / "home", "--host", host)
    assert said.returncode == 2
    assert "plain HTTP" in said.stderr
    assert "TLS" in said.stderr
    assert "--i-know" in said.stderr
    assert not (tmp_path / "home").exists()


def test_a_port_that_is_taken_is_refused_by_name(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = review("start", "--home", tmp_path / "home", "--port", str(port))
    assert said.returncode == 2
    assert said.stderr == (
        f"error: cannot listen on 127.0.0.1 port {port}: Address already in use; name another --port\n"
    )


def test_a_folder_of_other_files_is_no_review_home(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    said = review("start", "--home", tmp_path)
    assert said.returncode == 2
    assert said.stderr == (
        f"error: {tmp_path} holds other files and no review server's; name a new folder with --home\n"
    )


def test_the_caller_s_variables_do_not_reach_the_server(tmp_path: Path) -> None:
    theirs = {
        "ARGILLA_BASE_URL": "/elsewhere",
        "ARGILLA_DATABASE_URL": f"sqlite:///{tmp_path}/elsewhere.db",
        "ARGILLA_AUTH_SECRET_KEY": "known to all",
        "SPACE_ID": "somebody/space",
        "PYTHONPATH": str(tmp_path),
        "OPENAI_API_KEY": "sk-of-the-teacher",
    }
    (tmp_path / "argilla_server.py").write_text("raise RuntimeError('the wrong one')", encoding="utf-8")
    with running_server(tmp_path / "home", env=theirs) as server:
        assert server.get("/version") == {"version": "2.8.0"}
        assert not (tmp_path / "elsewhere.db").exists()
        assert {*theirs} & {*psutil.Process(server.pid).environ()} == set()


def test_an_environment_that_cannot_be_made_says_what_pip_said(tmp_path: Path) -> None:
    nothing = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    said = review("start", "--home", tmp_path / "home", env=nothing | {"PREFLECT_REVIEW_ENVIRONMENT": ""})
    assert said.returncode == 4
    assert "No matching distribution found for" in said.stderr
    assert "then start again" in said.stderr
    assert [path.name for path in (tmp_path / "preflect" / "review-server").iterdir() if path.is_dir()] == []


def test_an_environment_may_be_named_from_here_and_must_have_a_python(
    review_server: ReviewServer, tmp_path: Path
) -> None:
    made = Path(psutil.Process(review_server.pid).cmdline()[0]).parents[1]
    with running_server(tmp_path / "home", "--environment", os.path.relpath(made)) as server:
        assert server.get("/version") == {"version": "2.8.0"}
    (tmp_path / "empty").mkdir()
    empty = os.path.relpath(tmp_path / "empty")
    said = review("start", "--home", tmp_path / "other", "--environment", empty)
    assert said.returncode == 4
    assert said.stderr.endswith(
        f"error: {empty} is no virtual environment, {tmp_path}/empty/bin/python is not there; "
        "name another with --environment, or none to have one made\n"
    )


def test_a_start_that_fails_says_why_and_leaves_no_process(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "lock").touch()
    (home / "argilla.db").write_text("this is no database, although it stands where one should be", encoding="utf-8")
    said = review("start", "--home", home)
    assert said.returncode == 1
    assert "file is not a database" in said.stderr
    assert review("status", "--home", home).stderr == (
        f"error: {home}/argilla.db cannot be read: file is not a database; put a copy of it back that can\n"
    )
    assert document(review("stop", "--home", home, "--json")) == {"stopped": False, "pid": None}


def skip_where_no_disk_can_be_mounted(at: Path) -> None:
    if subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", at], check=False).returncode:
        pytest.skip("no disk can be mounted here")


def test_a_full_disk_is_told_before_anything_is_started(tmp_path: Path) -> None:
    words = f"{sys.executable} -m preflect.cli review start --home {tmp_path}/home"
    small_disk = f"mount -t tmpfs -o size=20m tmpfs {tmp_path} && {words}"
    skip_where_no_disk_can_be_mounted(tmp_path)
    said = subprocess.run(["unshare", "-rm", "sh", "-c", small_disk], capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert said.stderr == f"error: 20 MB are free in {tmp_path}/home, a server needs 50\n"


@contextmanager
def server_on_a_small_disk(mount: Path) -> Generator[tuple[ReviewServer, Path]]:
    """A server whose home lies on a disk of 80 MB, and the disk by the path that leads there from here."""
    start = f"{sys.executable} -m preflect.cli review start --home {mount}/home --json | tr -d '\\n'"
    words = f"mount -t tmpfs -o size=80m tmpfs {mount} && {start}; echo; read _"
    with subprocess.Popen(
        ["unshare", "-rm", "sh", "-c", words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as shell:
        assert shell.stdout is not None
        started = json.loads(shell.stdout.readline())
        disk = Path(f"/proc/{shell.pid}/root{mount}")
        known = json.loads((disk / "home" / "credentials.json").read_text(encoding="utf-8"))
        try:
            yield ReviewServer(home=disk / "home", pid=started["pid"], **known), disk
        finally:
            os.kill(started["pid"], signal.SIGTERM)


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))


@pytest.mark.parametrize("where", ["/records/{}/responses", "/me/responses/bulk"])
def test_an_answer_that_the_disk_has_no_room_for_is_refused_in_words(tmp_path: Path, where: str) -> None:
    skip_where_no_disk_can_be_mounted(tmp_path)

    def submit(record: str) -> requests.Response:
        body: dict[str, object] = {"values": {"rating": {"value": 3}}, "status": "submitted"}
        items = {"items": [body | {"record_id": record}]}
        return server.ask("POST", where.format(record), json=items if "bulk" in where else body)

    def is_kept(answer: requests.Response) -> bool:
        return answer.ok and answer.json().get("items", [{"error": None}])[0]["error"] is None

    with server_on_a_small_disk(tmp_path) as (server, disk):
        records = server.add_records(server.add_dataset("full"), *map(str, range(500)))
        fill(disk / "filler")
        # What is free in the database's own files is still used.
        kept: list[str] = []
        while is_kept(answer := submit(records[len(kept)])):
            kept.append(records[len(kept)])
        assert "the disk that holds the reviews is full: this was not kept" in answer.text
        assert answer.status_code == (200 if "bulk" in where else 507)
        (disk / "filler").unlink()
        assert is_kept(submit(records[len(kept)]))
        found = {record: server.get(f"/records/{record}")["responses"] for record in records[: len(kept) + 2]}
        assert [record for record, responses in found.items() if responses] == records[: len(kept) + 1]
