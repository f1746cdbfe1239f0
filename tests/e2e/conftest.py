# SPDX-License-Identifier: Apache-2.0
"""What end-to-end tests share: the program in a folder of its own, and a server of it."""
import http.client
import json
import os
import pathlib
import signal
import subprocess

import pytest
from waits import PATIENCE_S, free_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = pathlib.Path(os.environ.get("TIDEMILL_PROGRAM", ROOT / "build" / "tidemill"))


class Result:
    """What a command printed and how it ended."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        """stdout as the one JSON object that it must be."""
        return json.loads(self.out)


class Tidemill:
    """The program in a folder: tm("train", "x.csv", ...) runs it there; tm.ok(...) also asks for exit code 0."""

    def __init__(self, folder, program=PROGRAM):
        self.folder, self.program = folder, program
        self.popen = subprocess.Popen  # what starts programs; a test may put its own here
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("TIDEMILL", "TM_"))}
        self.env.update(NO_COLOR="1", PATH=f"{program.parent}:{self.env.get('PATH', '/usr/bin:/bin')}")

    def __call__(self, *words, stdin=None, timeout=600, env=None):
        with self.popen([str(self.program), *map(str, words)], cwd=self.folder, env={**self.env, **(env or {})},
                        stdin=None if stdin is None else subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                        text=True) as process:
            try:
                out, err = process.communicate(stdin, timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return Result(process.returncode, out, err)

    def ok(self, *words, **options):
        result = self(*words, **options)
        assert result.code == 0, f"tidemill {' '.join(map(str, words))} exits {result.code}:\n{result.err}{result.out}"
        return result

    def show(self, source, *words, bad=100):
        """What is known of a source, and the first of its bad rows with their bytes."""
        rows = self.ok("data", "quarantine", source, "--list", bad, "--show-values", "--json", *words).json["rows"]
        return {**self.ok("data", "show", source, "--json", *words).json, "quarantine": rows}

    def write(self, name, text):
        """A file in the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path


def is_overloaded(status, value):
    """Whether an answer says to come again, for the server has too much to do, or stood still for a fifth of a second."""
    return status == 503 and isinstance(value, dict) and value.get("type", "").endswith(":overloaded")


class Server:
    """A running `tidemill serve` (or run) of a folder, on a free port of loopback."""

    def __init__(self, tm, *words, command="serve", port=None):
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.log = open(tm.folder / f"server-{self.port}.log", "w+", encoding="utf-8")
        self.process = tm.popen([str(tm.program), command, "--listen", self.address, *words], cwd=tm.folder, env=tm.env,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)
        try:
            self.wait_ready()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def said(self):
        """What is in its log."""
        return pathlib.Path(self.log.name).read_text(encoding="utf-8")

    def wait_ready(self, path="/readyz"):
        """Until a probe says yes."""
        def is_ready():
            assert self.process.poll() is None, f"the server ended:\n{self.said()}"
            try:
                return self.request("GET", path)[0] == 200
            except OSError:
                return False

        wait_until(is_ready, lambda: f"the server is not ready:\n{self.said()}")

    def request(self, method, path, body=None, headers=None, timeout=PATIENCE_S):
        """(status, headers, body); body is decoded when it is JSON. A body that is no text or bytes is sent as JSON. Who is told to come again does."""
        def answered():
            found = self.request_once(method, path, body, headers, timeout)
            return None if is_overloaded(found[0], found[2]) else found

        return wait_until(answered, lambda: "the server stays overloaded")

    def request_once(self, method, path, body=None, headers=None, timeout=PATIENCE_S):
        """The same, whatever is answered."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if data and (answer.getheader("Content-Type") or "").split(";")[0].endswith(("/json", "+json")):
            data = json.loads(data)
        return answer.status, answer.headers, data

    def stop(self, number=signal.SIGTERM):
        """Ask the server to end; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.log.close()


@pytest.fixture(name="tm")
def fixture_tm(tmp_path):
    """The program in an empty folder."""
    return Tidemill(tmp_path)


@pytest.fixture(name="serve")
def fixture_serve(tm):
    """serve() starts a server of the folder; all end with the test."""
    servers = []

    def start(*words, **options):
        servers.append(Server(tm, *words, **options))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture(scope="session", name="root")
def fixture_root():
    """Root of the tree."""
    return ROOT
