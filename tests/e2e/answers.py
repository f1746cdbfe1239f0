# SPDX-License-Identifier: Apache-2.0
"""Answers of a log.db, read by docs/formats/home.md and not by the program."""
import json
import struct

NO_ENTITY = 0xFFFFFFFF
HEAD = struct.Struct("<IIqq26s2xII")
assert HEAD.size == 60


def read_cells(data, n):
    """n values: None, bool, int, float, str; dates and times as their microseconds."""
    values, at = [], 0
    for _ in range(n):
        kind, at = data[at], at + 1
        if kind == 0:
            values.append(None)
        elif kind == 1:
            values.append(data[at] != 0)
            at += 1
        elif kind == 4:
            (size,) = struct.unpack_from("<I", data, at)
            values.append(data[at + 4:at + 4 + size].decode())
            at += 4 + size
        else:
            assert kind in (2, 3, 5, 6), kind
            values.append(struct.unpack_from("<d" if kind == 3 else "<q", data, at)[0])
            at += 8
    assert at == len(data)
    return values


class Packed:
    """A packed block, read as docs/formats/home.md says."""

    def __init__(self, data):
        self.data, self.at = data, 4

    def take(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self):
        value = shift = 0
        while True:
            byte, = self.take(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def signed(self):
        value = self.number()
        return value >> 1 ^ -(value & 1)

    def cell(self):
        """A value as records have it; None at their end."""
        tag, = self.take(1)
        if tag == 3:
            return None
        if tag < 3:
            return [b"\0", b"\1\0", b"\1\1"][tag]
        if tag == 0x40:
            return b"\3" + self.take(8)
        if tag == 0x50:
            n = self.number()
            return b"\4" + struct.pack("<I", n) + self.take(n)
        n = (tag & 7) + 1 if tag >= 0x80 else tag & 15
        value = int.from_bytes(self.take(n), "little")
        value = value >> 1 ^ -(value & 1)
        if tag >= 0x80:
            return b"\3" + struct.pack("<d", float(value) / 10.0 ** (tag >> 3 & 15))
        return bytes([{1: 2, 2: 5, 3: 6}[tag >> 4]]) + struct.pack("<q", value)


def unpack(data):
    """Records of a block as they are when it is not packed."""
    if data[:4] != b"\1\0\0\0":
        return data
    p, out, at_us, event, ms = Packed(data), b"", 0, 0, 0
    total = p.number()
    while len(out) < total:
        flags, = p.take(1)
        latency, at_us = p.number(), at_us + p.signed()
        event += p.signed() if flags & 1 else 0
        if flags & 4:
            number = p.take(26)
        else:
            ms += p.signed()
            bits = ms << 80 | int.from_bytes(p.take(10), "big")
            number = "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[bits >> 5 * i & 31] for i in reversed(range(26))).encode()
        n_outputs = p.number()
        outputs = p.take(8 * n_outputs)
        entity = p.take(p.number()) if flags & 2 else None
        cells = b"".join(iter(p.cell, None))
        body = outputs + (entity or b"") + cells
        out += HEAD.pack(HEAD.size + len(body), latency, at_us, event if flags & 1 else -2**63, number, n_outputs, NO_ENTITY if entity is None else len(entity)) + body
    assert len(out) == total and p.at == len(data)
    return out


def read_block(data, n, columns):
    data, at = unpack(data), 0
    for _ in range(n):
        size, latency, at_us, event_us, number, n_outputs, entity_len = HEAD.unpack_from(data, at)
        p = at + HEAD.size
        outputs = struct.unpack_from(f"<{n_outputs}d", data, p)
        p += 8 * n_outputs
        entity = None
        if entity_len != NO_ENTITY:
            entity = data[p:p + entity_len].decode()
            p += entity_len
        row = dict(zip(columns, read_cells(data[p:at + size], len(columns)), strict=True))
        yield {"id": number.rstrip(b"\0").decode(), "at_us": at_us, "event_us": event_us, "entity": entity, "latency_us": latency,
               "outputs": list(outputs), "row": row}
        at += size
    assert at == len(data)


def read_answers(log):
    """All answers of an open log.db in the order of their numbers, with their labels (None: none)."""
    labels = dict(log.execute("SELECT answer_seq, value FROM labels WHERE state = 1"))
    out, next_seq = [], 1
    for seq, n, data, route, model, version, columns in log.execute(
            "SELECT first_seq, n, data, route, model, version, columns FROM blocks JOIN streams ON id = stream ORDER BY first_seq"):
        assert seq == next_seq, "blocks follow one another"
        for answer in read_block(data, n, json.loads(columns)):
            out.append({"seq": next_seq, "route": route, "model": model, "version": version, "label": labels.pop(next_seq, None), **answer})
            next_seq += 1
    assert not labels, "a label joined an answer that is not there"
    return out
