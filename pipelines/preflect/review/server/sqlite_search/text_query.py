"""What a person types into the search box, as an expression of FTS5.

`a b` and `a + b`: both; `a | b`: one of them; `-a`: not this; `"a b"`: these words in a row; `a*`: words that begin so;
parentheses group. "And" binds closer than "or". These are the signs of Elasticsearch's simple query strings, which
Argilla's page explains. Whatever else is typed is text: nothing is a mistake.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlite_search.words import words

SIGNS = re.compile(
    r'"(?P<phrase>[^"]*)"(?:~\d+)?'  # how far apart a phrase's words may be is not asked
    r"|(?P<sign>[()|+]|-(?=[^\s|+)]))"  # a dash before a space is a dash
    r'|(?P<word>[^\s"()|+]+)',
)
# FTS5 refuses deeper trees and slows down on longer ones: signs beyond are taken for spaces, words beyond left out.
MOST_DEEP = 8
MOST_WORDS = 500


@dataclass(frozen=True, slots=True)
class Match:
    """The records that an FTS5 expression finds, or (`complement`) all others: FTS5 has no "not" that stands alone."""

    expression: str
    complement: bool = False


def parsed(text: str) -> Match | None:
    """What to find; None where the text has no word in it."""
    return _Reader(list(_tokens(text))).alternatives(0)


@dataclass(frozen=True, slots=True)
class _Token:
    sign: str
    match: Match | None = None


def _tokens(text: str) -> Iterator[_Token]:
    left = MOST_WORDS
    for found in SIGNS.finditer(text):
        if sign := found["sign"]:
            yield _Token(sign)
        elif left and (match := _leaf(found)):
            left -= 1
            yield _Token("", match)


def _leaf(found: re.Match[str]) -> Match | None:
    word = re.sub(r"~\d*$", "", found["word"] or "")
    looked_for = words(found["phrase"] or word)
    return Match(f'"{looked_for}"{" *" if word.endswith("*") else ""}') if looked_for else None


class _Reader:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def alternatives(self, depth: int) -> Match | None:
        found = [self._together(depth)]
        while self._next_is("|") or (depth == 0 and self._next_is(")")):  # one that closes nothing
            bar = self._take().sign == "|"
            more = self._together(depth)
            found = [*found, more] if bar else [*found[:-1], _all([found[-1], more])]
        return _any(found)

    def _together(self, depth: int) -> Match | None:
        found: list[Match | None] = []
        while self._at < len(self._tokens) and self._tokens[self._at].sign not in {"|", ")"}:
            found.append(self._item(depth))
        return _all(found)

    def _item(self, depth: int) -> Match | None:
        negated = False
        while self._next_is("-"):
            self._take()
            negated = not negated
        found = self._operand(depth)
        return Match(found.expression, complement=found.complement != negated) if found else None

    def _operand(self, depth: int) -> Match | None:
        if self._at == len(self._tokens) or self._tokens[self._at].sign in {"|", ")"}:
            return None
        token = self._take()
        if token.sign != "(" or depth == MOST_DEEP:
            return token.match
        inner = self.alternatives(depth + 1)
        if self._next_is(")"):
            self._take()
        return inner

    def _next_is(self, sign: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at].sign == sign

    def _take(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]


def _all(matches: list[Match | None]) -> Match | None:
    wanted, unwanted = _sides(matches)
    if not wanted:
        return Match(_chain("OR", unwanted), complement=True) if unwanted else None
    return Match(_without(_chain("AND", wanted), _chain("OR", unwanted)))


def _any(matches: list[Match | None]) -> Match | None:
    wanted, unwanted = _sides(matches)
    if not unwanted:
        return Match(_chain("OR", wanted)) if wanted else None
    # a or not b = not (b and not a)
    return Match(_without(_chain("AND", unwanted), _chain("OR", wanted)), complement=True)


def _sides(matches: list[Match | None]) -> tuple[list[str], list[str]]:
    known = [match for match in matches if match]
    return [m.expression for m in known if not m.complement], [m.expression for m in known if m.complement]


def _chain(operator: str, expressions: list[str]) -> str:
    chain = f" {operator} ".join(expressions)
    return f"({chain})" if len(expressions) > 1 else chain


def _without(wanted: str, unwanted: str) -> str:
    return f"({wanted} NOT {unwanted})" if unwanted else wanted
