"""Where a review server may listen, and how the one at work on a folder is known."""

import fcntl
import json
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from preflect.errors import InputError, MissingPartError
from preflect.review.address import address_of, bound
from preflect.review.home import ReviewHome, Running


@contextmanager
def server_at_work(home: ReviewHome, **told: object) -> Generator[None]:
    """Somebody who holds the home's lock, as a server does, and says this of itself."""
    home.make()
    if told:
        (home.folder / "server.json").write_text(json.dumps(told), encoding="utf-8")
    with (home.folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:6900"),
        ("localhost", "http://127.0.0.1:6900"),
        ("::1", "http://[::1]:6900"),
        # This machine reaches a server that listens everywhere by its own address.
        ("0.0.0.0", "http://127.0.0.1:6900"),
        ("::", "http://[::1]:6900"),
        ("192.0.2.7", "http://192.0.2.7:6900"),
    ],
)
def test_the_url_of_an_address(host: str, url: str) -> None:
    assert address_of(host, None, network_allowed=True).url(6900) == url


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "10.0.0.1"])
def test_only_loopback_needs_no_consent(host: str) -> None:
    with pytest.raises(InputError, match="--i-know"):
        address_of(host, None, network_allowed=False)
    assert address_of("127.0.0.2", None, network_allowed=False).url(1) == "http://127.0.0.2:1"


def test_a_host_that_is_no_address_is_named() -> None:
    with pytest.raises(InputError, match=r"^--host nowhere\.invalid is no address"):
        address_of("nowhere.invalid", None, network_allowed=False)


def test_an_address_of_another_machine_cannot_be_listened_on() -> None:
    with pytest.raises(InputError, match=r"^cannot listen on 192\.0\.2\.7 port 0: "):
        bound(address_of("192.0.2.7", 0, network_allowed=True), 0)


def test_the_last_port_is_taken_again_and_another_one_only_where_it_is_taken() -> None:
    address = address_of("127.0.0.1", None, network_allowed=False)
    with bound(address, 0) as first:
        last = first.getsockname()[1]
        with bound(address, last) as other:
            assert other.getsockname()[1] not in {0, last}
    with bound(address, last) as again:
        assert again.getsockname()[1] == last


def test_a_home_is_made_for_its_owner_alone_and_found_again(tmp_path: Path) -> None:
    home = ReviewHome(tmp_path / "deep" / "home")
    for _ in range(2):
        home.make()
        assert home.folder.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in home.folder.iterdir()} == {0o600}


def test_a_home_is_never_made_among_other_files(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="holds other files"):
        ReviewHome(tmp_path).make()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    for folder in (tmp_path / "thesis.tex", tmp_path / "thesis.tex" / "home", Path("/proc/home")):
        with pytest.raises(InputError, match=r"can't hold a review server's data.*--home"):
            ReviewHome(folder).make()


def test_the_port_of_the_last_server_is_remembered_by_its_credentials(tmp_path: Path) -> None:
    home = ReviewHome(tmp_path)
    assert (home.credentials(), home.port()) == (None, 0)
    told = {"url": "http://127.0.0.1:6900", "username": "owner", "password": "p", "api_key": "k"}
    home.credentials_file.write_text(json.dumps(told), encoding="utf-8")
    assert home.port() == 6900


def test_who_holds_the_lock_is_the_server_and_nobody_else(tmp_path: Path) -> None:
    home = ReviewHome(tmp_path / "home")
    told = {"pid": os.getpid(), "url": "http://127.0.0.1:6900", "machine": socket.gethostname()}
    with server_at_work(home, **told):
        assert home.running() == Running(pid=os.getpid(), url="http://127.0.0.1:6900")
    assert home.running() is None


def test_a_server_that_has_not_said_who_it_is_is_just_starting(tmp_path: Path) -> None:
    home = ReviewHome(tmp_path / "home")
    with server_at_work(home), pytest.raises(MissingPartError, match="just starting, or ending"):
        home.running()


def test_a_process_number_of_another_machine_is_never_used(tmp_path: Path) -> None:
    home = ReviewHome(tmp_path / "home")
    elsewhere = server_at_work(home, pid=1, url="http://127.0.0.1:6900", machine="elsewhere")
    with elsewhere, pytest.raises(InputError, match="runs on the machine elsewhere"):
        home.running()
