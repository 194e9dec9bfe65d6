"""What looks at the whole set of samples at once."""

from preflect.curation.dedup import Dedup

__all__ = ["Dedup"]
