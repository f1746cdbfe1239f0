# SPDX-License-Identifier: Apache-2.0
"""A person is erased while the server of the home answers others, and no answer holds anything of them afterwards."""
import pathlib
import secrets
import threading

from conftest import Server
from planted_values import where
from test_online import at_once, flights, is_filled, is_up_to, predict  # noqa: F401, pylint: disable=unused-import
from test_subject import check_certificate, plant
from waits import wait_until

CSV = {"Content-Type": "text/csv"}


class Others:
    """Somebody who asks about others all the time, and pushes rows of them."""

    def __init__(self, server, key):
        self.server, self.headers, self.seen, self.must_end = server, {"Authorization": f"Bearer {key}"}, [], False
        self.thread = threading.Thread(target=self.run, daemon=True)  # a test that failed does not wait for it
        self.thread.start()

    def run(self):
        while not self.must_end:
            i = len(self.seen)
            status, _, answer = self.server.request("POST", "/v1/routes/late/predict", {"rows": [{"id": f"other-{i}", "age": 30, "city": "b"}]}, self.headers)
            pushed = self.server.request("POST", "/v1/sources/pushed/rows", f"id,age\nother-{i},{i}\n", self.headers | CSV)[0]
            self.seen.append((status, answer.get("version"), pushed))

    def end(self):
        self.must_end = True
        self.thread.join()
        return self.seen


def deleted_maps(server):
    return [line for line in pathlib.Path(f"/proc/{server.process.pid}/maps").read_text(encoding="utf-8").splitlines() if "(deleted)" in line]


def test_a_server_goes_on_answering_and_holds_nothing_of_who_was_erased(tm):
    token, stays = secrets.token_hex(16), secrets.token_hex(16)
    plant(tm, 60, [token, stays])
    home = tm.folder / ".tidemill"
    key = tm.ok("key", "create", "--role", "admin", "--json").json["key"]
    asks = {"Authorization": f"Bearer {key}"}
    server = Server(tm)
    # The version before is ready too, and online, in memory and in the log are answers of both.
    old, = server.request("POST", "/v1/routes/late/predict", {"rows": [{"id": token, "age": 27, "city": "a"}]}, asks)[2]["predictions"]
    wait_until(lambda: server.request("GET", f"/v1/models/late/predictions/{old['id']}", None, asks)[0] == 200)
    others = Others(server, key)
    assert server.request("POST", "/v1/routes/late/predict", {"rows": [{"id": token, "age": 28, "city": "a"}]}, asks)[0] == 200  # in its queue
    assert server.request("POST", "/v1/sources/pushed/rows", f"id,age\n{token},77\n", asks | CSV)[0] == 200
    tm.ok("subject", "erase", "-", "--certificate", "c.json", stdin=token)
    status, _, after = server.request("POST", "/v1/routes/late/predict", {"rows": [{"age": 27, "city": "a"}]}, asks)
    assert status == 200 and after["version"] == 3
    assert server.request("GET", f"/v1/models/late/predictions/{old['id']}", None, asks)[0] == 404
    assert server.request("POST", "/v1/routes/late/predict?version=1", {"rows": [{"age": 27, "city": "a"}]}, asks)[0] != 200
    wait_until(lambda: len(others.seen) > 10)
    seen = others.end()
    assert {(status, pushed) for status, _, pushed in seen} == {(200, 200)} and {v for _, v, _ in seen} <= {1, 3}
    assert deleted_maps(server) == [] and not (home / "settle.asked").exists()
    assert {who for who, _ in where(home, [token, stays])} == {stays}  # while it runs: also its logs, and what its databases left
    certificate = check_certificate(tm, "c.json")
    assert certificate["complete"] and certificate["scanned"] and {s["source"]: s["n"] for s in certificate["found"]["sources"]} == {"people": 1, "pushed": 1}
    assert certificate["found"]["answers"] == [{"model": "late", "n": 2}]
    # Every other answer and row is there: of those who stay, of others before, and of them now.
    assert tm.show("pushed")["rows"] == len(seen) + 3 and tm.ok("audit", "verify").code == 0
    assert server.stop() == 0 and tm.ok("doctor").code == 0


def test_online_features_are_made_anew_of_the_rows_that_are_left_by_who_keeps_them(flights):
    tm, home = flights, flights.folder / ".tidemill"
    server = Server(tm, command="run")
    wait_until(lambda: is_filled(tm, server, 2500))
    before = {p.name for p in (home / "online").iterdir()}
    tm.ok("subject", "erase", "1700", "--certificate", "c.json")
    assert {p.name for p in (home / "online").iterdir()}.isdisjoint(before)
    assert predict(server, at_once(1, 2500))[0] == 200 and is_up_to(tm, 2500)  # places of rows stay
    assert [line for line in deleted_maps(server) if "data.mdb" in line or ".tmb" in line] == []
    assert server.stop() == 0
