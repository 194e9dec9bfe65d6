"""The student's scores: what they mean, the texts they are computed on, and the embedded lexical proxy."""

from preflect.scoring.ifd import HELPS_BELOW, ifd_loss, ifd_ppl, no_score, r_ifd_ppl
from preflect.scoring.records import ScoreMetric, query_for, score_pair, score_pairs
from preflect.scoring.templates import conversation_text, prompt_and_target

__all__ = [
    "HELPS_BELOW",
    "ScoreMetric",
    "conversation_text",
    "ifd_loss",
    "ifd_ppl",
    "no_score",
    "prompt_and_target",
    "query_for",
    "r_ifd_ppl",
    "score_pair",
    "score_pairs",
]
