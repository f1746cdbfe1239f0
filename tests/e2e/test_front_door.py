# SPDX-License-Identifier: Apache-2.0
"""The server's front door: many threads, the access log, deadlines, what it does when there is too much to do."""
import json
import signal
import threading
import time

import pytest

from conftest import Tidemill
from test_server import Client, ROW, write_data

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module", name="home")
def fixture_home(tmp_path_factory):
    program = Tidemill(tmp_path_factory.mktemp("door"))
    write_data(program.folder / "data.csv")
    program.ok("train", "data.csv", "--target", "late", "--name", "late", "--learner", "gbdt", "--param", "gbdt.n_trees=30")
    return program


@pytest.fixture(name="open_server")
def fixture_open_server(home):
    """open_server(words...) starts a server of the home; it is stopped at the end of the test."""
    servers = []

    def start(*words):
        servers.append(Client(home, *words))
        servers[-1].tm = home
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.stop()


def wait_for(condition, seconds=5):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_answers_of_all_threads_have_the_same_bits_also_beside_large_batches(open_server):
    server = open_server("--threads", "3")
    rows = [dict(ROW, distance=d) for d in range(50, 1050)]
    want = [p["probability"] for p in server.predict(rows)[2]["predictions"]]
    wrong, stop = [], threading.Event()

    def ask(i):
        while not stop.is_set():
            status, _, value = server.predict(rows if i == 0 else [rows[i]])
            if status != 200 or [p["probability"] for p in value["predictions"]] != (want if i == 0 else [want[i]]):
                wrong.append((i, status, value))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong


def test_every_request_has_a_line_and_no_value(open_server, home):
    path = home.folder / "access.log"
    server = open_server("--access-log", path, "--threads", "2")
    _, headers, _ = server.predict([ROW])
    server.call("GET", "/v1/models/late?nothing=secret")
    server.call("GET", "/secret/path")
    server.raw(b"GET / HTTP/1.1\nbroken\n\n")
    wait_for(lambda: len([x for x in lines_of(path) if x["path"] != "/readyz"]) >= 4)
    lines = [x for x in lines_of(path) if x["path"] != "/readyz"]
    assert [(x["path"], x["status"]) for x in lines] == [("/v1/routes/{route}/predict", 200), ("/v1/models/{model}", 400), ("other", 404), ("other", 400)]
    first = lines[0]
    assert (first["request"], first["model"], first["version"], first["method"], first["by"]) == (headers["X-Request-Id"], "late", 1, "POST", "http:local")
    assert first["peer"].startswith("127.0.0.1:") and first["in"] > 100 and first["out"] > 100 and first["us"] >= 0
    text = path.read_text()
    assert "secret" not in text and "ORD" not in text and "733" not in text


def test_hangup_opens_the_access_log_anew_and_loses_no_request(open_server, home):
    path, moved = home.folder / "moved.log", home.folder / "moved.log.1"
    server = open_server("--access-log", path)
    assert server.predict([ROW])[0] == 200
    wait_for(lambda: any(x["status"] == 200 and "model" in x for x in lines_of(path)))
    path.rename(moved)
    server.process.send_signal(signal.SIGHUP)
    wait_for(path.exists)
    assert server.predict([ROW])[0] == 200
    wait_for(lambda: any("model" in x for x in lines_of(path)))
    assert server.stop() == 0


def test_a_trace_goes_through(open_server, home):
    path = home.folder / "trace.log"
    server = open_server("--access-log", path)
    _, headers, _ = server.call("POST", "/v1/routes/late/predict", {"rows": [ROW]}, headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
    version, trace, span, flags = headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01") and span != "b7ad6b7169203331"
    assert "traceparent" not in server.call("GET", "/livez")[1]
    assert "traceparent" not in server.call("GET", "/livez", headers={"traceparent": "00-nonsense"})[1]
    wait_for(lambda: any(x.get("trace") == TRACE and x["span"] == span for x in lines_of(path)))


def test_a_request_says_how_long_it_waits(open_server):
    server = open_server()
    assert server.call("POST", "/v1/routes/late/predict", {"rows": [ROW]}, headers={"X-Request-Timeout-Ms": "1000"})[0] == 200
    status, _, value = server.call("POST", "/v1/routes/late/predict", {"rows": [ROW]}, headers={"X-Request-Timeout-Ms": "soon"})
    assert status == 400 and "X-Request-Timeout-Ms" in value["detail"]


def test_more_batches_than_can_be_scored_are_refused_at_once_and_health_goes_on(open_server):
    """Twelve clients with one thread: answers are whole, refusals say when to come again, and each count is told by /metrics too."""
    server = open_server("--threads", "1")
    rows = [dict(ROW, distance=d % 3000 + 50) for d in range(20000)]
    body = json.dumps({"rows": rows})
    seen, end = [], time.monotonic() + 2

    def ask():
        while time.monotonic() < end:
            status, headers, value = server.call("POST", "/v1/routes/late/predict", body)
            seen.append(status)
            if status == 200:
                assert len(value["predictions"]) == len(rows)
            else:
                assert status == 503 and headers["Retry-After"] == "1" and value["type"].endswith(":overloaded")

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    while time.monotonic() < end:
        assert server.call("GET", "/livez")[0] == 200
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert seen.count(200) > 0 and seen.count(503) > 0 and seen.count(200) + seen.count(503) == len(seen)
    text = server.call("GET", "/metrics")[2].decode()
    for code in (200, 503):
        assert f'tidemill_http_requests_total{{route="/v1/routes/{{route}}/predict",method="POST",code="{code}"}} {seen.count(code)}\n' in text
    assert server.predict([ROW])[0] == 200
