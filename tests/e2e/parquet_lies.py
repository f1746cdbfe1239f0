# SPDX-License-Identifier: Apache-2.0
"""Parquet files whose footer says something else than what is there: Thrift's compact form, read and written anew with a change."""


class _Reader:
    """Structs as {field: (type, value)}, lists as (type, [values])."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def varint(self):
        value = shift = 0
        while True:
            b = self.byte()
            value |= (b & 127) << shift
            if b < 128:
                return value
            shift += 7

    def value(self, kind):
        if kind in (1, 2):  # true, false; in a list they are a byte
            return kind
        if kind == 3:
            return self.byte()
        if kind in (4, 5, 6):
            n = self.varint()
            return (n >> 1) ^ -(n & 1)
        if kind == 7:
            self.at += 8
            return self.data[self.at - 8:self.at]
        if kind == 8:
            n = self.varint()
            self.at += n
            return self.data[self.at - n:self.at]
        if kind in (9, 10):
            head = self.byte()
            n, inner = head >> 4, head & 15
            n = self.varint() if n == 15 else n
            return inner, [self.byte() if inner in (1, 2) else self.value(inner) for _ in range(n)]
        assert kind == 12, kind
        return self.struct()

    def struct(self):
        fields, last = {}, 0
        while (head := self.byte()) != 0:
            kind = head & 15
            number = last + (head >> 4) if head >> 4 else (lambda n: (n >> 1) ^ -(n & 1))(self.varint())
            fields[number], last = (kind, self.value(kind)), number
        return fields


def _varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def _write(kind, value):
    if kind in (1, 2):
        return b""
    if kind == 3:
        return bytes([value])
    if kind in (4, 5, 6):
        return _varint((value << 1) ^ (value >> 63))
    if kind == 7:
        return value
    if kind == 8:
        return _varint(len(value)) + value
    if kind in (9, 10):
        inner, items = value
        head = bytes([len(items) << 4 | inner]) if len(items) < 15 else bytes([0xF0 | inner]) + _varint(len(items))
        return head + b"".join(bytes([item]) if inner in (1, 2) else _write(inner, item) for item in items)
    out, last = b"", 0
    for number, (field_kind, item) in sorted(value.items()):
        step = number - last
        out += bytes([step << 4 | field_kind]) if 0 < step < 16 else bytes([field_kind]) + _varint(number << 1)
        out, last = out + _write(field_kind, item), number
    return out + b"\0"


def with_footer(data, change):
    """The file with change(footer) made; footer[4][1][1] are its groups of rows, their [1][1][1] the chunks of columns."""
    n = int.from_bytes(data[-8:-4], "little")
    footer = _Reader(data[-8 - n:-8]).struct()
    change(footer)
    text = _write(12, footer)
    return data[:-8 - n] + text + len(text).to_bytes(4, "little") + b"PAR1"


def _group(footer):
    return footer[4][1][1][0]


def _chunk(footer):
    return _group(footer)[1][1][1][0][3][1]


def _put(struct, field, change):
    kind, value = struct[field]
    struct[field] = (kind, change(value))


LIES = {
    "rows of the file": lambda f: _put(f, 3, lambda n: n + 1000),
    "rows of a group": lambda f: _put(_group(f), 3, lambda n: n + 1000),
    "fewer rows of a group": lambda f: _put(_group(f), 3, lambda n: n // 2),
    "rows below zero": lambda f: _put(_group(f), 3, lambda n: -5),
    "rows without end": lambda f: (_put(f, 3, lambda n: 2**62), _put(_group(f), 3, lambda n: 2**62)),
    "values of a column": lambda f: _put(_chunk(f), 5, lambda n: n // 3),
    "bytes of a column": lambda f: _put(_chunk(f), 7, lambda n: n * 1000),
    "fewer bytes of a column": lambda f: _put(_chunk(f), 7, lambda n: 7),
    "unpacked bytes of a column": lambda f: _put(_chunk(f), 6, lambda n: 2**50),
    "place of a column": lambda f: _put(_chunk(f), 9, lambda n: n + 3),
    "place behind the file": lambda f: _put(_chunk(f), 9, lambda n: 2**40),
    "place below zero": lambda f: _put(_chunk(f), 9, lambda n: -100),
    "another packing": lambda f: _put(_chunk(f), 4, lambda n: 2),
    "another type": lambda f: _put(_chunk(f), 1, lambda n: 6),
    "another type throughout": lambda f: (_put(_chunk(f), 1, lambda n: 6), _put(f[2][1][1][1], 1, lambda n: 6)),
    "no groups": lambda f: _put(f, 4, lambda g: (g[0], [])),
    "columns of the root": lambda f: _put(f[2][1][1][0], 5, lambda n: n + 5),
}
