# SPDX-License-Identifier: Apache-2.0
"""`data push`: rows of files and of standard input, each once, whatever becomes of the pipe."""
import gzip
import json
import os
import pty
import random
import signal
import subprocess
import time

import duck
from processes import has_locked
from waits import PATIENCE_S, wait_until


def start(tm, *words, **options):
    return subprocess.Popen([str(tm.program), "data", "push", *words], cwd=tm.folder, env=tm.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def counts(answer):
    return answer["accepted"], answer["duplicates"], answer["quarantined"]


def test_every_form_comes_in_the_same_way(tm):
    rows = [{"id": i, "x": i / 2, "t": f"text {i % 3}"} for i in range(100)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    text = "id,x,t\n" + "".join(f"{r['id']},{r['x']},{r['t']}\n" for r in rows)
    forms = {"csv": text.encode(), "tsv": text.replace(",", "\t").encode(), "lines": lines.encode(), "array": json.dumps(rows).encode(),
             "rows": json.dumps({"rows": rows}).encode(), "gz": gzip.compress(lines.encode())}
    for name, data in forms.items():
        path = tm.folder / name
        path.write_bytes(data)
        with path.open("rb") as file:
            tm.ok("data", "add", name, "--push", "--key", "id")
            process = start(tm, name, "-", "--json", stdin=file)
            answer = json.loads(process.communicate()[0])
        assert process.returncode == 0 and answer["schema"] == "tidemill.data.push/1" and counts(answer) == (100, 0, 0), (name, answer)
        assert counts(tm.ok("data", "push", name, name, "--json").json) == (0, 100, 0), name
        shown = tm.show(name)
        assert {c["name"]: c["type"] for c in shown["columns"]} == {"id": "int", "x": "float", "t": "text"}, name
    with duck.Duck() as db:
        db.query(f"COPY (SELECT range::BIGINT AS id, range / 2 AS x, 'text' AS t, DATE '2024-01-01' + range::INT AS d FROM range(45000)) "
                 f"TO '{tm.folder}/a.parquet' (FORMAT parquet)")
    tm.ok("data", "add", "table", "--push")
    for _ in range(2):
        assert counts(tm.ok("data", "push", "table", "a.parquet", "--idempotency-key", "a", "--json").json) == (45000, 0, 0)
    shown = tm.show("table")
    assert shown["rows"] == 45000 and [c["type"] for c in shown["columns"]] == ["int", "float", "text", "date"]
    result = tm("data", "push", "table", "-", stdin="PAR1...PAR1")
    assert result.code == 7 and "Parquet" in result.err and "standard input" in result.err
    (tm.folder / "a.parquet").rename(tm.folder / "packed")
    with (tm.folder / "packed").open("rb") as file, start(tm, "table", "-", "--json", stdin=file) as process:
        assert counts(json.loads(process.communicate()[0])) == (45000, 0, 0)
    assert counts(tm.ok("data", "push", "table", "packed", "--idempotency-key", "a", "--json").json) == (45000, 0, 0)
    assert tm.show("table")["rows"] == 90000 and not list((tm.folder / ".tidemill").glob("*/push-*"))


def test_an_array_of_any_length_comes_in_pieces(tm):
    tm.ok("data", "add", "s", "--push")
    with start(tm, "s", "-", "--json", stdin=subprocess.PIPE) as process:
        process.stdin.write(b"[")
        for i in range(800):  # more than a push may have
            process.stdin.write((b"" if i == 0 else b",") + b", ".join(b'{"id": %d, "t": "%s"}' % (i * 100 + k, b"x" * 1000) for k in range(100)))
        process.stdin.write(b"]")
        process.stdin.close()
        answer = json.loads(process.stdout.read())
    assert counts(answer) == (80_000, 0, 0)
    assert tm.show("s")["rows"] == 80_000


def test_ends_of_input_that_were_not_meant(tm):
    tm.ok("data", "add", "s", "--push")
    for bad in ("", "\n\n"):
        result = tm("data", "push", "s", "-", stdin=bad)
        assert result.code == 7 and "there are no rows" in result.err and "standard input" in result.err
    closed = start(tm, "s", "-", preexec_fn=lambda: os.close(0))
    assert closed.communicate()[0] == b"" and closed.returncode != 0
    for cut, line in (("id,x\n1,2\n2", 3), ('{"id": 3}\n{"id": 4, "x"', 2), ('id,x\n5,6\n7,"eight\n', 3)):
        answer = tm.ok("data", "push", "s", "-", "--json", stdin=cut).json
        assert counts(answer) == (1, 0, 1)
        assert tm.show("s")["quarantine"][0]["row"] == line, cut
        tm.ok("data", "replay", "s", "--drop")
    result = tm("data", "push", "s", "-", stdin='[{"id": 9}, {"id"')
    assert result.code == 7 and "not JSON" in result.err
    packed = gzip.compress(os.urandom(50) + b",a\n" + b"1,2\n" * 100)
    (tm.folder / "cut.gz").write_bytes(packed[:-9])
    result = tm("data", "push", "s", "cut.gz")
    assert result.code == 7 and "cut short" in result.err
    assert tm("data", "push", "s", "none.csv").code == 3 and tm("data", "push", "none", "-", stdin="id\n1\n").code == 3
    tm.write("files/a.csv", "id\n1\n")
    tm.ok("data", "add", "read", "--watch", "files")
    result = tm("data", "push", "read", "files/a.csv")
    assert result.code == 5 and "takes no pushes" in result.err
    assert tm.show("s")["rows"] == 3


def test_a_terminal_is_waited_for_and_can_be_left(tm):
    tm.ok("data", "add", "s", "--push")
    for end in (b"\x04", b"\x03"):
        main, other = pty.openpty()
        process = start(tm, "s", "-", stdin=other, start_new_session=True)
        os.write(main, b"id,x\n1,2\n")
        assert process.stderr.readline().startswith(b"rows are read from the terminal")
        time.sleep(0.3)
        if end == b"\x04":
            os.write(main, end)
        else:
            process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, out) == ((0, b"1 rows accepted, 0 duplicates, 0 quarantined\n") if end == b"\x04" else (130, b""))
        os.close(main)
        os.close(other)
    assert tm.show("s")["rows"] == 1


def test_a_push_that_is_killed_goes_on_where_it_was(tm):
    """24 MB by a pipe; each try is killed later than the one before, until one ends by itself."""
    rng = random.Random(1)
    pad = "x" * 190
    text = ("id,x,pad\n" + "".join(f"{i},{rng.random()},{pad}\n" for i in range(100_000))).encode()
    tm.ok("data", "add", "s", "--push")
    n_killed = 0
    for number in range(50):
        process = start(tm, "s", "-", "--idempotency-key", "big", "--json", stdin=subprocess.PIPE)
        n_bytes = len(text) * (number + 1) // 6
        try:
            process.stdin.write(text[:n_bytes])
            if n_bytes < len(text):
                process.stdin.flush()
                process.kill()
        except BrokenPipeError:
            pass
        out, _ = process.communicate(timeout=PATIENCE_S)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
        n_killed += 1
    assert n_killed >= 4 and counts(json.loads(out)) == (100_000, 0, 0)
    assert tm.show("s")["rows"] == 100_000
    seen = duck_sum(tm)
    assert seen == 100_000 * 99_999 // 2
    again = tm.ok("data", "push", "s", "-", "--idempotency-key", "big", stdin=text.decode())
    assert "100,000 rows accepted" in again.out and "were taken before, with the same key" in again.err
    other = tm("data", "push", "s", "-", "--idempotency-key", "big", stdin=text.decode().replace("id,x", "id,y", 1))
    assert other.code == 5 and tm.show("s")["rows"] == 100_000


def duck_sum(tm):
    """Sum of the ids, by a reader that is not ours."""
    tm.ok("data", "snapshot", "s")
    path = max((tm.folder / ".tidemill" / "snapshots").glob("*.parquet"), key=os.path.getmtime)
    with duck.Duck() as db:
        return int(db.query(f"SELECT sum(id)::DOUBLE FROM '{path}' WHERE id IN (SELECT id FROM '{path}' GROUP BY id HAVING count(*) = 1)"))


def test_a_server_that_takes_pushes_is_named(tm, serve):
    tm.ok("data", "add", "s", "--push", "--key", "id")
    key, server = tm.ok("key", "create", "--role", "client", "--json").json["key"], serve()
    headers = {"X-Api-Key": key, "Content-Type": "text/csv"}
    assert tm.ok("data", "push", "s", "-", stdin="id\n1\n").out.startswith("1 rows accepted")  # no push came to the server yet
    status, _, answer = server.request("POST", "/v1/sources/s/rows", "id\n1\n2\n", headers)
    assert status == 200 and counts(answer) == (1, 1, 0)
    result = tm("data", "push", "s", "-", "--json", stdin="id\n3\n")
    assert result.code == 5 and "POST /v1/sources/s/rows" in result.json["error"]["hint"]
    assert server.stop() == 0
    assert tm.ok("data", "push", "s", "-", stdin="id\n3\n").out.startswith("1 rows accepted")
    # The other way round: a server that cannot have the lock yet asks for patience.
    pipe = start(tm, "s", "-", stdin=subprocess.PIPE)
    pipe.stdin.write(b"id\n4\n")
    pipe.stdin.flush()
    wait_until(lambda: has_locked(pipe.pid, "intake.lock"))
    server = serve()
    assert server.request("POST", "/v1/sources/s/rows", "id\n5\n", headers)[0] == 503
    assert pipe.communicate()[0] == b"1 rows accepted, 0 duplicates, 0 quarantined\n"
    assert server.request("POST", "/v1/sources/s/rows", "id\n6\n", headers)[0] == 200


def test_a_stream_is_pushed_in_bounded_memory(tm):
    """120 MB through a program that never holds 90."""
    tm.ok("data", "add", "s", "--push")
    row = ('{"id": %d, "text": "' + "y" * 970 + '"}\n')
    process = start(tm, "s", "-", "--json", "--threads", "1", stdin=subprocess.PIPE)
    most = 0
    for i in range(120):
        process.stdin.write("".join(row % (i * 1000 + j) for j in range(1000)).encode())
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            most = max(most, *(int(line.split()[1]) for line in file if line.startswith("VmHWM")))
    answer = json.loads(process.communicate()[0])
    assert counts(answer) == (120_000, 0, 0) and most < 90_000, most
