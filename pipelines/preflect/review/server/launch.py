"""Start the embedded Argilla on a socket that is already bound, and serve until SIGTERM.

ENV/bin/python -s -E launch.py --home DIR --socket DESCRIPTOR --url URL
"""

from __future__ import annotations

import argparse
import fcntl
import gc
import json
import os
import socket
from pathlib import Path
from typing import Final

import pages
from reports import Reports, log_plainly
from stand_ins import stand_in
from surroundings import surround, write_whole

_LONGEST: Final = 500


def main() -> None:
    """Tell the starting process each step, and then that the server is ready or why it is not."""
    os.umask(0o077)
    reports = Reports()
    log_plainly()
    try:
        _run(_arguments(), reports)
    except Exception as error:
        reports.say(error=f"{type(error).__name__}: {error}"[:_LONGEST])
        raise


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--url", required=True)
    return parser.parse_args()


def _run(arguments: argparse.Namespace, reports: Reports) -> None:
    home, url = arguments.home, arguments.url
    with (home / "lock").open("a") as lock:
        # Held until this process ends, however it does: who holds it is the running server.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        running = home / "server.json"
        write_whole(running, json.dumps({"pid": os.getpid(), "url": url, "machine": socket.gethostname()}))
        _serve(home, url, socket.socket(fileno=arguments.socket), reports)
        running.unlink(missing_ok=True)


def _serve(home: Path, url: str, listener: socket.socket, reports: Reports) -> None:
    reports.say(doing="loading Argilla")
    surround(home, url)
    stand_in()
    gc.disable()  # nothing of what is loaded becomes garbage
    with pages.not_copied():
        from serve import serve  # noqa: PLC0415  (Argilla reads its settings when it is imported)
    gc.freeze()
    gc.set_threshold(50_000)  # a page of records is as many objects; Python's 700 take a tenth of the time of logging
    gc.enable()
    serve(home, url, listener, reports)


if __name__ == "__main__":
    main()
