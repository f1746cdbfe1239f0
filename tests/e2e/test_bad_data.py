# SPDX-License-Identifier: Apache-2.0
"""Every kind of broken data, as a file and as a push: a named error with its place, nothing lost, nothing half done."""
import gzip
import json
import re

import pytest

import conftest
import duck
import parquet_lies
import recorded

SECRET = "4111-1111-1111-1111"
ROWS = [f"{i},{i % 7}.5,{'x' if i % 3 else 'y'}" for i in range(300)]
CSV = "a,b,t\n" + "\n".join(ROWS) + "\n"
BOM = b"\xef\xbb\xbf"


def csv(*bad, at=50):
    """CSV with other lines amid good ones; lines are text or bytes."""
    lines = [line if isinstance(line, bytes) else line.encode() for line in ["a,b,t", *ROWS[:at], *bad, *ROWS[at:]]]
    return b"\n".join(lines) + b"\n"


def lines(last, n=200):
    return b"".join(json.dumps({"a": i, "b": 1.5, "t": "xy"[i % 2]}).encode() + b"\n" for i in range(n)) + last


def bomb(text, n):
    """Gzip of a row of n times a text."""
    packed = gzip.compress(b"".join([b"a,b,t\n", text * n]), 9)
    assert len(packed) < 300_000
    return packed


DATES = "d,t\n" + "".join(f"{['2024-01-%02d', '%02d.01.2024', '01/%02d/2024'][i % 3] % (1 + i % 28)},{'xy'[i % 2]}\n" for i in range(300))

# name of the file, its bytes (large ones are made when they are needed), what the error says, where
FILES = [
    ("a row too short", "d.csv", csv("1," + SECRET), "the row has 2 fields, the first row has 3", "d.csv:52:3"),
    ("a row too long", "d.csv", csv("1,2,x," + SECRET), "the row has 4 fields, the first row has 3", "d.csv:52:4"),
    ("cut amid a row", "d.csv", CSV.encode()[:-4], "the row has 2 fields", "d.csv:301:3"),
    ("cut amid a quote", "d.csv", csv(at=300) + b'5,"' + SECRET.encode(), "a quoted field is not closed", "d.csv:302:2"),
    ("a quote never closed", "d.csv", csv(f'1,"{SECRET},x'), "a quoted field is not closed", "d.csv:52:2"),
    ("text behind a quote", "d.csv", csv(f'1,"2"{SECRET},x'), "text follows a closing quote", "d.csv:52:2"),
    ("UTF-16 LE with its mark", "d.csv", b"\xff\xfe" + CSV.encode("utf-16-le"), "UTF-16 text", "iconv -f UTF-16 -t UTF-8"),
    ("UTF-16 BE with its mark", "d.csv", b"\xfe\xff" + CSV.encode("utf-16-be"), "UTF-16 text", "iconv -f UTF-16 -t UTF-8"),
    ("UTF-16 LE without", "d.csv", CSV.encode("utf-16-le"), "UTF-16 text", "iconv -f UTF-16LE -t UTF-8"),
    ("UTF-16 BE without", "d.csv", CSV.encode("utf-16-be"), "UTF-16 text", "iconv -f UTF-16BE -t UTF-8"),
    ("UTF-32", "d.csv", b"\xff\xfe\0\0" + CSV.encode("utf-32-le"), "UTF-32 text", "must be UTF-8"),
    ("UTF-8, then UTF-16", "d.csv", CSV.encode() + CSV.encode("utf-16-le"), "a zero byte", "d.csv:302:1"),
    ("Latin-1", "d.csv", csv(b"1,2.5,h\xe4"), "a text of column 't' is not UTF-8", "d.csv:52:3"),
    ("Latin-1 in a name", "d.csv", CSV.replace("a,b", "\xe4,b", 1).encode("latin-1"), "the name of column 1 is not UTF-8", "d.csv:1:1"),
    ("Windows-1252", "d.csv", csv(b"1,2.5,\x93h\x94"), "a text of column 't' is not UTF-8", "d.csv:52:3"),
    ("a byte order mark amid rows", "d.csv", csv(BOM + b"1,2.5,x"), "a byte order mark amid the file", "d.csv:52:1"),
    ("a zero byte", "d.csv", csv(b"1,2.\0005,x"), "a zero byte", "d.csv:52:2"),
    ("a field of 100 MB", "d.csv", lambda: csv(b"1,2.5," + b"z" * 100_000_000), "a field has more than 1048576 bytes", "d.csv:52:3"),
    ("a quoted field of 100 MB", "d.csv", lambda: csv(b'1,2.5,"' + b"z" * 100_000_000 + b'"'), "a field has more than 1048576 bytes", "d.csv:52:3"),
    ("20,000 columns", "d.csv", (",".join(f"c{i}" for i in range(20_000)) + "\n" + "1," * 19_999 + "1\n").encode(),
     "20000 columns, the most is 16384", "d.csv:1:16385"),
    ("a name twice", "d.csv", CSV.replace("a,b", "a,a", 1).encode(), "columns 1 and 2 are both named 'a'", "d.csv:1:2"),
    ("a name like one made for an empty one", "d.csv", CSV.replace("a,b", "c1,", 1).encode(), "both named 'c1'", "d.csv:1:2"),
    ("a header only", "d.csv", b"a,b,t\n", "a header but no rows", "d.csv"),
    ("no byte", "d.csv", b"", "the file is empty", "d.csv"),
    ("dates in three forms", "d.csv", DATES.encode(), "dates of column 'd' begin with the day and with the month", "d.csv:16:1"),
    ("1e400", "d.csv", csv("1,1e400,x"), "a number of column 'b' is larger than a double", "d.csv:52:2"),
    ("400 digits", "d.csv", csv("1," + "9" * 400 + ",x"), "a number of column 'b' is larger than a double", "d.csv:52:2"),
    ("gzip cut short", "d.csv.gz", gzip.compress(CSV.encode() * 50)[:-200], "the packed data are cut short", "d.csv.gz"),
    ("gzip with another sum", "d.csv.gz", gzip.compress(CSV.encode())[:-8] + bytes(8), "the packed data are damaged", "d.csv.gz"),
    ("a bomb of one field", "d.csv.gz", lambda: bomb(b"z" * 1000, 100_000), "a field has more than 1048576 bytes", "d.csv.gz:2:1"),
    ("a bomb of fields", "d.csv.gz", lambda: bomb(b"," * 1000, 100_000), "a row has more than 1048576 fields", "d.csv.gz:2"),
    ("a bomb of one row", "d.csv.gz", lambda: bomb(b"z" * 10_000 + b",", 16_000), "a row has more than 67108864 bytes", "d.csv.gz:2"),
    ("JSON cut short", "d.jsonl", lines(b'{"a":1,"b":'), "malformed JSON", "d.jsonl:2"),
    ("JSON in UTF-16", "d.jsonl", b"\xff\xfe" + lines(b"").decode().encode("utf-16-le"), "JSON", "d.jsonl"),
    ("JSON in Latin-1", "d.jsonl", lines(b'{"a":1,"b":1,"t":"x\xe4"}\n'), "malformed JSON", "d.jsonl:2"),
    ("1e400 in JSON", "d.jsonl", lines(b'{"a":1,"b":1e400,"t":"x"}\n'), "a number of column 'b' is larger than a double", "d.jsonl:201"),
    ("a name twice in JSON", "d.jsonl", lines(b'{"a":1,"a":%d,"t":"x"}\n' % 4111), "a JSON object has a name twice", "d.jsonl:201"),
    ("a text of 100 MB in JSON", "d.jsonl", lambda: lines(b'{"a":1,"b":1,"t":"' + b"z" * 100_000_000 + b'"}\n'), "more than 16 MiB", "d.jsonl"),
]

def nothing_left(folder):
    return not [p for p in folder.rglob("*") if ".tmp" in p.name or p.parent.name in ("bundles", "segments", "temp")]


# what is the fault of rows alone, in a source of files: rows that are taken, rows in quarantine and the first of them
KEPT = {
    "a row too short": (300, 1, 52, "", "malformed"),
    "a row too long": (300, 1, 52, "", "malformed"),
    "cut amid a row": (299, 1, 301, "", "malformed"),
    "cut amid a quote": (300, 1, 302, "", "malformed"),
    "a quote never closed": (300, 1, 52, "", "malformed"),
    "text behind a quote": (300, 1, 52, "", "malformed"),
    "UTF-8, then UTF-16": (300, 302, 302, "a", "malformed"),
    "Latin-1": (300, 1, 52, "t", "malformed"),
    "Windows-1252": (300, 1, 52, "t", "malformed"),
    "a byte order mark amid rows": (300, 1, 52, "a", "malformed"),
    "a zero byte": (300, 1, 52, "b", "malformed"),
    "a field of 100 MB": (300, 1, 52, "t", "too_large"),
    "a quoted field of 100 MB": (300, 1, 52, "", "malformed"),
    "1e400": (300, 1, 52, "b", "wrong_type"),
    "400 digits": (300, 1, 52, "b", "wrong_type"),
    "JSON cut short": (200, 1, 201, "", "malformed"),
    "JSON in Latin-1": (200, 1, 201, "", "malformed"),
    "1e400 in JSON": (200, 1, 201, "b", "wrong_type"),
    "a name twice in JSON": (200, 1, 201, "a", "malformed"),
    "a text of 100 MB in JSON": (200, 1, 201, "", "too_large"),
}
# what a source of files says in other words: it takes rows apart one by one
OTHER = {
    "dates in three forms": ("begin with the day and with the month", "d.csv"),
    "a bomb of one field": ("1 values for 3 columns", "d.csv.gz:2"),
    "a bomb of fields": ("100000001 values for 3 columns", "d.csv.gz:2"),
}


@pytest.mark.parametrize("title, name, data, message, place", FILES, ids=[case[0] for case in FILES])
def test_a_bad_file_is_named_with_its_place(tm, title, name, data, message, place):
    (tm.folder / name).write_bytes(data() if callable(data) else data)
    for words in (["train", name, "--target", "t", "--learner", "linear"], ["data", "add", "d", "--files", name]):
        result = tm(*words)
        if words[0] == "data" and title in KEPT:
            shown = tm.show("d", bad=1)
            first = shown["quarantine"][0]
            assert (shown["rows"], shown["quarantined"], first["row"], first["column"], first["reason"]) == KEPT[title]
            assert first["origin"] == name and first["detail"] and SECRET not in first["detail"] and SECRET not in result.out
            return
        if words[0] == "data":
            message, place = OTHER.get(title, (message, place))
        assert result.code == 7 and result.out == "", (words, result.code, result.out)
        assert message in result.err and place in result.err and "hint: " in result.err, result.err
        assert SECRET not in result.err and "4111" not in result.err
    assert tm.ok("data", "ls", "--json").json["sources"] == [] and nothing_left(tm.folder)


@pytest.fixture(name="model", scope="module")
def fixture_model(tmp_path_factory):
    tm = conftest.Tidemill(tmp_path_factory.mktemp("model"))
    tm.write("good.csv", CSV)
    tm.ok("train", "good.csv", "--target", "t", "--name", "m", "--learner", "linear")
    return tm


@pytest.mark.parametrize("name, data", [case[1:3] for case in FILES], ids=[case[0] for case in FILES])
def test_a_bad_file_gives_no_answers(model, name, data):
    data = data() if callable(data) else data
    (model.folder / name).write_bytes(data)
    result = model("predict", "m", name, "-o", "out.csv")
    (model.folder / name).unlink()
    if result.code == 0:  # what is wrong stands in the target, which answers do not need: a row for each
        assert b"1,2.5," in data and len((model.folder / "out.csv").read_text(encoding="utf-8").splitlines()) == 302
        (model.folder / "out.csv").unlink()
        return
    assert result.code == 7 and f"at {name}" in result.err or "is missing" in result.err, result.err
    assert "4111" not in result.err and not list(model.folder.glob("out.csv*"))


# what is odd, and taken: the file, types of its columns, its rows
TAKEN = [
    ("a byte order mark", "d.csv", BOM + CSV.encode(), {"a": "int", "b": "float", "t": "text"}, 300),
    ("a byte order mark before JSON", "d.jsonl", BOM + lines(b""), {"a": "int", "b": "float", "t": "text"}, 200),
    ("NaN and infinity as texts", "d.csv", csv("1,NaN,x", "2,nan,y", "3,inf,x", "4,-Infinity,y"), {"a": "int", "b": "float", "t": "text"}, 304),
    ("an empty name", "d.csv", CSV.replace("a,b", "a,", 1).encode(), {"a": "int", "c1": "float", "t": "text"}, 300),
    ("names that differ by case", "d.csv", CSV.replace("a,b", "a,A", 1).encode(), {"a": "int", "A": "float", "t": "text"}, 300),
    ("dates in forms that one reading holds", "d.csv", b"d,t\n2024-01-31,x\n31.01.2024,y\n31/01/2024,x\n", {"d": "date", "t": "text"}, 3),
    ("1e400 among texts", "d.csv", csv("1,1e400,x", "1,abc,x"), {"a": "int", "b": "text", "t": "text"}, 302),
    ("codes that look too large", "d.csv", b"id,t\n1e400,x\n2e999,y\n", {"id": "text", "t": "text"}, 2),
    ("nested JSON", "d.jsonl", b"".join(json.dumps({"a": i, "b": {"c": [1, i]}}).encode() + b"\n" for i in range(9)), {"a": "int", "b": "text"}, 9),
    ("JSON nested deep", "d.jsonl", b'{"a":1,"b":' + b"[" * 50 + b"]" * 50 + b"}\n", {"a": "int", "b": "text"}, 1),
]


@pytest.mark.parametrize("name, data, types, n_rows", [case[1:] for case in TAKEN], ids=[case[0] for case in TAKEN])
def test_what_is_only_odd_is_taken_whole(tm, name, data, types, n_rows):
    (tm.folder / name).write_bytes(data)
    tm.ok("data", "add", "d", "--files", name)
    shown = tm.ok("data", "show", "d", "--json").json
    assert {c["name"]: c["type"] for c in shown["columns"]} == types and shown["rows"] == n_rows


def test_a_lying_footer_is_refused_or_does_no_harm(tm):
    with duck.Duck() as db:
        db.query(f"COPY (SELECT range::BIGINT AS a, range % 7 + 0.5 AS b, 'x' || range % 3 AS t FROM range(5000)) TO '{tm.folder}/good.parquet' (FORMAT parquet)")
    good = (tm.folder / "good.parquet").read_bytes()
    assert parquet_lies.with_footer(good, lambda footer: None) == good
    tm.ok("data", "add", "good", "--files", "good.parquet")
    want = tm.ok("data", "snapshot", "good", "--json").json["snapshot"]
    n = int.from_bytes(good[-8:-4], "little")
    bad = {name: parquet_lies.with_footer(good, change) for name, change in parquet_lies.LIES.items()}
    bad.update({f"a footer of {size} bytes": good[:-8] + size.to_bytes(4, "little") + b"PAR1" for size in (0, n // 2, n + 7, 10**8, 2**32 - 1)})
    refused = []
    for number, (name, data) in enumerate(bad.items()):
        (tm.folder / "bad.parquet").write_bytes(data)
        result = tm("data", "add", f"s{number}", "--files", "bad.parquet")
        if result.code == 0:
            assert tm.ok("data", "snapshot", f"s{number}", "--json").json["snapshot"] == want, name
            continue
        refused.append(name)
        assert result.code == 7 and "the Parquet file is damaged" in result.err and "bad.parquet" in result.err and "hint: " in result.err, (name, result.err)
        assert tm("train", "bad.parquet", "--target", "t").code == 7
    counts = {"rows of the file", "rows of a group", "fewer rows of a group", "rows below zero", "values of a column", "no groups"}
    assert counts <= set(refused) and len(refused) >= 17, refused


# a push: its type, its bytes, the answer (counts, or status and words), and what is in quarantine (row, column, reason)
JSON, NDJSON, TEXT = "application/json", "application/x-ndjson", "text/csv"
GOOD = b'{"a":1,"b":1.5,"t":"x"}\n'
PUSHES = [
    ("a row too short", TEXT, b"a,b,t\n1,1.5,x\n2\n3,1.5,y\n", (2, 1), (2, "", "malformed")),
    ("cut amid a row", TEXT, b"a,b,t\n1,1.5,x\n2,1.", (1, 1), (2, "", "malformed")),
    ("a quote never closed", TEXT, b'a,b,t\n1,1.5,x\n2,1.5,"y\n3,1.5,z\n', (1, 1), (2, "", "malformed")),
    ("Latin-1", TEXT, b"a,b,t\n1,1.5,h\xe4\n2,1.5,x\n", (1, 1), (1, "t", "malformed")),
    ("a zero byte", TEXT, b"a,b,t\n1,1.5,h\0\n2,1.5,x\n", (1, 1), (1, "t", "malformed")),
    ("a byte order mark", TEXT, BOM + b"a,b,t\n1,1.5,x\n", (1, 0), None),
    ("a byte order mark amid rows", TEXT, b"a,b,t\n1,1.5,x\n" + BOM + b"2,1.5,x\n", (1, 1), (2, "a", "malformed")),
    ("1e400", TEXT, b"a,b,t\n1,1e400,x\n2,1.5,x\n", (1, 1), (1, "b", "wrong_type")),
    ("NaN as text", TEXT, b"a,b,t\n1,NaN,x\n2,1.5,x\n", (2, 0), None),
    ("dates in three forms", TEXT, b"a,b,t\n1,1,2024-01-31\n2,2,31.01.2024\n3,3,01/31/2024\n", (3, 0), None),
    ("a text of 2 MB", TEXT, b"a,b,t\n1,1.5," + b"z" * 2_000_000 + b"\n2,1.5,x\n", (1, 1), (1, "t", "too_large")),
    ("UTF-16", TEXT, b"\xff\xfe" + CSV.encode("utf-16-le"), (400, "UTF-16"), None),
    ("UTF-16 without its mark", NDJSON, GOOD.decode().encode("utf-16-be"), (400, "UTF-16"), None),
    ("a header only", TEXT, b"a,b,t\n", (0, 0), None),
    ("a name twice", TEXT, b"a,b,a\n1,1.5,x\n", (400, "fields 1 and 3 of the first line are both named 'a'"), None),
    ("an empty name", TEXT, b"a,,t\n1,1.5,x\n", (400, "field 2 of the first line is empty"), None),
    ("20,000 columns", TEXT, (",".join(f"c{i}" for i in range(20_000)) + "\n" + "1," * 19_999 + "1\n").encode(), (413, "16384 columns"), None),
    ("20,000 columns in JSON", NDJSON, json.dumps({f"c{i}": 1 for i in range(20_000)}).encode(), (413, "16384 columns"), None),
    ("JSON cut short", NDJSON, GOOD + b'{"a":2,"b":', (1, 1), (2, "", "malformed")),
    ("JSON in Latin-1", NDJSON, GOOD + b'{"a":2,"t":"\xe4"}\n', (1, 1), (2, "", "malformed")),
    ("1e400 in JSON", NDJSON, GOOD + b'{"a":2,"b":1e400}\n', (1, 1), (2, "b", "wrong_type")),
    ("NaN in JSON", NDJSON, GOOD + b'{"a":2,"b":NaN}\n', (1, 1), (2, "", "malformed")),
    ("a name twice in JSON", NDJSON, GOOD + b'{"a":2,"a":3}\n', (1, 1), (2, "a", "malformed")),
    ("an empty name in JSON", NDJSON, GOOD + b'{"a":2,"":3}\n', (1, 1), (2, "", "malformed")),
    ("nested JSON", NDJSON, GOOD + b'{"a":2,"t":{"c":[1,2]}}\n', (2, 0), None),
    ("JSON nested too deep", NDJSON, GOOD + b'{"a":2,"t":' + b"[" * 200 + b"]" * 200 + b"}\n", (1, 1), (2, "", "malformed")),
    ("a document cut short", JSON, b'{"rows": [{"a":1},', (400, "not JSON"), None),
    ("a document with 1e400", JSON, b'{"rows": [{"a":1,"b":1.5},{"a":2,"b":1e400}]}', (1, 1), (2, "b", "wrong_type")),
]


@pytest.fixture(name="pushed", scope="module")
def fixture_pushed(tmp_path_factory):
    tm = conftest.Tidemill(tmp_path_factory.mktemp("pushes"))
    tm.key = tm.ok("key", "create", "--role", "client", "--json").json["key"]
    for i in range(len(PUSHES)):
        tm.ok("data", "add", f"s{i}", "--push")
    tm.ok("data", "add", "whole", "--push")
    server = conftest.Server(tm)
    yield tm, server
    server.stop()


@pytest.mark.parametrize("number", range(len(PUSHES)), ids=[case[0] for case in PUSHES])
def test_a_bad_push_loses_nothing(pushed, number):
    tm, server = pushed
    _, kind, body, want, kept = PUSHES[number]
    status, _, answer = server.request("POST", f"/v1/sources/s{number}/rows", body, {"X-Api-Key": tm.key, "Content-Type": kind})
    shown = tm.show(f"s{number}", bad=9)
    if isinstance(want[1], str):
        assert status == want[0] and re.search(want[1], answer["detail"]) and answer["hint"], (status, answer)
        assert (shown["rows"], shown["quarantined"]) == (0, 0)
        return
    assert (status, answer) == (200, {"accepted": want[0], "duplicates": 0, "quarantined": want[1]})
    assert (shown["rows"], shown["quarantined"]) == want
    bad = [(q["row"], q["column"], q["reason"]) for q in shown["quarantine"]]
    assert bad == ([] if kept is None else [kept])
    for row in shown["quarantine"]:
        assert row["detail"] and (row["bytes"] is None or row["bytes"].encode() in body)


def test_a_bomb_is_no_push(pushed):
    tm, server = pushed
    headers = {"X-Api-Key": tm.key, "Content-Type": TEXT, "Content-Encoding": "gzip"}
    status, _, answer = server.request("POST", "/v1/sources/whole/rows", gzip.compress(b"a\n" + b"1\n" * 50_000_000), headers)
    assert status == 413 and answer["hint"]
    assert server.request("POST", "/v1/sources/whole/rows", gzip.compress(b"a\n1\n" * 999)[:-9], headers)[0] == 400
    assert tm.ok("data", "show", "whole", "--json").json["rows"] == 0


def test_a_full_disk_loses_no_row_that_was_acknowledged(tmp_path):
    session = recorded.Session(tmp_path)
    tm = session.tm
    tm.ok("data", "add", "orders", "--push", "--key", "id")
    key = tm.ok("key", "create", "--role", "client", "--json").json["key"]
    acknowledged, refused = set(), 0
    for fail_from in (10, 13, 17, 22, 30, 10_000):
        tm.env.update(TM_DISK_FAIL=f"{fail_from}+", TM_DISK_ERRNO="ENOSPC")
        try:
            server = conftest.Server(tm)
        except AssertionError:
            refused += 1
            continue
        for start in range(0, 400, 50):
            body = "".join(f'{{"id":{i},"x":{i}}}\n' for i in range(start, start + 50))
            status, _, answer = server.request("POST", "/v1/sources/orders/rows", body, {"X-Api-Key": key, "Content-Type": NDJSON})
            if status == 200:
                assert answer["accepted"] + answer["duplicates"] == 50
                acknowledged.update(range(start, start + 50))
            else:
                refused += 1
                assert status == 503 and answer["hint"], answer
        server.stop()
        for name in ("TM_DISK_FAIL", "TM_DISK_ERRNO"):
            del tm.env[name]
        shown = tm.ok("data", "show", "orders", "--json").json
        assert len(acknowledged) <= shown["rows"] <= 400
    assert refused > 3 and len(acknowledged) == shown["rows"] == 400
