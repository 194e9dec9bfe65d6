"""When a call may go out: how many at once, how many a minute, who goes first. Pure control, no network."""
