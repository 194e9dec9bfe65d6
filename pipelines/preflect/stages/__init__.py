"""One file per stage: a sample goes in, and a sample with more in it comes out, or the rejection that says why not."""
