# SPDX-License-Identifier: Apache-2.0
"""The server's front door: many threads, the access log, deadlines, what it does when there is too much to do."""
import http.client
import json
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from conftest import Tidemill
from test_server import Client, ROW, write_data
from waits import PATIENCE_S, wait_until

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


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_answers_of_all_threads_have_the_same_bits_also_beside_large_batches(open_server):
    server = open_server("--threads", "3")
    rows = [dict(ROW, distance=d) for d in range(50, 1050)]
    want = [p["probability"] for p in server.predict(rows)[2]["predictions"]]
    wrong, stop, n = [], threading.Event(), [0] * 6

    def ask(i):
        while not stop.is_set():
            n[i] += 1
            status, _, value = server.predict(rows if i == 0 else [rows[i]])
            if status != 200 or [p["probability"] for p in value["predictions"]] != (want if i == 0 else [want[i]]):
                wrong.append((i, status, value))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    wait_until(lambda: min(n) >= 20 or wrong)
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
    wait_until(lambda: len([x for x in lines_of(path) if x["path"] != "/readyz"]) >= 4)
    lines = [x for x in lines_of(path) if x["path"] != "/readyz"]
    want = [("/v1/routes/{route}/predict", 200), ("/v1/models/{model}", 400), ("other", 404), ("other", 400)]
    assert sorted((x["path"], x["status"]) for x in lines) == sorted(want)  # workers hand over their lines each in its time
    first = next(x for x in lines if x["status"] == 200)
    assert (first["request"], first["model"], first["version"], first["method"], first["by"]) == (headers["X-Request-Id"], "late", 1, "POST", "http:local")
    assert first["peer"].startswith("127.0.0.1:") and first["in"] > 100 and first["out"] > 100 and first["us"] >= 0
    text = path.read_text()
    assert "secret" not in text and "ORD" not in text and "733" not in text


def test_hangup_opens_the_access_log_anew_and_loses_no_request(open_server, home):
    path, moved = home.folder / "moved.log", home.folder / "moved.log.1"
    server = open_server("--access-log", path)
    assert server.predict([ROW])[0] == 200
    wait_until(lambda: any(x["status"] == 200 and "model" in x for x in lines_of(path)))
    path.rename(moved)
    server.process.send_signal(signal.SIGHUP)
    wait_until(path.exists)
    assert server.predict([ROW])[0] == 200
    wait_until(lambda: any("model" in x for x in lines_of(path)))
    assert server.stop() == 0


def test_a_trace_goes_through(open_server, home):
    path = home.folder / "trace.log"
    server = open_server("--access-log", path)
    _, headers, _ = server.call("POST", "/v1/routes/late/predict", {"rows": [ROW]}, headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
    version, trace, span, flags = headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01") and span != "b7ad6b7169203331"
    assert "traceparent" not in server.call("GET", "/livez")[1]
    assert "traceparent" not in server.call("GET", "/livez", headers={"traceparent": "00-nonsense"})[1]
    wait_until(lambda: any(x.get("trace") == TRACE and x["span"] == span for x in lines_of(path)))


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
    seen, end = [], threading.Event()

    def ask():
        while not end.is_set():
            status, headers, value = server.request_once("POST", "/v1/routes/late/predict", body, {"Content-Type": "application/json"})
            seen.append(status)
            if status == 200:
                assert len(value["predictions"]) == len(rows)
            else:
                assert status == 503 and headers["Retry-After"] == "1" and value["type"].endswith(":overloaded")

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: server.call("GET", "/livez")[0] == 200 and seen.count(200) > 5 and seen.count(503) > 5)
    finally:
        end.set()
        for thread in threads:
            thread.join()
    assert seen.count(200) + seen.count(503) == len(seen)
    for code in (200, 503):
        line = f'tidemill_http_requests_total{{route="/v1/routes/{{route}}/predict",method="POST",code="{code}"}} {seen.count(code)}\n'
        wait_until(lambda text=line: text in server.call("GET", "/metrics")[2].decode())
    assert server.predict([ROW])[0] == 200


def make_certificate(folder, name):
    cert, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(key), "-out", str(cert),
                    "-days", "1", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return cert, key


class TlsClient(Client):
    """The same over TLS; context says whom it trusts."""

    def request_once(self, method, path, body=None, headers=None, timeout=PATIENCE_S):
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=timeout, context=self.context)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        return answer.status, answer.headers, json.loads(data) if "json" in (answer.getheader("Content-Type") or "") else data


def open_tls(home, cert, key, *words, client=None):
    TlsClient.context = ssl.create_default_context(cafile=str(cert))
    if client:
        TlsClient.context.load_cert_chain(*map(str, client))
    server = TlsClient(home, "--tls-cert", cert, "--tls-key", key, *words)
    server.tm = home
    return server


def test_tls_serves_large_and_small_and_takes_a_new_certificate_without_a_restart(home):
    cert, key = make_certificate(home.folder, "one")
    server = open_tls(home, cert, key)
    try:
        assert server.predict([ROW])[0] == 200
        status, _, value = server.predict([dict(ROW, distance=d % 3000 + 50) for d in range(20000)])
        assert status == 200 and len(value["predictions"]) == 20000
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as plain:
            plain.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try:
                assert b"HTTP" not in plain.recv(100)  # an alert of TLS or nothing
            except ConnectionResetError:
                pass
        old = ssl.create_default_context(cafile=str(cert))
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as raw, pytest.raises(ssl.SSLError):
            old.wrap_socket(raw, server_hostname="localhost")
        make_certificate(home.folder, "one")  # the same files, another key
        server.process.send_signal(signal.SIGHUP)
        TlsClient.context = ssl.create_default_context(cafile=str(cert))

        def is_new():
            try:
                return server.predict([ROW])[0] == 200
            except ssl.SSLError:
                return False

        wait_until(is_new)
    finally:
        assert server.stop() == 0


def test_clients_of_another_authority_do_not_get_in(home):
    cert, key = make_certificate(home.folder, "server")
    client = make_certificate(home.folder, "client")
    server = open_tls(home, cert, key, "--tls-client-ca", client[0], client=client)
    try:
        assert server.predict([ROW])[0] == 200
        TlsClient.context = ssl.create_default_context(cafile=str(cert))
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
            server.predict([ROW])
    finally:
        assert server.stop() == 0


def test_a_unix_socket_answers_and_is_gone_afterwards(home):
    path = home.folder / "s"
    with open(home.folder / "unix.log", "w", encoding="utf-8") as log:
        process = home.popen([str(home.program), "serve", "--listen", "unix:s"], umask=0o077, cwd=home.folder, env=home.env, stdout=log, stderr=log)
    try:
        wait_until(path.exists)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(path))
            s.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert s.recv(1000).startswith(b"HTTP/1.1 200")
        assert path.stat().st_mode & 0o777 == 0o660, "whatever the umask"
    finally:
        process.terminate()
        assert process.wait(timeout=PATIENCE_S) == 0
    assert not path.exists()


PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-api-key"}


def test_pages_of_allowed_origins_alone_may_call(open_server):
    server = open_server("--allow-origin", "https://app.example,http://localhost:3000")
    path, body = "/v1/routes/late/predict", {"rows": [ROW]}
    status, headers, value = server.call("OPTIONS", path, headers={"Origin": "https://app.example", **PREFLIGHT})
    assert status == 204 and value == b"" and headers["Access-Control-Allow-Origin"] == "https://app.example" and headers["Vary"] == "Origin"
    assert headers["Access-Control-Allow-Methods"] == "POST" and "X-Api-Key" in headers["Access-Control-Allow-Headers"]
    assert headers["Content-Length"] is None and headers["Content-Type"] is None
    for origin in ("https://evil.example", "null", "https://app.example.evil", "http://app.example"):
        status, headers, _ = server.call("OPTIONS", path, headers={"Origin": origin, **PREFLIGHT})
        assert status == 403 and "Access-Control-Allow-Origin" not in headers, origin
        status, headers, _ = server.call("POST", path, body, headers={"Origin": origin})
        assert status == 403 and "Access-Control-Allow-Origin" not in headers, origin
        assert server.call("GET", "/v1/models", headers={"Origin": origin})[0] == 403, origin
    status, headers, _ = server.call("POST", path, body, headers={"Origin": "http://localhost:3000"})
    assert status == 200 and headers["Access-Control-Allow-Origin"] == "http://localhost:3000" and "X-Request-Id" in headers["Access-Control-Expose-Headers"]
    status, headers, _ = server.call("POST", path, {"rows": 1}, headers={"Origin": "http://localhost:3000"})
    assert status == 400 and headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    own = f"http://{server.address}"
    status, headers, _ = server.call("POST", path, body, headers={"Origin": own})
    assert status == 200 and "Access-Control-Allow-Origin" not in headers
    status, headers, _ = server.call("OPTIONS", path)
    assert status == 405 and headers["Allow"] == "POST"
    assert server.call("OPTIONS", "/nowhere", headers={"Origin": "https://app.example", **PREFLIGHT})[0] == 404


def test_names_of_the_server_are_those_that_were_allowed(open_server):
    server = open_server("--allow-host", "ml.example")
    for host, want in (("ml.example", 200), (f"ML.example:{server.port}", 200), ("evil.example", 403), ("localhost", 200)):
        assert server.call("POST", "/v1/routes/late/predict", {"rows": [ROW]}, headers={"Host": host})[0] == want, host
    assert server.call("GET", "/livez", headers={"Host": "10.1.2.3"})[0] == 200


@pytest.mark.parametrize("words", [("--allow-origin", "*"), ("--allow-origin", "app.example"), ("--allow-origin", "https://app.example/"),
                                   ("--allow-origin", ""), ("--allow-host", "*"), ("--allow-host", "ml.example:443"), ("--allow-host", "a,,b")])
def test_what_is_no_name_and_no_origin_is_refused_at_the_start(home, words):
    done = home("serve", "--listen", "127.0.0.1:0", *words)
    assert done.code == 2 and words[0] in done.err


def test_an_open_address_wants_a_key_and_tls(home):
    """In a home of its own: there a key is made."""
    home.ok("model", "ls")
    done = home("serve", "--listen", "0.0.0.0:0", "--home", "empty")
    assert done.code == 4 and "tidemill key create" in done.err
    home.ok("key", "create", "--role", "client", "--home", "empty")
    done = home("serve", "--listen", "0.0.0.0:0", "--home", "empty")
    assert done.code == 4 and "--tls-cert" in done.err and "--behind-proxy" in done.err


def test_a_load_counts_what_the_server_counts(home, open_server):
    server = open_server("--threads", "2")
    words = ["bench", "serve", "late", "data.csv", "--drop", "late", "--server", server.address, "--seconds", "0.5", "--json"]
    closed = home.ok(*words, "--rows", "10", "--connections", "4").json
    assert closed["ok"] >= 4 and closed["failed"] == closed["lost"] == closed["unsent"] == 0 and closed["rows_per_request"] == 10
    assert 0 < closed["ok_ms"]["p50"] <= closed["ok_ms"]["p99"] <= closed["ok_ms"]["max"]
    opened = home.ok(*words, "--rate", "200").json
    assert opened["ok"] + opened["refused"] + opened["unsent"] == 100
    text = server.call("GET", "/metrics")[2].decode()
    assert f'route="/v1/routes/{{route}}/predict",method="POST",code="200"}} {closed["ok"] + opened["ok"]}\n' in text
    said = home.ok(*words[:-1])
    assert "answers a second" in said.out and "p99" in said.out
    assert home("bench", "serve", "nobody", *words[3:]).code == 1
    assert home(*words, "--rows", "100000").code == 7
    assert home(*words[:4], "--server", "127.0.0.1:1", "--seconds", "0.1").code == 6


def test_a_day_s_share_of_a_key_outlives_a_stop_and_a_kill(tmp_path):
    tm = Tidemill(tmp_path)
    write_data(tmp_path / "data.csv", n=300)
    tm.ok("train", "data.csv", "--target", "late", "--name", "late", "--learner", "baseline")
    key = {"X-Api-Key": tm.ok("key", "create", "--role", "client", "--rate", "100/s,6/day", "--json").json["key"]}
    kept = tmp_path / ".tidemill" / "keys.used"
    seen = []
    used = lambda: round((int(kept.read_text(encoding="ascii").split()[-1]) / 1e6 - time.time()) / 14400)  # each takes four hours to come back
    for end in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        server = Client(tm, "--threads", "1")
        seen += [server.call("POST", "/v1/routes/late/predict", {"rows": [ROW]}, key)[0] for _ in range(2)]
        if end == signal.SIGKILL:
            wait_until(lambda: used() == len(seen))
        server.process.send_signal(end)
        server.process.wait(timeout=PATIENCE_S)
        server.log.close()
    assert seen == [200] * 6 and kept.stat().st_mode & 0o777 == 0o600
    server = Client(tm, "--threads", "1")
    status, headers, _ = server.call("POST", "/v1/routes/late/predict", {"rows": [ROW]}, key)
    server.stop()
    assert status == 429 and 14000 < int(headers["Retry-After"]) <= 14400
    kept.write_text("nonsense", encoding="utf-8")
    server = Client(tm, "--threads", "1")
    assert server.call("POST", "/v1/routes/late/predict", {"rows": [ROW]}, key)[0] == 200
    server.log.seek(0)
    assert "quota.unreadable" in server.log.read()
    server.stop()


def test_keys_have_models_ends_and_rates(home, open_server):
    """In the shared home: the last test of this file that goes without a key."""
    server = open_server()

    def make(*words):
        return home.ok("key", "create", *words, "--json").json

    def ask(key, path="/v1/routes/late/predict", body=None):
        body = {"rows": [ROW]} if body is None and path.endswith("predict") else body
        return server.call("POST" if body is not None else "GET", path, body, headers={"X-Api-Key": key})

    late, other = make("--role", "analyst", "--model", "late")["key"], make("--role", "analyst", "--model", "churn")["key"]
    wait_until(lambda: ask(other, "/version")[0] == 200)
    assert ask(late)[0] == 200 and ask(late, "/v1/models/late")[0] == 200 and ask(late, "/openapi.json")[0] == 200
    assert ask(late, "/v1/models")[0] == 403 and ask(late, "/v1/status")[0] == 403 and ask(late, "/metrics")[0] == 403
    assert ask(other)[0] == 403 and ask(other, "/v1/models/late/history")[0] == 403
    assert server.call("POST", "/invocations", {"inputs": [ROW]}, {"X-Api-Key": late})[0] == 200
    assert server.call("POST", "/invocations", {"inputs": [ROW]}, {"X-Api-Key": other})[0] == 403
    few = make("--role", "client", "--rate", "2/h")
    wait_until(lambda: ask(few["key"], "/v1/models")[0] != 401)  # no rate is used by what the role refuses
    seen = [ask(few["key"]) for _ in range(3)]
    assert [s for s, _, _ in seen] == [200, 200, 429] and int(seen[2][1]["Retry-After"]) > 60
    assert "few" not in json.dumps(seen[2][2]) and seen[2][2]["type"].endswith(":rate")
    for seconds in (1, 4, 16, 64):  # long enough that a slow machine sees it before its end
        begun = time.time()
        brief = make("--role", "client", "--expires", f"{seconds}s")["key"]
        wait_until(lambda key=brief, end=begun + seconds: ask(key)[0] == 200 or time.time() > end)
        if ask(brief)[0] == 200:
            break
    wait_until(lambda: ask(brief)[0] == 401)
    assert time.time() - begun >= seconds
    for seconds in (2, 8, 32, 128):
        old = make("--role", "client", "--name", "shop")
        wait_until(lambda key=old["key"]: ask(key)[0] == 200)
        new = home.ok("key", "rotate", old["id"], "--overlap", f"{seconds}s", "--json").json
        wait_until(lambda key=new["key"]: ask(key)[0] == 200)
        if ask(old["key"])[0] == 200:
            break
    wait_until(lambda: ask(old["key"])[0] == 401)
    assert seconds < 128 and ask(new["key"])[0] == 200
    listed = {k["id"]: k for k in home.ok("key", "ls", "--json").json["keys"]}
    assert listed[few["id"]]["rate"] == "2/h" and listed[new["id"]]["name"] == "shop" and listed[old["id"]]["expires"]
    assert all(k not in json.dumps(listed) for k in (late, few["key"], new["key"]))
    assert "Which unit: 90s, 90m, 90h or 90d?" in home("key", "create", "--role", "client", "--expires", "90").err
    for words in (("--expires", "yesterday"), ("--expires", "2001-01-01"), ("--rate", "many"), ("--model", "")):
        assert home("key", "create", "--role", "client", *words).code == 2, words
