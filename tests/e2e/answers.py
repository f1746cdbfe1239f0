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


def read_block(data, n, columns):
    at = 0
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
