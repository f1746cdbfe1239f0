# SPDX-License-Identifier: Apache-2.0
"""Bad rows are counted, written out, mended and taken, each once."""
import json
import os
import stat
import time

from kills import Killer


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def save(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_rows_of_a_file_are_mended_as_the_file_is_written(tm, serve):
    (tm.folder / "a.csv").write_text("id;day;x\n" + "".join(f"{i};{i % 28 + 1:02d}/02/2024;{i},5\n" for i in range(1, 40)).replace(",5", ""))
    tm.ok("data", "add", "s", "--files", "a.csv", "--key", "id")
    with (tm.folder / "a.csv").open("a") as file:  # what is added has no line of names before it
        file.write("40;03/02/2024;forty\n41;04/02/2024;4;1\n42;13/02/2024;42\n")
    time.sleep(2.2)
    assert tm.ok("data", "pull", "s", "--json").json["quarantined"] == 2
    found = tm.ok("data", "quarantine", "s", "--json").json
    assert [(g["reason"], g["column"], g["origin"], g["count"], g["examples"][0]["row"]) for g in found["groups"]] == [
        ("wrong_type", "x", "a.csv", 1, 41), ("malformed", "", "a.csv", 1, 42)]
    server = serve()
    told = server.request("GET", "/v1/sources/s/quarantine")[2]
    assert (told["groups"], told["quarantined"]) == (found["groups"], 2)
    shown = server.request("GET", "/v1/sources/s")[2]
    assert not {"spec", "from"} & set(shown) and [c["name"] for c in shown["columns"]] == ["id", "day", "x"], shown
    assert server.request("GET", "/v1/sources/none")[0] == 404
    assert "forty" not in tm.ok("data", "quarantine", "s").out and "forty" not in json.dumps(found)
    assert "40;03/02/2024;forty" in tm.ok("data", "quarantine", "s", "--list", "9", "--show-values").out
    assert "2 rows are in bad.jsonl" in tm.ok("data", "quarantine", "s", "-o", "bad.jsonl").out
    path = tm.folder / "bad.jsonl"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    rows = lines(path)
    assert [(r["names"], r["text"]) for r in rows] == [("id;day;x", "40;03/02/2024;forty"), ("id;day;x", "41;04/02/2024;4;1")]
    rows[0]["text"] = "40;03/02/2024;40"
    save(path, rows)
    out = tm.ok("data", "replay", "s", "--file", "bad.jsonl").out
    assert "1 rows accepted, 0 duplicates, 1 stay in quarantine" in out and "bad.jsonl:2: number 2: malformed: 4 values for 3 columns" in out
    rows[1]["text"] = "41;04/02/2024;41"
    save(path, rows)
    done = tm.ok("data", "replay", "s", "--file", "bad.jsonl", "--json").json
    assert (done["accepted"], done["quarantined"], done["gone"], done["still_bad"]) == (1, 0, 1, [])
    shown = tm.ok("data", "show", "s", "--json").json
    assert (shown["rows"], shown["quarantined"], shown["duplicates"]) == (42, 0, 0)
    got = tm.ok("data", "add", "t", "--sql", f"SELECT * FROM '{tm.folder / tm.ok('data', 'snapshot', 's').out.strip()}' WHERE month(day) = 2", "--json").json
    assert got["rows"] == 42  # days of February, in the file's order of day and month


def test_a_line_that_is_none_is_told_with_line_and_column(tm):
    (tm.folder / "a.csv").write_text("id,x\n1,1\n2,2,2\n")
    tm.ok("data", "add", "s", "--files", "a.csv")
    (tm.folder / "bad.jsonl").write_text('{"number": 1, "text": "2,2"}\n{"number": 2 "text": "2,2"}\n')
    failed = tm("data", "replay", "s", "--file", "bad.jsonl")
    assert failed.code == 7 and "bad.jsonl:2:14" in failed.err and "Nothing was done" in failed.err
    assert tm.ok("data", "show", "s", "--json").json["quarantined"] == 1
    assert tm("data", "replay", "s", "--file", "none.jsonl").code in (3, 6)
    assert tm("data", "replay", "s", "--file", "bad.jsonl", "--drop").code == 2
    assert tm("data", "quarantine", "s", "--numbers", "x").code == 2
    assert tm("data", "quarantine", "t").code == 3


def test_a_full_quarantine_drops_and_says_so(tm, serve):
    tm.ok("data", "add", "s", "--push", "--key", "id")
    tm.ok("data", "set", "s", "--quarantine-rows", "3")
    key = tm.ok("key", "create", "--role", "client", "--json").json["key"]
    server = serve()
    headers = {"X-Api-Key": key, "Content-Type": "application/x-ndjson", "Idempotency-Key": "k"}
    body = '{"id":1,"x":1}\n' + '{"id":2\n' * 5
    for _ in range(2):
        status, _, answer = server.request("POST", "/v1/sources/s/rows", body, headers)
        assert (status, answer) == (200, {"accepted": 1, "duplicates": 0, "quarantined": 3, "dropped": 2})
    shown = tm.ok("data", "show", "s", "--json").json
    assert (shown["rows"], shown["quarantined"], shown["dropped"]) == (1, 3, 2)
    assert "2 more were dropped" in tm.ok("data", "quarantine", "s").out and "no room" in tm.ok("data", "show", "s").out


def test_kills_neither_lose_nor_repeat_a_mended_row(tm, serve):
    tm.ok("data", "add", "s", "--push", "--key", "id")
    key = tm.ok("key", "create", "--role", "client", "--json").json["key"]
    server = serve()
    n, headers = 20000, {"X-Api-Key": key, "Content-Type": "application/x-ndjson"}
    assert server.request("POST", "/v1/sources/s/rows", '{"id":0,"x":1}', headers)[0] == 200
    body = "".join(f'{{"id":{i},"x":"bad"}}\n' for i in range(1, n + 1))
    assert server.request("POST", "/v1/sources/s/rows", body, headers)[2]["quarantined"] == n
    server.stop()
    path = tm.folder / "bad.jsonl"
    tm.ok("data", "quarantine", "s", "-o", str(path))
    rows = lines(path)
    for row in rows:
        row["value"]["x"] = row["value"]["id"]
    save(path, rows)
    killer = Killer(tm, seed=2, longest=0.3)
    for _ in range(30):
        killer.run("data", "replay", "s", "--file", path)
        shown = tm.ok("data", "show", "s", "--json").json
        assert shown["rows"] + shown["quarantined"] == n + 1
        if killer.killed == 4:
            break
    assert killer.killed > 1
    tm.ok("data", "replay", "s", "--file", str(path))
    shown = tm.ok("data", "show", "s", "--json").json
    assert (shown["rows"], shown["quarantined"], shown["duplicates"]) == (n + 1, 0, 0)
    assert tm.ok("data", "quarantine", "s", "--json").json["bytes"] == 0
