# SPDX-License-Identifier: Apache-2.0
"""Sources that tidemill.yaml declares: planned, applied once, held to, and never dropped in silence."""
import json
import os
import sqlite3
import threading
import time

import conftest
from kills import Killer
from waits import PATIENCE_S, wait_until

FILE = """sources:
  sales:
    files: sales/*.csv
    key: id
    every: 1s
    columns:
      amount: {type: float, required: true}
      returned: {type: text, role: target}
  orders: {push: true, key: [id], columns: {id: int, amount: {type: int, required: true}, note: text}}
  shop: {sqlite: {file: shop.db, query: visits, cursor: at}, columns: {at: time, bought: bool}}
  few: {sql: "SELECT * FROM 'sales/1.csv' LIMIT 7"}
"""


def project(tm):
    """A folder with what FILE reads."""
    for part in (1, 2):
        tm.write(f"sales/{part}.csv", "id,day,amount,returned\n" + "".join(
            f"{part * 1000 + i},2024-0{part}-{1 + i % 28:02d},{i * 7 % 200},{'yes' if i * 7 % 200 > 120 else 'no'}\n" for i in range(300)))
    base = sqlite3.connect(tm.folder / "shop.db")
    base.execute("CREATE TABLE visits (id INTEGER PRIMARY KEY, at TEXT, bought BOOLEAN)")
    base.executemany("INSERT INTO visits VALUES (?, ?, ?)", [(i, f"2024-03-{1 + i // 10:02d} 10:00", i % 4 == 0) for i in range(100)])
    base.commit()
    base.close()
    return tm.write("tidemill.yaml", FILE)


def columns(tm, name):
    return {c["name"]: c for c in tm.ok("data", "show", name, "--json").json["columns"]}


def counts(tm, name):
    shown = tm.ok("data", "show", name, "--json").json
    return shown["rows"], shown["quarantined"]


def test_a_plan_is_applied_once(tm):
    project(tm)
    assert "4 sources" in tm.ok("check").out
    planned = tm.ok("apply", "--dry-run").out
    assert planned.count("new source (not applied)") == 4 and "there is no source" in tm.ok("data", "ls").out
    done = tm.ok("apply", "--json").json
    assert [(c["source"], c["change"]) for c in done["changes"]] == [(n, "new source") for n in ("sales", "orders", "shop", "few")]
    assert [counts(tm, n) for n in ("sales", "orders", "shop", "few")] == [(600, 0), (0, 0), (100, 0), (7, 0)]
    before = tm.ok("data", "ls", "--json").json["sources"]
    again = tm.ok("apply")
    assert again.out.endswith("nothing changed\n") and again.out.count("as the file says") == 4
    strip = lambda list_: [{k: v for k, v in s.items() if k != "lag_seconds"} for s in list_]
    assert strip(before) == strip(tm.ok("data", "ls", "--json").json["sources"])
    tm.ok("check")
    typed = columns(tm, "shop")
    assert (typed["at"]["type"], typed["bought"]["type"]) == ("time", "bool")
    assert columns(tm, "sales")["returned"] == {"name": "returned", "type": "text", "declared": True, "role": "target"}


def test_what_differs_is_told_and_brought_to_the_file(tm):
    path = project(tm)
    tm.ok("apply")
    path.write_text(FILE.replace("every: 1s", "every: 2m").replace("key: id\n", "key: id\n    policy: {new_column: stop}\n")
                    .replace("id: int, amount: {type: int, required: true}", "id: int, amount: float").replace(", note: text", ""), encoding="utf-8")
    differs = tm("check")
    assert differs.code == 1 and "2 of 4 entries" in differs.err
    for text in ("every: 120 s instead of 1 s", "policy new_column: stop instead of adapt", "column amount: float", "column note: type as its values are"):
        assert text in differs.out, differs.out
    tm.ok("apply")
    tm.ok("check")
    shown = tm.ok("data", "show", "orders", "--json").json
    assert [v["version"] for v in shown["changes"]] == [2, 1]
    assert {c["column"]: (c["kind"], c["from"], c["to"]) for c in shown["changes"][0]["changes"]} == {
        "amount": ("declared", "int", "float"), "note": ("rule", "text", "text")}
    # What cannot be changed: nothing at all is done.
    for old, new, says in (("key: id", "key: day", "the same 'key'"), ("sales/*.csv", "sales/1.csv", "the same 'files'"),
                           ("query: visits", "query: other", "the same 'query'"), ("amount: {type: float,", "amount: {type: text,", "cannot become text")):
        path.write_text(FILE.replace(old, new), encoding="utf-8")
        refused = tm("apply")
        assert refused.code == 5 and says in refused.err and "tidemill.yaml:" in refused.err, refused.err
        assert tm.ok("data", "show", "sales", "--json").json["spec"]["every_s"] == 120


def test_a_source_that_left_the_file_stays_and_is_named(tm):
    path = project(tm)
    tm.ok("apply")
    tm.ok("data", "add", "own", "--push")
    path.write_text("sources:\n  orders: {push: true, key: [id], columns: {id: int, amount: {type: int, required: true}, note: text}}\n", encoding="utf-8")
    told = tm.ok("apply").out
    assert "own" not in told and [n for n in ("sales", "shop", "few") if f"{n}: not in the file any more" in told] == ["sales", "shop", "few"]
    assert counts(tm, "sales") == (600, 0) and tm.ok("apply", "--json").json["left"] == ["few", "sales", "shop"]
    tm.ok("check")


def test_a_row_that_breaks_its_declaration_is_in_quarantine(tm, serve):
    project(tm)
    tm.ok("apply")
    tm.write("sales/3.csv", "id,day,amount,returned\n9001,2024-03-01,,no\n9002,2024-03-01,much,no\n9003,2024-03-01,5,no\n")
    os.utime(tm.folder / "sales" / "3.csv", (time.time() - 60, time.time() - 60))  # it must have stood still
    assert tm.ok("data", "pull", "sales", "--json").json["quarantined"] == 2
    bad = tm.show("sales")["quarantine"]
    assert [(b["origin"], b["row"], b["column"], b["reason"]) for b in bad] == [("sales/3.csv", 2, "amount", "null_value"), ("sales/3.csv", 3, "amount", "wrong_type")]
    key = tm.ok("key", "create", "--role", "client", "--json").json["key"]
    server = serve()
    rows = [{"id": 1, "amount": 2}, {"id": 2, "amount": 2.5}, {"id": 3}, {"id": 4, "amount": 3.0, "note": 7}]
    status, _, answer = server.request("POST", "/v1/sources/orders/rows", json.dumps({"rows": rows}), {"X-Api-Key": key, "Content-Type": "application/json"})
    assert (status, answer["accepted"], answer["quarantined"]) == (200, 2, 2)


def test_a_running_server_goes_by_what_is_applied(tm, serve):
    """Columns change under pushes that go on: each row is there once, and each by the columns of its moment."""
    path = project(tm)
    tm.ok("apply")
    key = tm.ok("key", "create", "--role", "client", "--json").json["key"]
    server = serve()
    stop, codes, accepted = threading.Event(), set(), [0]

    def push():
        own = conftest.http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
        n = 0
        while not stop.is_set():
            n += 1
            rows = [{"id": n * 10 + k, "amount": n, f"extra{n % 3}": k} for k in range(10)]
            own.request("POST", "/v1/sources/orders/rows", json.dumps({"rows": rows}), {"X-Api-Key": key, "Content-Type": "application/json"})
            reply = own.getresponse()
            answer = json.loads(reply.read())
            codes.add(reply.status)
            if reply.status == 200:
                accepted[0] += answer["accepted"]
            else:
                assert reply.status == 503 and reply.getheader("Retry-After"), answer
                n -= 1
        own.close()

    thread = threading.Thread(target=push)
    thread.start()

    def more(n):
        goal = accepted[0] + n
        wait_until(lambda: accepted[0] >= goal or not thread.is_alive())

    for step in range(6):
        more(30)  # three pushes, each with another column
        path.write_text(FILE.replace("note: text", f"note: text, more{step}: {{type: int, role: {'group' if step % 2 else 'weight'}}}"), encoding="utf-8")
        tm.ok("apply")
    more(30)
    stop.set()
    thread.join()
    assert 200 in codes and codes <= {200, 503}
    have = columns(tm, "orders")
    assert "more5" in have and have["more5"]["role"] == "group" and {"extra0", "extra1", "extra2"} <= set(have)
    shown = tm.ok("data", "show", "orders", "--json").json
    assert (shown["rows"], shown["duplicates"], shown["quarantined"]) == (accepted[0], 0, 0)
    versions = [v["version"] for v in shown["changes"]]
    assert versions == sorted(set(versions), reverse=True) and len(versions) >= 7


def test_a_kill_in_an_apply_leaves_what_the_next_one_completes(tm):
    project(tm)
    tm.write("sales/big.csv", "id,day,amount,returned\n" + "".join(f"{10**6 + i},2024-01-01,{i},no\n" for i in range(200_000)))
    for path in (tm.folder / "sales").iterdir():
        os.utime(path, (time.time() - 60, time.time() - 60))  # they stand still
    killer = Killer(tm, seed=1, longest=0.05)  # the first ones end early in an apply: only one that is left whole ends it
    for _ in killer.turns(8, at_least=1):
        killer.run("apply")
    tm.ok("apply")
    assert [counts(tm, n) for n in ("sales", "orders", "shop", "few")] == [(200_600, 0), (0, 0), (100, 0), (7, 0)]
    assert tm.ok("apply").out.endswith("nothing changed\n")


def test_a_paused_source_stands_still(tm, serve):
    project(tm)
    tm.ok("apply")
    key = tm.ok("key", "create", "--role", "client", "--json").json["key"]
    server = serve(command="run")
    push = lambda i: server.request("POST", "/v1/sources/orders/rows", json.dumps({"rows": [{"id": i, "amount": 1}]}), {"X-Api-Key": key, "Content-Type": "application/json"})
    assert push(1)[0] == 200
    assert tm.ok("data", "pause", "orders", "--json").json["status"] == "paused"
    tm.ok("data", "pause", "sales")
    time.sleep(1)  # the next push looks at what is declared, half a second after the one before
    status, headers, _ = push(2)
    assert status == 503 and headers["Retry-After"]
    pulled = tm("data", "pull", "sales")
    assert pulled.code == 6 and "data resume sales" in pulled.err
    tm.write("sales/late.csv", "id,day,amount,returned\n9001,2024-03-01,5,no\n")
    time.sleep(3)
    assert counts(tm, "sales") == (600, 0) and "paused" in tm.ok("data", "ls").out
    tm.ok("data", "resume", "orders")
    tm.ok("data", "resume", "sales")
    assert tm("data", "resume", "sales").code == 5
    wait_until(lambda: push(2)[0] == 200)
    wait_until(lambda: counts(tm, "sales") == (601, 0), lambda: counts(tm, "sales"))
    assert counts(tm, "orders") == (2, 0)


def test_a_model_learns_from_a_declared_source(tm):
    project(tm)
    model = "models:\n  back: {from: sales, target: returned, drop: [id], learner: linear}\n"
    tm.write("tidemill.yaml", model + FILE)  # the folder sales is there too: what the file declares wins
    first = tm("apply")
    assert first.code == 3 and "train --source sales --target returned --name back" in first.err
    tm.ok("train", "--source", "sales", "--target", "returned", "--name", "back", "--learner", "linear")
    assert "back: recipe differs, applied" in tm.ok("apply").out
    tm.ok("check")
    assert tm("retrain", "back").code == 1  # nothing is new
    tm.write("sales/3.csv", "id,day,amount,returned\n" + "".join(f"{3000 + i},2024-03-01,{i * 7 % 200},{'yes' if i * 7 % 200 > 120 else 'no'}\n" for i in range(300)))
    os.utime(tm.folder / "sales" / "3.csv", (time.time() - 60, time.time() - 60))
    tm.ok("data", "pull", "sales")
    assert "300 of them new" in tm.ok("retrain", "back").out
    tm.write("tidemill.yaml", model.replace("from: sales", "from: sale") + FILE)
    wrong = tm("check")
    assert wrong.code == 3 and "tidemill.yaml:2:16" in wrong.err and "'sales'" in wrong.err


def test_paths_of_a_query_begin_where_it_was_declared(tm):
    """Also when another process in another folder reads it later: for the daemon, whose first reading a kill cut off."""
    tm.write("p/data/x.csv", "id,x\n1,2\n3,4\n")
    tm.write("p/tidemill.yaml", "sources:\n  q: {sql: \"SELECT * FROM 'data/x.csv'\"}\n")
    tm.ok("apply", "-f", "p/tidemill.yaml")  # from the folder above
    assert tm.ok("data", "show", "q", "--json").json["rows"] == 2
    with sqlite3.connect(tm.folder / ".tidemill" / "intake.db") as base:  # as it was before the first block
        base.execute("UPDATE sources SET state = 'null', status = 'retrying', next_us = 1")
    base.close()
    (tm.folder / "elsewhere").mkdir()
    words = [str(tm.program), "run", "--listen", "127.0.0.1:0", "--home", str(tm.folder / ".tidemill")]
    with tm.popen(words, cwd=tm.folder / "elsewhere", env=tm.env, stdout=-3, stderr=-3) as process:
        show = lambda: tm.ok("data", "show", "q", "--json").json
        try:
            wait_until(lambda: ((shown := show())["rows"], shown["status"], shown["error"]) == (4, "ready", None), show)  # told once the reading has ended
        finally:
            process.terminate()
