"""SQL put together from pieces that keep their values with them."""

from collections.abc import Iterable
from dataclasses import dataclass

Value = str | int | float


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of SQL, and the values of its question marks in their order."""

    sql: str
    values: tuple[Value, ...] = ()

    def __add__(self, other: "Clause") -> "Clause":
        return Clause(f"{self.sql} {other.sql}", self.values + other.values)


def joined(separator: str, clauses: Iterable[Clause]) -> Clause:
    parts = tuple(clauses)
    return Clause(separator.join(part.sql for part in parts), tuple(value for part in parts for value in part.values))


def all_of(clauses: Iterable[Clause]) -> Clause:
    """True where every clause is; without any, everywhere."""
    return joined(" AND ", [Clause("TRUE"), *(Clause(f"({part.sql})", part.values) for part in clauses)])


def any_of(clauses: Iterable[Clause]) -> Clause:
    """True where one of the clauses is; without any, nowhere."""
    return joined(" OR ", [Clause("FALSE"), *(Clause(f"({part.sql})", part.values) for part in clauses)])


def one_of(expression: str, values: Iterable[Value]) -> Clause:
    listed = tuple(values)
    return Clause(f"{expression} IN ({', '.join('?' * len(listed))})", listed)
