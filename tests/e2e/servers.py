# SPDX-License-Identifier: Apache-2.0
"""Databases for tests: PostgreSQL 15 and MariaDB as Debian has them, each in a folder of its own, on a port of loopback.

Neither runs as root, so for root they run as nobody. A server is made for speed: what it holds need not outlive a power failure.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from processes import children, state_of
from waits import PATIENCE_S, free_port, wait_until

POSTGRES_BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
USER, PASSWORD = "mill", "Tr0ub4dor-and-3"
NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []


def run(words, text=None, env=None):
    """What a program prints; it must succeed."""
    result = subprocess.run(words, input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                            env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}, cwd="/")
    assert result.returncode == 0, f"{words[0]} exits {result.returncode}:\n{result.stderr[-3000:]}{result.stdout[-3000:]}"
    return result.stdout


class Database:
    """A server in a folder of its own: start(), kill(), stop(), remove()."""

    def __init__(self, name):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"tidemill-{name}-"))
        self.data, self.port, self.process = self.folder / "data", free_port(), None
        self.log = self.folder / "server.log"
        self.data.mkdir()
        if os.getuid() == 0:
            shutil.chown(self.folder, "nobody", "nogroup")
            shutil.chown(self.data, "nobody", "nogroup")

    def launch(self, words):
        """Start the server's process."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*NOBODY, *map(str, words)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(self.folder)})

    def wait_ready(self, is_ready):
        """Until is_ready() is true; a server that ended, or is not ready in time, fails with its log."""
        why = lambda: f"the server is not ready:\n{self.log.read_text(errors='replace')[-3000:]}"

        def is_so():
            assert self.process.poll() is None, why()
            return is_ready()

        wait_until(is_so, why)

    def kill(self):
        """SIGKILL, as a failing machine would."""
        self.process.kill()
        self.process.wait()

    def stop(self, number=signal.SIGTERM):
        """Ask it to end."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def remove(self):
        """End it, and remove all that it wrote."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)


class Postgres(Database):
    """PostgreSQL 15 with a user `mill` that has a password, and a database `mill`."""

    def __init__(self):
        super().__init__("postgres")
        secret = self.folder / "password"
        secret.write_text(PASSWORD, encoding="ascii")
        secret.chmod(0o644)
        run([*NOBODY, str(POSTGRES_BIN / "initdb"), "-D", str(self.data), "-U", "mill", "-A", "scram-sha-256", f"--pwfile={secret}",
             "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
        self.start()
        self.sql("CREATE DATABASE mill", database="postgres")

    def start(self):
        """Start it and wait until it answers."""
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self.launch([POSTGRES_BIN / "postgres", "-D", self.data, "-p", self.port, "-h", "127.0.0.1", "-k", self.folder, "-c", "fsync=off",
                     "-c", "max_connections=40", "-c", "shared_buffers=64MB", "-c", "max_wal_size=4GB"])
        self.wait_ready(lambda: subprocess.run(
            [str(POSTGRES_BIN / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False).returncode == 0)

    def kill(self):
        """SIGKILL of the postmaster and all that it started; they are gone then, and their memory can be had again."""
        pid = self.process.pid
        self.process.send_signal(signal.SIGSTOP)  # so that it starts nothing more
        wait_until(lambda: state_of(pid) in "TZ")
        started = children(pid)
        super().kill()
        for child in started:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                pass
        wait_until(lambda: all(state_of(child) in "Z" for child in started))

    def dsn(self, password=PASSWORD, database="mill"):
        """What reaches it."""
        return f"host=127.0.0.1 port={self.port} user={USER} password={password} dbname={database}"

    def sql(self, text, database="mill"):
        """Run statements as psql does; what they print, a row a line, fields with | between."""
        return run([str(POSTGRES_BIN / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port),
                    "-U", USER, "-d", database], text, {"PGPASSWORD": PASSWORD}).rstrip("\n")

    def hold(self, text):
        """A session of psql in a transaction that has run a statement, and stays until it is told more."""
        held = subprocess.Popen([str(POSTGRES_BIN / "psql"), "-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", "mill"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PGPASSWORD": PASSWORD})
        held.stdin.write(f"BEGIN; {text}; SELECT 'held';\n")
        held.stdin.flush()
        assert held.stdout.readline() == "held\n"
        return held


class MariaDb(Database):
    """MariaDB with a user `mill` that has a password, and a database `mill`."""

    DRIVER = "/usr/lib/x86_64-linux-gnu/odbc/libmaodbc.so"

    def __init__(self):
        super().__init__("mariadb")
        run([*NOBODY, "mariadb-install-db", "--no-defaults", f"--datadir={self.data}", "--auth-root-authentication-method=normal",
             "--skip-test-db", "--skip-name-resolve"])
        self.start()
        self.sql(f"CREATE DATABASE mill CHARACTER SET utf8mb4; CREATE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'; "
                 f"GRANT ALL ON mill.* TO '{USER}'@'127.0.0.1'", database="mysql")

    def start(self):
        """Start it and wait until it answers."""
        self.launch(["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={self.data}", f"--socket={self.folder}/s", f"--port={self.port}",
                     "--bind-address=127.0.0.1", "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M",
                     f"--pid-file={self.folder}/pid", "--character-set-server=utf8mb4"])
        self.wait_ready(lambda: subprocess.run(
            ["mariadb-admin", "--no-defaults", f"--socket={self.folder}/s", "-u", "root", "ping"], check=False, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL).returncode == 0)

    def dsn(self, password=PASSWORD, database="mill"):
        """What reaches it through ODBC."""
        return f"Driver={self.DRIVER};Server=127.0.0.1;Port={self.port};User={USER};Password={password};Database={database}"

    def sql(self, text, database="mill"):
        """Run statements; what they print, a row a line, fields with a tab between."""
        return run(["mariadb", "--no-defaults", f"--socket={self.folder}/s", "-u", "root", "-N", "-B", "--default-character-set=utf8mb4",
                    database], text).rstrip("\n")
