"""Plan → phases → runner: the run folder, the journal, resume and budget."""
