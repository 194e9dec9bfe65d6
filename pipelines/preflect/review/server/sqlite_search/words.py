"""What counts as a word, for the texts that are indexed and for the texts that are looked for."""

import re
import unicodedata

# Written without spaces between words: Thai, Lao, Burmese, Khmer, Kana, Bopomofo, Han. Each character is a word, so
# that any run of them is found as a phrase.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U000323af"
)
WORD = re.compile(f"[{UNSPACED}]|[^\\W_{UNSPACED}]+")
ACCENTS = re.compile("[\u0300-\u036f]")


def words(text: str | None) -> str | None:
    """The words of a text with a space between them: no case, no accents, no width, no punctuation.

    SQLite calls it for what is indexed (`words(…)` in the triggers), the search for what is looked for. A change of it
    must raise `FORMAT` of `indexes.py`, as an entry is removed by the words that it was made of.
    """
    return None if text is None else " ".join(WORD.findall(_folded(text)))


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", ACCENTS.sub("", unicodedata.normalize("NFKD", text))).casefold()
