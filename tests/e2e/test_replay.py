# SPDX-License-Identifier: Apache-2.0
"""Rows leave quarantine by being accepted, once, whatever is killed meanwhile."""
from kills import Killer


def test_kills_neither_lose_nor_repeat_a_row_that_is_replayed(tm, serve):
    tm.ok("data", "add", "s", "--push", "--key", "id", "--policy", "wider_type=quarantine")
    key = tm.ok("key", "create", "--role", "client", "--json").json["key"]
    server = serve()
    n, headers = 20000, {"X-Api-Key": key, "Content-Type": "application/x-ndjson"}
    assert server.request("POST", "/v1/sources/s/rows", '{"id":0,"x":1}', headers)[0] == 200
    body = "".join(f'{{"id":{i},"x":{i}.5}}\n' for i in range(1, n + 1))
    assert server.request("POST", "/v1/sources/s/rows", body, headers)[2]["quarantined"] == n
    assert tm("data", "replay", "s").code == 5  # the server has the keys
    server.stop()
    assert tm.ok("data", "replay", "s", "--numbers", "1-3", "--json").json["quarantined"] == 3
    assert tm("data", "replay", "s", "--numbers", "3-1").code == 2
    tm.ok("data", "set", "s", "--policy", "wider_type=adapt")
    killer = Killer(tm, seed=1, longest=0.04)
    for _ in range(20):
        killer.run("data", "replay", "s")
        shown = tm.ok("data", "show", "s", "--json").json
        assert shown["rows"] + shown["quarantined"] == n + 1
        if killer.killed == 5:
            break
    assert killer.killed > 2
    tm.ok("data", "replay", "s")
    shown = tm.show("s")
    assert (shown["rows"], shown["quarantined"], shown["quarantine"]) == (n + 1, 0, [])
    tm.ok("data", "compact", "s")
    rows = tm.ok("data", "add", "t", "--sql", f"SELECT * FROM '{tm.folder}/.tidemill/segments/s/*.parquet'", "--key", "id", "--json").json
    assert (rows["rows"], rows["duplicates"]) == (n + 1, 0)
