# SPDX-License-Identifier: Apache-2.0
"""Doors through which other model servers were entered, each tried here: the name of a test says whose it was and which."""
import base64
import gzip
import hashlib
import json
import os
import pickle
import re
import socket
import subprocess
import time

import pytest
from conftest import PROGRAM, Tidemill
from processes import open_files
from test_server import Client, ROW, status_of, write_data

PREDICT = "/v1/routes/late/predict"


@pytest.fixture(scope="module", name="home")
def fixture_home(tmp_path_factory):
    program = Tidemill(tmp_path_factory.mktemp("holes"))
    write_data(program.folder / "data.csv", n=300)
    program.ok("train", "data.csv", "--target", "late", "--name", "late", "--learner", "baseline")
    return program


@pytest.fixture(scope="module", name="server")
def fixture_server(home):
    """Without keys: what is open, is open to everybody on this machine."""
    server = Client(home, "--threads", "1")
    yield server
    server.stop()


def digest(folder):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*")
            if p.is_file() and p.suffix in (".tmb", ".parquet", ".secret", ".csv")}


PATHS = ["../../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "..%252f..%252fetc%252fpasswd", "..\\..\\etc\\passwd", "..%5c..%5cetc", "/etc/passwd", "%2fetc%2fpasswd",
         "late;/../../etc", "late%3b%2f..%2f..", "file:///etc/passwd", "late%00.tmb", "late/../late", ".", "..", "%2e%2e", "late%0a", "\x7f", "http://127.0.0.1:1/x", "late#../..", "~root"]


def test_mlflow_cve_2023_1177_2780_and_2024_1593_1560_no_path_or_address_comes_from_a_request(server, home):
    """Names of models and routes that are paths, once and twice encoded, with other slashes and semicolons: nothing is read, written or removed."""
    before = digest(home.folder)
    for path in PATHS:
        for method, place in (("GET", "/v1/models/%s"), ("GET", "/v1/models/%s/history"), ("POST", "/v1/routes/%s/predict"), ("GET", "/v2/models/%s"), ("POST", "/v2/models/%s/infer"), ("POST", "/v2/repository/models/%s/load")):
            # As raw bytes: a client would put the path in order before it sends it.
            body = b'{"rows":[]}' if method == "POST" else b""
            reply = server.raw(f"{method} {place % path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            assert status_of(reply) in ([400], [404], [405]), (path, place, reply[:200])
            assert b"root:" not in reply
    assert server.process.poll() is None and server.predict([ROW])[0] == 200  # Triton CVE-2026-24208, -24209 ended with these
    assert digest(home.folder) == before


def test_mlflow_cve_2024_37052_to_37060_and_h2o_cve_2023_6016_a_model_file_is_data(home, tmp_path):
    """Pickles (plain, packed, under every name that is taken), Java, Python and a shell: refused, and nothing of them runs."""
    mark = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return os.system, (f"touch {mark}",)

    files = {"pickle": pickle.dumps(Bomb()), "gzip": gzip.compress(pickle.dumps(Bomb())), "java": b"public class M { static { Runtime.getRuntime().exec(\"touch " + str(mark).encode() + b"\"); } }",
             "python": f"import os; os.system('touch {mark}')".encode(), "shell": f"#!/bin/sh\ntouch {mark}\n".encode()}
    for kind, data in files.items():
        for suffix in (".tmb", ".txt", ".json", ".ubj", ".onnx", ".pkl", ".joblib"):
            path = tmp_path / (kind + suffix)
            path.write_bytes(data)
            done = home("model", "import", path, "--name", "m")
            assert done.code not in (0, 70) and done.code > 0, (path, done.err)
            done = home("predict", path, "data.csv", "-o", tmp_path / "out.csv")
            assert done.code not in (0, 70) and done.code > 0, (path, done.err)
    assert not mark.exists()


def test_mlflow_cve_2026_4137_folders_of_unfinished_files_are_their_owners(server, home):
    assert server.process.poll() is None
    for folder in (home.folder / ".tidemill", home.folder / ".tidemill" / "temp", home.folder / ".tidemill" / "jobs"):
        assert folder.stat().st_mode & 0o077 == 0, folder


def test_mlflow_cve_2026_0545_and_ray_cve_2023_48022_no_endpoint_was_forgotten_and_none_starts_a_job(tmp_path):
    """In a home with a key, every path of /openapi.json without one, and the paths of others' job interfaces."""
    tm = Tidemill(tmp_path)
    write_data(tmp_path / "data.csv", n=300)
    tm.ok("train", "data.csv", "--target", "late", "--name", "late", "--learner", "baseline")
    key = {"X-Api-Key": tm.ok("key", "create", "--role", "admin", "--json").json["key"]}
    server = Client(tm, "--threads", "1")
    try:
        paths = server.call("GET", "/openapi.json", headers=key)[2]["paths"]
        assert len(paths) > 20
        for path, methods in paths.items():
            for method, about in methods.items():
                real = re.sub(r"\{\w+\}", "late", path)
                want = {"public": (200, 404), "login": (200, 400)}.get(about["x-permission"], (401,))  # 404: no file of the page; 400: no key to sign in with
                assert server.call(method.upper(), real, {} if method == "post" else None)[0] in want, (method, path)
        for path in ("/ajax-api/3.0/jobs/", "/ajax-api/2.0/mlflow/experiments/list", "/api/jobs/", "/api/packages/", "/99/ImportSQLTable", "/3/Models", "/models?url=http://x/y.mar"):
            assert server.call("POST", path, {"entrypoint": "id"})[0] == 401, path
            assert server.call("POST", path, {"entrypoint": "id"}, key)[0] == 404, path
    finally:
        server.stop()


def test_mlflow_default_password_there_is_none(tmp_path):
    tm = Tidemill(tmp_path)
    write_data(tmp_path / "data.csv", n=300)
    tm.ok("train", "data.csv", "--target", "late", "--name", "late", "--learner", "baseline")
    tm.write("anna.txt", "a tide that mills\n").chmod(0o644)
    refused = tm("key", "create", "--role", "viewer", "--name", "anna", "--password", "anna.txt")
    assert refused.code == 4 and "chmod 600 'anna.txt'" in refused.err, "a password that others can read"
    assert tm.ok("key", "ls", "--json").json["keys"] == []
    tm.ok("key", "create", "--role", "viewer")
    server = Client(tm, "--threads", "1")
    try:
        for user in ("admin:password1234", "admin:admin", "root:", ":", "tidemill:tidemill"):
            assert server.call("GET", "/v1/models", headers={"Authorization": "Basic " + base64.b64encode(user.encode()).decode()})[0] == 401
    finally:
        server.stop()


def test_mlflow_scoring_server_errors_repeat_no_value_and_no_stack(server):
    secrets = ["SECRET-4111111111111111", "hunter2"]
    bodies = [{"rows": [dict(ROW, distance=secrets[0])]}, {"rows": [dict(ROW, **{secrets[1]: 1})]}, {"rows": secrets}, json.dumps({"rows": secrets[0]})[:-3],
              {"rows": [dict(ROW, date=secrets[0])]}, {"inputs": secrets}]
    for path in (PREDICT, "/invocations", "/v2/models/late/infer"):
        for body in bodies:
            status, _, value = server.call("POST", path, body)
            text = json.dumps(value)
            assert status == 400 and secrets[0] not in text, (path, text)
            assert not re.search(r"Traceback|stack|\.c:\d+|0x[0-9a-f]{6}|/tmp|/home", text), text


def test_mlflow_3_5_a_name_pointed_at_this_machine_is_refused(server):
    for host in ("evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", "[::1].evil.example"):
        assert server.call("POST", PREDICT, {"rows": [ROW]}, {"Host": host})[0] == 403, host
    assert server.call("GET", "/v1/models")[1]["X-Content-Type-Options"] == "nosniff"


def test_mlflow_3_5_and_h2o_cve_2023_6013_pages_of_other_sites_cannot_send_anything(server):
    for origin in ("http://evil.example", "null", f"http://localhost:{server.port + 1}", "file://", f"https://127.0.0.1:{server.port}.evil.example"):
        for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            assert server.call("POST", PREDICT, json.dumps({"rows": [ROW]}), {"Origin": origin, "Content-Type": kind})[0] == 403, (origin, kind)


def test_ray_cve_2026_27482_the_browser_check_knows_no_exempt_method(server):
    for method in ("GET", "HEAD", "POST"):
        assert server.call(method, "/v1/models" if method != "POST" else PREDICT, {"rows": []} if method == "POST" else None, {"Origin": "http://evil.example"})[0] == 403
    for method in ("DELETE", "PUT", "PATCH", "OPTIONS", "QUERY"):
        assert server.call(method, "/v1/models", headers={"Origin": "http://evil.example"})[0] in (403, 405), method


def test_triton_cve_2025_23310_and_23311_three_megabytes_of_chunks(server):
    """Of one byte each, of none, and with long extensions; the stack is not theirs."""
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    for chunk in (b"1\r\n \r\n", b"0001\r\n \r\n", b"1;" + b"x" * 900 + b"\r\n \r\n"):
        reply = server.raw(head + chunk * (3_000_000 // len(chunk)))
        assert status_of(reply) in ([400], [413]), reply[:200]
    assert server.process.poll() is None and server.predict([ROW])[0] == 200


def test_triton_cve_2025_23319_errors_name_nothing_of_the_inside(server, home):
    """No path of a file, name of a shared memory or address, also when the server cannot do something."""
    for method, path, body in (("GET", "/v1/models/nobody", None), ("POST", PREDICT, {"rows": 1}), ("GET", "/v1/models/late?x=1", None), ("POST", "/v1/models/late:promote", {"version": 99}),
                               ("POST", "/v2/models/late/infer", {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}]}), ("GET", "/v2/systemsharedmemory/status", None)):
        text = json.dumps(server.call(method, path, body)[2])
        assert str(home.folder) not in text and ".tidemill" not in text and "/dev/shm" not in text, text


def test_triton_control_plane_what_moves_models_needs_a_key_of_its_own_role(server):
    for path in ("/v1/models/late:promote", "/v1/models/late:rollback"):
        assert server.call("POST", path, {"version": 1})[0] == 403
    for path in ("/v2/repository/index", "/v2/repository/models/late/load", "/v2/repository/models/late/unload"):
        assert server.call("POST", path, {})[0] == 404


def test_torchserve_shelltorch_it_listens_on_loopback_only_and_opens_with_a_key_and_tls_only(server, home):
    for address in ("0.0.0.0:0", "[::]:0"):
        done = home("serve", "--listen", address, "--home", "fresh")
        assert done.code == 4 and "key" in done.err
    assert server.address.startswith("127.0.0.1:")
    done = home("help", "serve")
    assert "127.0.0.1:8080" in done.out


def test_torchserve_shelltorch_words_of_yaml_make_no_object(home, tmp_path):
    """Tags that SnakeYAML and PyYAML make objects of, as any key and as any value: nothing runs, and none is taken for more than its text."""
    mark = tmp_path / "ran"
    for tag in (f"!!python/object/apply:os.system ['touch {mark}']", f'!!javax.script.ScriptEngineManager [!!java.net.URLClassLoader [[!!java.net.URL ["file://{mark}"]]]]', f"!!python/object/new:subprocess.Popen [[touch, {mark}]]"):
        for text in (f"models: {tag}\n", f"models:\n  m:\n    from: {tag}\n    target: late\n", f"models:\n  m:\n    from: data.csv\n    target: late\n    drop: {tag}\n", f"? {tag}\n: 1\n"):
            (tmp_path / "evil.yaml").write_text(text, encoding="utf-8")
            assert home("check", "--file", tmp_path / "evil.yaml").code not in (70, 139) and home("apply", "--file", tmp_path / "evil.yaml").code not in (0, 70, 139), text
    assert not mark.exists()


def test_torchserve_cve_2023_43654_the_server_fetches_nothing(server):
    """An address wherever one may be looked for: the listener behind it hears nothing."""
    with socket.socket() as bait:
        bait.bind(("127.0.0.1", 0))
        bait.listen()
        url = f"http://127.0.0.1:{bait.getsockname()[1]}/model.mar"
        for path, body in (("/models?url=" + url, {}), (PREDICT, {"rows": [ROW], "url": url}), (PREDICT, {"rows": url}), (PREDICT, {"rows": [dict(ROW, origin=url)]}),
                           ("/v1/models/late:promote", {"version": url}), ("/invocations", {"inputs": url}), ("/v2/models/late/infer", {"inputs": [], "parameters": {"url": url}})):
            server.call("POST", path, body)
        server.call("GET", "/v1/models", headers={"Referer": url, "X-Forwarded-For": url, "X-Original-URL": url, "Forwarded": f"for={url}"})
        bait.settimeout(0.2)
        with pytest.raises(TimeoutError):
            bait.accept()


def test_h2o_cve_2026_3960_and_2023_6569_no_sql_and_no_file_name_is_taken_from_a_request(server, home):
    before = digest(home.folder)
    for member, value in (("sql", "SELECT 1"), ("connection_url", "jdbc:postgresql://x/?socketFactory=y"), ("path", "/etc/passwd"), ("file", "x"), ("destination", "/tmp/x"), ("export", True)):
        assert server.call("POST", PREDICT, {"rows": [ROW], member: value})[0] == 400, member
        assert server.call("POST", "/v1/labels", {"labels": [], member: value})[0] == 400, member
    assert digest(home.folder) == before


def test_bentoml_cve_2024_2912_and_9056_kinds_of_bodies_are_a_short_list(server):
    data = pickle.dumps({"rows": [ROW]})
    for kind in ("application/pickle", "application/x-pickle", "application/vnd.bentoml+pickle", "application/octet-stream", "application/x-python-serialize", "application/java-archive",
                 "application/yaml", "text/xml", "application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file", "multipart/form-data; boundary=" + "a" * 5000, "multipart/form-data"):
        assert server.call("POST", PREDICT, data, {"Content-Type": kind})[0] == 415, kind
    for kind in ("application/json", "text/csv"):  # CVE-2025-27520: a header of the request chose how its body is read
        assert server.call("POST", "/invocations", data, {"Content-Type": kind, "Payload-Container": "NdarrayContainer", "Payload-Meta": '{"format": "default"}', "Bento-Type": "pickle"})[0] == 400, kind
    assert server.call("POST", PREDICT, data, {"Content-Type": "application/json"})[0] == 400


def test_vllm_and_sglang_shadowmq_no_other_socket_listens(tmp_path):
    """Workers and batch threads meet in memory: the process has one listening socket, the one that was asked for."""
    tm = Tidemill(tmp_path)
    write_data(tm.folder / "data.csv", n=300)
    tm.ok("train", "data.csv", "--target", "late", "--name", "late", "--learner", "baseline")
    server = Client(tm, "--threads", "2")
    try:
        own = set(open_files(server.process.pid).values())
        listening = []
        for name in ("tcp", "tcp6"):
            with open(f"/proc/{server.process.pid}/net/{name}", encoding="ascii") as table:
                for line in table.readlines()[1:]:
                    words = line.split()
                    if words[3] == "0A" and f"socket:[{words[9]}]" in own:
                        listening.append(words[1])
        assert listening == [f"0100007F:{server.port:04X}"]
    finally:
        server.stop()


def test_kserve_the_program_needs_few_libraries_of_others():
    out = subprocess.run(["ldd", str(PROGRAM)], capture_output=True, text=True, check=True).stdout
    names = {line.split()[0].split(".so")[0] for line in out.splitlines() if "=>" in line}
    known = {"libsqlite3", "liblmdb", "libsodium", "libzstd", "libyaml-0", "libyaml", "libjansson", "libc", "libm", "libdl", "libpthread"}
    sanitizers = {"libasan", "libubsan", "libtsan", "liblsan", "libstdc++", "libgcc_s", "librt", "libresolv"}
    assert names <= known | sanitizers, names - known


def test_parquet_cve_2025_30065_and_arrow_2023_47248_a_damaged_table_is_an_error(home, tmp_path):
    for name, data in (("a.parquet", b"PAR1" + b"\xff" * 400 + b"PAR1"), ("b.parquet", b"PAR1" + pickle.dumps(os.system) + b"\x00\x00\x00\x7fPAR1"), ("c.parquet", b"PAR1PAR1"), ("d.parquet", b"")):
        (tmp_path / name).write_bytes(data)
        done = home("predict", "late", tmp_path / name, "-o", tmp_path / "out.csv")
        assert done.code in (2, 3, 7, 8), (name, done.code, done.err)


def test_joblib_cve_2022_21797_words_of_parameters_are_not_evaluated(home, tmp_path):
    mark = tmp_path / "ran"
    for word in (f"__import__('os').system('touch {mark}')", f"$(touch {mark})", f"`touch {mark}`", f"; touch {mark}", f"1 if not open('{mark}','w') else 2"):
        assert home("train", "data.csv", "--target", "late", "--learner", "gbdt", "--param", f"gbdt.n_trees={word}").code == 2
        assert home("train", "data.csv", "--target", word).code != 0
        assert home("train", word, "--target", "late").code != 0
        home("predict", "late", "data.csv", "-o", tmp_path / "out.csv", "--param", word)
    time.sleep(0.05)
    assert not mark.exists()
