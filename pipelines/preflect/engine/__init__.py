"""Plan → phases → runner: the run folder, the journal, resume and budget."""

from preflect.engine.running import RunResult, Watch, resume, run

__all__ = ["RunResult", "Watch", "resume", "run"]
