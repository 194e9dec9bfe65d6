"""Argilla's background jobs, on a thread beside the server: their queue is in this process, so no other can see it."""

from __future__ import annotations

import asyncio
from threading import Thread
from typing import Any

from argilla_server.jobs.queues import DEFAULT_QUEUE, HIGH_QUEUE, REDIS_CONNECTION
from rq import SimpleWorker
from rq.job import Job
from rq.timeouts import TimerDeathPenalty


def work_beside(loop: asyncio.AbstractEventLoop) -> None:
    """Start the thread; it ends with the process."""

    class LoopJob(Job):
        """Runs on the server's own loop, to which the database's connections belong."""

        def _execute(self) -> Any:
            result = self.func(*self.args, **self.kwargs)
            return asyncio.run_coroutine_threadsafe(result, loop).result() if asyncio.iscoroutine(result) else result

    worker = _Worker([HIGH_QUEUE, DEFAULT_QUEUE], connection=REDIS_CONNECTION, job_class=LoopJob)
    Thread(target=worker.work, kwargs={"logging_level": "WARNING"}, name="jobs", daemon=True).start()


class _Worker(SimpleWorker):
    """A worker that leaves signals and orders from afar to the process that it is part of."""

    death_penalty_class = TimerDeathPenalty

    def _install_signal_handlers(self) -> None:
        return

    def subscribe(self) -> None:
        return

    def unsubscribe(self) -> None:
        return
