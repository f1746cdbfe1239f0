# SPDX-License-Identifier: Apache-2.0
"""What a hostile or clumsy peer sends: each is answered with its own status, or dropped in time, and the next one is served."""
import gzip
import json
import socket
import struct
import threading
import time
import zlib

import pytest
from conftest import Tidemill
from test_server import Client, ROW, status_of, write_data
from waits import PATIENCE_S, wait_until

PREDICT = "/v1/routes/late/predict"
HEAD = b"POST /v1/routes/late/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module", name="server")
def fixture_server(tmp_path_factory):
    program = Tidemill(tmp_path_factory.mktemp("abuse"))
    write_data(program.folder / "data.csv", n=400)
    program.ok("train", "data.csv", "--target", "late", "--name", "late", "--learner", "gbdt", "--param", "gbdt.n_trees=20")
    server = Client(program, "--threads", "2")
    yield server
    assert server.predict([ROW])[0] == 200
    assert server.stop() == 0


def with_value(column, text):
    """A request whose row has a value as it stands in JSON."""
    row = {k: json.dumps(v) for k, v in ROW.items()}
    row[column] = text
    return '{"rows":[{' + ",".join(f'"{k}":{v}' for k, v in row.items()) + "}]}"


# (column, value as JSON text, status): of a column of whole numbers, of numbers, of words. Texts are read as the cells of a CSV file are: blanks around
# a number, an exponent and words for a missing value are taken there, too.
VALUES = [
    ("distance", '"733"', 200), ("distance", '" 733"', 200), ("distance", '"7e2"', 200), ("distance", '""', 200), ("distance", '"0x2dd"', 400), ("distance", '"733abc"', 400),
    ("distance", "1e999", 400), ("distance", "-1e999", 400), ("distance", "-0", 200), ("distance", "733.0", 200), ("distance", "7.33e2", 200), ("distance", "1e3", 200),
    ("distance", "9223372036854775807", 200), ("distance", "9223372036854775808", 400), ("distance", "-9223372036854775809", 400), ("distance", "1" * 400, 400),
    ("distance", "NaN", 400), ("distance", "Infinity", 400), ("distance", "-Infinity", 400), ("distance", "nan", 400), ("distance", "+1", 400), ("distance", "01", 400),
    ("distance", ".5", 400), ("distance", "1.", 400), ("distance", "0x10", 400), ("distance", "1e", 400), ("distance", "--1", 400), ("distance", "true", 200), ("distance", "[733]", 400),
    ("speed", '"410.5"', 200), ("speed", "-0.0", 200), ("speed", "1e999", 400), ("speed", "1e-999", 200), ("speed", '"1e999"', 400), ("speed", '"NaN"', 200), ("speed", '"Infinity"', 400),
    ("speed", "5e-324", 200), ("speed", "1.7976931348623157e308", 200), ("speed", "0." + "1" * 5000, 400), ("speed", "null", 200),
    ("origin", '"\\ud800"', 400), ("origin", '"\\udc00"', 400), ("origin", '"\\ud800\\u0041"', 400), ("origin", '"\\ud83d\\ude00"', 200), ("origin", '"\\u0000"', 400),
    ("origin", '"a\nb"', 400), ("origin", '"\\x41"', 400), ("origin", '"\\u12"', 400), ("origin", "'ORD'", 400), ("origin", '"' + "x" * 100_000 + '"', 200),
    ("origin", "12", 200), ("origin", "{}", 400),
]


@pytest.mark.parametrize("column, value, want", VALUES, ids=lambda v: str(v)[:24].encode("unicode_escape").decode())
def test_values_that_parsers_read_differently_have_one_meaning_or_none(server, column, value, want):
    status, _, reply = server.call("POST", PREDICT, with_value(column, value))
    assert status == want, reply
    if want == 200:
        assert 0 <= reply["predictions"][0]["probability"] <= 1


def test_numbers_as_texts_and_minus_zero_say_what_the_number_says(server):
    def ask(column, value):
        return server.call("POST", PREDICT, with_value(column, value))[2]["predictions"][0]["probability"]

    assert ask("distance", '"733"') == ask("distance", "733") == ask("distance", "733.0") == ask("distance", "7.33e2")
    assert ask("speed", "-0.0") == ask("speed", "0") == ask("speed", "1e-999") and ask("distance", "-0") == ask("distance", "0")


@pytest.mark.parametrize("body", [
    '{"rows":[{"distance":1,"distance":2,"origin":"ORD","date":"2001-06-01"}]}', '{"rows":[],"rows":[]}', '{"rows":[{"distance":1,"dist\\u0061nce":2,"origin":"ORD","date":"2001-06-01"}]}'], ids=["column", "rows", "escaped column"])
def test_a_name_that_stands_twice_is_refused(server, body):
    assert server.call("POST", PREDICT, body)[0] == 400


@pytest.mark.parametrize("body, want", [
    (b"", 400), (b"\xef\xbb\xbf{}", 400), (b"\xff\xfe{\x00}\x00", 400), (b'{"rows":[{"origin":"\xff"}]}', 400), (b'{"rows":[{"origin":"\xc0\xaf"}]}', 400),
    (b'{"rows":[{"origin":"\xed\xa0\x80"}]}', 400), (b'{"rows":[]}x', 400), (b'{"rows":[]}\0', 400), (b'{"rows":[],}', 400), (b"[" * 100_000, 400), (b'{"a":' * 100_000, 400),
    (b'{"rows":' + b"[" * 70 + b"]" * 70 + b"}", 400), (b"null", 400), (b'"rows"', 400), (b"/* */{}", 400), (b'{"rows":[' + b"{}," * 50_000 + b"{}]}", 400)])
def test_bodies_that_are_no_rows_are_refused(server, body, want):
    assert server.call("POST", PREDICT, body)[0] == want


def test_a_million_rows_in_one_body_are_refused_and_ten_at_the_limit_answered(server):
    body = b'{"rows":[' + b'{"distance":1,"origin":"A","date":null},' * 999_999 + b'{"distance":1,"origin":"A","date":null}]}'
    assert len(body) < 64 << 20
    status, _, value = server.request("POST", PREDICT, body, {"Content-Type": "application/json"})
    assert status == 413 and "100000 rows" in value["detail"]
    status, _, value = server.request("POST", PREDICT, b" " * ((64 << 20) + 1), {"Content-Type": "application/json"})
    assert status == 413


@pytest.mark.parametrize("coding, pack", [("gzip", lambda b: gzip.compress(b, 9)), ("deflate", lambda b: zlib.compress(b, 9)), ("gzip", lambda b: gzip.compress(gzip.compress(b, 9), 9))],
                         ids=["gzip", "deflate", "gzip in gzip"])
def test_bombs_are_refused_before_they_are_large(server, coding, pack):
    bomb = pack(b'{"rows":[' + b" " * 50_000_000 + b"]}")
    status, _, _ = server.call("POST", PREDICT, bomb, {"Content-Encoding": coding})
    assert status in (400, 413)
    assert server.call("POST", PREDICT, bomb[:-9], {"Content-Encoding": coding})[0] in (400, 413)
    assert server.call("POST", PREDICT, json.dumps({"rows": [ROW]}), {"Content-Encoding": coding})[0] == 400
    assert server.call("POST", PREDICT, json.dumps({"rows": [ROW]}), {"Content-Encoding": "gzip, gzip"})[0] == 415


CHUNKS = [b"g\r\n", b"-1\r\n", b"0x1\r\n", b"1 \r\na\r\n0\r\n\r\n", b" 1\r\na\r\n0\r\n\r\n", b"ffffffffffffffff1\r\n", b"\r\n", b"1\r\na0\r\n\r\n", b"1;\nx\r\na\r\n0\r\n\r\n",
          b"2\r\n{}\r\n0\r\nContent-Length: 5\r\nbad trailer\r\n\r\n", b"1,2\r\na\r\n", b"+1\r\na\r\n", b"1\r\n\r\n\r\n0\r\n\r\n\r\n"]


@pytest.mark.parametrize("chunks", CHUNKS)
def test_tricks_with_chunks_end_the_connection(server, chunks):
    codes = status_of(server.raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    assert codes in ([400], [413], [400, 400]), codes


def test_http_1_0_gets_its_answer_and_the_end(server):
    for head in (b"GET /livez HTTP/1.0\r\n\r\n", b"GET /livez HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"):
        reply = server.raw(head)
        assert status_of(reply) == [200] and b"Connection: close" in reply
    body = json.dumps({"rows": [ROW]}).encode()
    reply = server.raw(HEAD.replace(b"1.1", b"1.0") + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert status_of(reply) == [200] and b'"predictions"' in reply
    assert status_of(server.raw(HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")) == [400]
    assert status_of(server.raw(b"GET /livez\r\n\r\n")) in ([400], [505])
    assert status_of(server.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) in ([400], [405], [505])


def test_head_and_options(server):
    for path in ("/livez", "/v1/models", "/metrics", "/openapi.json"):
        status, headers, body = server.call("HEAD", path)
        assert status == 200 and body == b"" and int(headers["Content-Length"]) > 0, path
    assert server.call("HEAD", "/nothing")[0] == 404
    assert server.call("HEAD", PREDICT)[0] == 405
    for path, allowed in (("/livez", "GET, HEAD"), (PREDICT, "POST")):
        status, headers, _ = server.call("OPTIONS", path)
        assert status == 405 and headers["Allow"] == allowed
    assert status_of(server.raw(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")) in ([400], [404], [405])
    assert status_of(server.raw(b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n")) in ([400], [404], [405])


def test_clients_that_vanish_in_mid_answer_and_mid_question_cost_nothing(server):
    """Answers of half a megabyte to peers that read a little and reset; bodies that break off; the counters say that nobody stays."""
    body = json.dumps({"rows": [ROW] * 3000}).encode()
    for i in range(30):
        s = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # its end is a reset
        s.sendall((HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)[:None if i % 3 else 20_000])
        if i % 3 == 1:
            assert s.recv(100)
        s.close()
    assert server.predict([ROW])[0] == 200
    wait_until(lambda: b"\ntidemill_http_connections 1\n" in server.call("GET", "/metrics")[2],
               lambda: [line for line in server.call("GET", "/metrics")[2].splitlines() if b"connections" in line])


def drip(server, first, piece, pause, seen):
    """Send a piece again and again, until the server cuts it; how long it let it, but of a sender that was itself silent for long by chance."""
    begin = last = time.monotonic()
    longest = 0.0
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as s:
        try:
            s.sendall(first)
            while time.monotonic() - begin < PATIENCE_S:
                if piece:
                    s.sendall(piece)
                    longest, last = max(longest, time.monotonic() - last), time.monotonic()
                s.settimeout(pause)
                try:
                    if (reply := s.recv(1000)) == b"" or b" 408 " in reply:
                        break
                except TimeoutError:
                    pass
            else:
                return
        except OSError:
            pass
        longest = max(longest, time.monotonic() - last) if piece else 0.0
        seen.append(time.monotonic() - begin if longest < 4 else None)


def test_slow_peers_are_cut_at_ten_seconds_of_head_and_five_of_silence(server):
    """All at once, beside a client that is served meanwhile: a head that drips, one that stops, a body that stops, one that drips."""
    heads, silent, bodies = [], [], []
    begin = HEAD + b"Content-Length: 100000\r\n\r\n{"
    threads = [threading.Thread(target=drip, args=(server, b"GET /livez HTTP/1.1\r\n", b"A: b\r\n", 0.4, heads)) for _ in range(5)]
    threads += [threading.Thread(target=drip, args=(server, b"GET /li", b"", 0.4, heads))]
    threads += [threading.Thread(target=drip, args=(server, begin, b"", 0.4, silent)) for _ in range(5)]
    threads += [threading.Thread(target=drip, args=(server, begin, b" ", 0.4, bodies)) for _ in range(5)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert server.predict([ROW])[0] == 200
        time.sleep(0.1)
    # None is cut before its time; how soon after it is for the machine to say. Silence is cut first: whose bytes drip has five seconds more.
    assert (len(heads), len(silent), len(bodies)) == (6, 5, 5), (heads, silent, bodies)
    assert min(silent) > 4, silent
    dripping = [seconds for seconds in heads + bodies if seconds is not None]
    assert dripping and min(dripping) > 9, (heads, bodies)
    assert min(silent) < min(dripping), (silent, heads, bodies)
