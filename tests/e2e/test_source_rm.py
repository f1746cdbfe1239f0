# SPDX-License-Identifier: Apache-2.0
"""A source is removed whole, beside a server too, and not while a sink reads it."""
from waits import wait_until

ROWS = "id,x,y\n" + "".join(f"{i},{i % 10},{'yes' if i % 10 > 4 else 'no'}\n" for i in range(400))


def test_a_source_goes_with_its_rows_when_nothing_reads_it(tm):
    tm.write("a.csv", ROWS)
    tm.ok("data", "add", "s", "--files", "a.csv", "--key", "id")
    tm.ok("train", "--source", "s", "--target", "y", "--learner", "linear", "--name", "m")
    tm.ok("sink", "add", "out", "--model", "m", "--read", "s", "--to-csv", "scored")
    result = tm("data", "rm", "s", "--yes")
    assert result.code == 5 and "is read by sinks: out" in result.err and "tidemill sink rm out" in result.err
    tm.ok("sink", "rm", "out")
    result = tm("data", "rm", "s")
    assert result.code == 2 and "400 rows of source 's' would be gone for good" in result.err and "Retrained from it are: m." in result.err
    assert tm.ok("data", "rm", "s", "--yes", "--json").json == {"schema": "tidemill.data.rm/1", "source": "s", "rows": 400, "models": ["m"]}
    assert tm.ok("data", "ls", "--json").json["sources"] == []
    assert tm("data", "rm", "s", "--yes").code == 3
    assert tm.ok("train", "--repeat", "m@1").code == 0
    assert tm("retrain", "m").code != 0
    tm.ok("data", "add", "s", "--files", "a.csv", "--key", "id")  # keys are new again
    assert tm.ok("data", "show", "s", "--json").json["rows"] == 400


def test_a_server_forgets_a_source_that_is_removed(tm, serve):
    tm.ok("data", "add", "pushed", "--push", "--key", "id")
    key = tm.ok("key", "create", "--role", "client", "--json").json["key"]
    server = serve()

    def push(number):
        return server.request("POST", "/v1/sources/pushed/rows", '{"rows": [{"id": %d}]}' % number,
                              {"X-Api-Key": key, "Content-Type": "application/json"})[0]
    assert push(1) == 200
    tm.ok("data", "rm", "pushed", "--yes")
    wait_until(lambda: push(2) == 404)
    tm.ok("data", "add", "pushed", "--push", "--key", "id")
    wait_until(lambda: push(1) == 200)
    assert tm.ok("data", "show", "pushed", "--json").json["rows"] == 1
