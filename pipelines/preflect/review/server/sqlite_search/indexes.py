"""The SQL that makes, fills, follows and drops what the search needs beside Argilla's own tables."""

from dataclasses import dataclass
from uuid import UUID

from argilla_server.enums import FieldType

# Raise it when `words` or an index changes: what an older version made is made anew at the next start.
FORMAT = 1
RECORDS_INDEX = "preflect_records"

# `state`: which dataset has which index. `schema` is SQLite's own count of changes to the schema: a count that we did
# not cause means that `records` may have been numbered anew (VACUUM, a migration), and the numbers are all that an FTS5
# entry has of its record. `vectors`: a count of changes, by which a matrix in memory is known to be stale.
STORE = (
    """CREATE TABLE IF NOT EXISTS preflect_state
    (dataset_id TEXT PRIMARY KEY, format INTEGER NOT NULL, schema INTEGER NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS preflect_vectors (settings_id TEXT PRIMARY KEY, changes INTEGER NOT NULL)",
    # All that filters, orders and counts read of a record: the records themselves are wide, mostly text.
    f"""CREATE INDEX IF NOT EXISTS {RECORDS_INDEX}
    ON records (dataset_id, status, id, inserted_at, updated_at, external_id, metadata)""",
    "CREATE INDEX IF NOT EXISTS preflect_responses ON responses (user_id, record_id, status)",
    *(
        f"CREATE TRIGGER IF NOT EXISTS preflect_vectors_{event} AFTER {event} ON vectors BEGIN"
        f" INSERT INTO preflect_vectors VALUES ({row}.vector_settings_id, 1)"
        " ON CONFLICT (settings_id) DO UPDATE SET changes = changes + 1; END"
        for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD"))
    ),
)
REMEMBER_SCHEMA = "UPDATE preflect_state SET schema = (SELECT schema_version FROM pragma_schema_version)"


@dataclass(frozen=True, slots=True)
class TextField:
    """A field of a dataset whose text is looked through: any but an image."""

    id: str
    name: str
    type: str

    @property
    def column(self) -> str:
        return field_column(self.id)

    def text(self, record: str) -> str:
        """Its words in a row of `records`: of a chat what was said, not by whom; of a custom field every value."""
        said = " AND key = 'content'" if self.type == FieldType.chat else ""
        name = self.name.replace("'", "''")
        return f"""words((SELECT group_concat(atom, char(10)) FROM json_tree({record}.fields, '$."{name}"')
            WHERE atom IS NOT NULL{said}))"""


def text_fields_query(dataset_id: str) -> str:
    return (
        "SELECT id, name, json_extract(settings, '$.type') FROM fields"
        f" WHERE dataset_id = '{dataset_id}' AND json_extract(settings, '$.type') <> '{FieldType.image}' ORDER BY id"
    )


def index_name(dataset_id: UUID) -> str:
    return f"preflect_text_{dataset_id.hex}"


def field_column(field_id: str) -> str:
    return f"field_{field_id}"


def creation(dataset_id: UUID, fields: list[TextField]) -> list[str]:
    """One contentless FTS5 table, filled, and the triggers that change it in the transaction that changes a record."""
    index = index_name(dataset_id)
    columns = [field.column for field in fields] or ["no_text"]
    old, new, all_rows = (_entry(fields, row) for row in ("OLD", "NEW", "records"))
    listed = ", ".join(columns)
    remove = f"INSERT INTO {index} ({index}, rowid, {listed}) VALUES ('delete', {old})"
    add = f"INSERT INTO {index} (rowid, {listed}) VALUES ({new})"
    own = f"dataset_id = '{dataset_id.hex}'"
    return [
        # Words are made by `words`; this tokenizer only splits them at the spaces.
        f"CREATE VIRTUAL TABLE {index} USING fts5 ({listed}, content = '', tokenize = 'ascii')",
        f"INSERT INTO {index} (rowid, {listed}) SELECT {all_rows} FROM records WHERE {own}",
        f"CREATE TRIGGER {index}_insert AFTER INSERT ON records WHEN NEW.{own} BEGIN {add}; END",
        f"CREATE TRIGGER {index}_delete AFTER DELETE ON records WHEN OLD.{own} BEGIN {remove}; END",
        f"""CREATE TRIGGER {index}_update AFTER UPDATE OF fields ON records
        WHEN NEW.{own} AND NEW.fields IS NOT OLD.fields BEGIN {remove}; {add}; END""",
        f"INSERT INTO preflect_state VALUES ('{dataset_id.hex}', {FORMAT}, 0)",
        REMEMBER_SCHEMA,
    ]


def removal(dataset_id: UUID) -> list[str]:
    index = index_name(dataset_id)
    return [
        *(f"DROP TRIGGER IF EXISTS {index}_{event}" for event in ("insert", "delete", "update")),
        f"DROP TABLE IF EXISTS {index}",
        f"DELETE FROM preflect_state WHERE dataset_id = '{dataset_id.hex}'",
        REMEMBER_SCHEMA,
    ]


def _entry(fields: list[TextField], row: str) -> str:
    return ", ".join([f"{row}.rowid", *([field.text(row) for field in fields] or ["NULL"])])
