"""The embedded Argilla as a user meets it: one command, its own process, and only those in who may."""

from __future__ import annotations

import requests
from tests.review_server import ReviewServer


def test_the_server_answers_and_is_argilla_itself(review_server: ReviewServer) -> None:
    assert review_server.get("/version") == {"version": "2.8.0"}
    assert review_server.get("/me")["role"] == "owner"
    assert "<title>Argilla</title>" in requests.get(f"{review_server.url}/sign-in", timeout=10).text


def test_a_wrong_password_is_refused(review_server: ReviewServer) -> None:
    assert review_server.log_in(review_server.username, review_server.password).status_code == 201
    assert review_server.log_in(review_server.username, "wrong").status_code == 401
    assert review_server.log_in("argilla", "1234").status_code == 401
