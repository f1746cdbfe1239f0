# SPDX-License-Identifier: Apache-2.0
"""Large batches from outside: answered whole and in order, and given up when nobody waits for them any more."""
import json
import random
import signal
import socket

import pytest

from conftest import Server, Tidemill
from processes import state_of
from waits import PATIENCE_S, wait_until

N_ROWS = 100000  # some tenths of a second of work


def row(i):
    return {"x": i % 1000 - 500, "c": "abcde"[i % 5]}


@pytest.fixture(name="server", scope="module")
def fixture_server(tmp_path_factory):
    tm = Tidemill(tmp_path_factory.mktemp("batch"))
    rng = random.Random(5)
    lines = ["x,c,y"] + [f"{rng.randrange(-500, 500)},{rng.choice('abcde')},{rng.random() + 0.5 * (i % 2):.3f}" for i in range(500)]
    tm.write("data.csv", "\n".join(lines) + "\n")
    tm.ok("train", "data.csv", "--target", "y", "--name", "m", "--learner", "gbdt", "--param", "gbdt.n_trees=300", "--param",
          "gbdt.early_stopping=0")
    server = Server(tm, "--access-log", "access.log")
    server.tm = tm
    yield server
    server.stop()


def lines_of(n):
    return "".join(json.dumps(row(i)) + "\n" for i in range(n))


def entries(server, identity):
    """Lines of the access log about a request."""
    path = server.tm.folder / "access.log"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [line for line in map(json.loads, lines) if line["request"] == identity]


def answered(server):
    text = server.request("GET", "/metrics")[2].decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("tidemill_predictions_total"))


def test_answers_are_in_order_and_those_of_single_rows(server):
    status, _, body = server.request("POST", "/v1/routes/m/predict", lines_of(5000), {"Content-Type": "application/x-ndjson"})
    assert status == 200
    many = [json.loads(line)["prediction"] for line in body.decode().splitlines()]
    assert len(many) == 5000
    for i in range(0, 5000, 499):
        status, _, value = server.request("POST", "/v1/routes/m/predict", {"rows": [row(i)]})
        assert status == 200 and value["predictions"][0]["prediction"] == many[i], i


def test_tensors_of_a_large_batch_have_its_shape(server):
    rows = [row(i) for i in range(5000)]
    inputs = [{"name": c, "shape": [len(rows)], "datatype": kind, "data": [r[c] for r in rows]} for c, kind in (("x", "INT64"), ("c", "BYTES"))]
    status, _, value = server.request("POST", "/v2/models/m/infer", {"inputs": inputs})
    assert status == 200
    for tensor in value["outputs"]:
        assert tensor["shape"] == [len(rows)] and len(tensor["data"]) == len(rows), tensor["name"]


def test_errors_of_a_large_batch_name_their_rows(server):
    rows = [row(i) for i in range(6000)]
    rows[4321]["x"] = "far"
    rows[5555]["zz"] = 1
    before = answered(server)
    status, _, problem = server.request("POST", "/v1/routes/m/predict", {"rows": rows})
    assert status == 400
    assert [e["row"] for e in problem["errors"]] == [4321, 5555], problem
    assert answered(server) == before


def test_a_deadline_ends_a_batch_in_its_midst(server):
    before = answered(server)
    status, headers, problem = server.request("POST", "/v1/routes/m/predict", lines_of(N_ROWS), {
        "Content-Type": "application/x-ndjson", "X-Request-Timeout-Ms": "20"})
    assert status == 503 and problem["type"].endswith("deadline"), problem
    assert headers["Retry-After"] == "1"
    assert answered(server) == before


def test_a_batch_is_not_scored_for_a_client_that_is_gone(server):
    before = answered(server)
    body = lines_of(N_ROWS).encode()
    head = (b"POST /v1/routes/m/predict HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: gone\r\n"
            b"Content-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n" % len(body))
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as client:
            client.sendall(head + body[:-1])
            server.process.send_signal(signal.SIGSTOP)  # the end of the batch and of the client are there at once
            wait_until(lambda: state_of(server.process.pid) == "T")
            client.sendall(body[-1:])
    finally:
        server.process.send_signal(signal.SIGCONT)
    found = wait_until(lambda: entries(server, "gone"))
    assert [e["status"] for e in found] == [503], found
    assert answered(server) == before


def test_reasons_are_the_same_in_every_protocol(server):
    """Enough rows that threads share them."""
    rows = [row(i) for i in range(700)]
    status, _, own = server.request("POST", "/v1/routes/m/predict?reasons=true", {"rows": rows})
    assert status == 200
    wanted = [p["reasons"] for p in own["predictions"]]
    assert all(wanted) and len({json.dumps(w) for w in wanted}) > 10
    status, _, plain = server.request("POST", "/invocations", {"instances": rows, "params": {"reasons": True}})
    assert status == 200 and [p["reasons"] for p in plain["predictions"]] == wanted
    tensors = [{"name": name, "shape": [700], "datatype": kind, "data": [r[name] for r in rows]} for name, kind in (("x", "INT64"), ("c", "BYTES"))]
    status, _, v2 = server.request("POST", "/v2/models/m/infer", {"inputs": tensors, "parameters": {"reasons": True}})
    assert status == 200
    columns = {o["name"]: o["data"] for o in v2["outputs"]}
    assert list(columns) == ["prediction", "id", "reasons"] and [json.loads(r) for r in columns["reasons"]] == wanted
    assert columns["prediction"] == [p["prediction"] for p in own["predictions"]]
