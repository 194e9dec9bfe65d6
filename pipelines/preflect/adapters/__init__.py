"""One file per outside system: files, model endpoints, the Hub, students."""
