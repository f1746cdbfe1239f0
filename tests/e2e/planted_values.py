# SPDX-License-Identifier: Apache-2.0
"""Where planted values stand: in bytes, in files of a home, in what sealed files and cells hold; as they are, in hex, base64 and UTF-16, and backwards."""
import base64
import os
import pathlib
import sqlite3
import tempfile

from duck import Duck
from sealed_reader import is_sealed, open_cell, open_file

WINDOW, STRIDE = 8, 4  # each form of 11 bytes and more has 8 bytes at a multiple of 4


def forms(text):
    """The bytes of a value as they could stand in a file."""
    raw = text.encode()
    out = [raw, raw.hex().encode(), raw.hex().upper().encode(), text.encode("utf-16-le"), text.encode("utf-16-be")]
    for skip in range(3):  # where three bytes that base64 takes at a time may begin
        part = raw[skip:skip + (len(raw) - skip) // 3 * 3]
        out += [base64.b64encode(part), base64.urlsafe_b64encode(part)]
    try:
        packed = bytes.fromhex(text)
        out += [packed] if len(packed) >= WINDOW + STRIDE - 1 else []
    except ValueError:
        pass
    out += [form[::-1] for form in out]
    assert all(len(form) >= WINDOW + STRIDE - 1 for form in out), "too short to be told from chance"
    return sorted(set(out))


class Searcher:
    """Looks for many values at once, in one pass over the bytes."""

    def __init__(self, values):
        self.windows = {}
        for value in values:
            for form in forms(value):
                for skip in range(STRIDE):
                    self.windows.setdefault(form[skip:skip + WINDOW], []).append((skip, form, value))

    def find(self, data):
        """Values of which some form stands in bytes."""
        found = set()
        for at in range(0, len(data) - WINDOW + 1, STRIDE):
            for skip, form, value in self.windows.get(data[at:at + WINDOW], ()):
                if skip <= at and data.startswith(form, at - skip):
                    found.add(value)
        return found


def files_of(home):
    """(path, bytes) of all files in order; a server may work beside, whose temporary ones are gone before they are read."""
    for path in sorted(pathlib.Path(folder) / name for folder, _, names in os.walk(home) for name in names):
        try:
            yield path, path.read_bytes()
        except FileNotFoundError:
            pass


def inside(path, data, key):
    """What a file of a home holds that its own bytes do not show: (what, bytes)."""
    if key is not None and is_sealed(data):
        data = open_file(data, path.name, key)
        yield "opened", data
    if path.suffix == ".parquet" and not is_sealed(data):
        yield "unpacked", unpacked(data)
    if key is not None and path.suffix == ".db":
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
            for table, row, column, cell in cells(db):
                yield f"{table}.{column} {row}", open_cell(cell, (table, column, row), key)


def unpacked(data):
    """A Parquet file as text."""
    with tempfile.TemporaryDirectory() as folder, Duck() as duck:
        packed, plain = pathlib.Path(folder) / "packed", pathlib.Path(folder) / "plain"
        packed.write_bytes(data)
        duck.query(f"COPY (SELECT * FROM read_parquet('{packed}')) TO '{plain}' (FORMAT csv, HEADER)")
        return plain.read_bytes()


SEALED_COLUMNS = {"intake.db": (("batches", "rows", "seq"), ("profiles", "profile", "source || '.' || hex(segment)"), ("quarantine", "bytes", "seq"), ("quarantine", "origin", "seq"), ("quarantine", "names", "seq"), ("quarantine", "dialect", "seq")), "log.db": (("blocks", "data", "first_seq"), ("labels", "value", "seq"), ("lookup", "key", "id"))}


def cells(db):
    """Sealed cells of a database: (table, row, column, bytes)."""
    tables = {name for name, in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for columns in SEALED_COLUMNS.values():
        for table, column, row in columns:
            if table in tables:
                for at, cell in db.execute(f"SELECT {row}, {column} FROM {table} WHERE substr({column}, 1, 7) = CAST('TMSCELL' AS BLOB)"):
                    yield table, at, column, cell


def where(home, values, key=None):
    """(value, file) of all that stand somewhere in a home; with its key also inside of what is sealed."""
    searcher, found = Searcher(values), set()
    for path, data in files_of(home):
        name = str(path.relative_to(home))
        found |= {(value, name) for value in searcher.find(data)}
        for what, part in inside(path, data, key):
            found |= {(value, name if key is None else f"{name} ({what})") for value in searcher.find(part)}
    return found
