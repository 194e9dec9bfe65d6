"""Other Pythons beside this one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from preflect.interpreter import born_deaf

LISTENS = "import time; print('up', flush=True); time.sleep(60)"


def test_what_is_born_deaf_goes_on_after_a_stop_until_it_is_killed() -> None:
    """From its first moment on: its own first line would come half a second later."""
    stops = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with born_deaf():
        child = subprocess.Popen([sys.executable, "-c", LISTENS], stdout=subprocess.PIPE)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    with child:
        for stop in stops:
            child.send_signal(stop)
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        for stop in stops:
            child.send_signal(stop)
        time.sleep(0.2)
        assert child.poll() is None
        child.kill()
    assert child.returncode == -signal.SIGKILL
