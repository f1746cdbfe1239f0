# SPDX-License-Identifier: Apache-2.0
"""A broker of Apache Kafka on loopback, in a folder of its own, and a client that others wrote to make topics and send messages.

Jars come by Maven and the client from PyPI, each file with its hash (tests/kafka/jars, requirements.txt), into build/kafka. The broker is
made for speed: what it holds outlives a kill -9 but need not outlive a power failure.
"""
import contextlib
import hashlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HERE, BUILD = ROOT / "tests" / "kafka", ROOT / "build" / "kafka"
sys.path += [str(ROOT / "tools"), str(ROOT / "tests" / "e2e")]

import pypi  # noqa: E402  pylint: disable=wrong-import-position
from servers import Database  # noqa: E402  pylint: disable=wrong-import-position
from waits import free_port  # noqa: E402  pylint: disable=wrong-import-position

pypi.python_of(HERE / "requirements.txt", BUILD / "python")
sys.path += [str(folder) for folder in (BUILD / "python" / "lib").glob("python3*/site-packages")]

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition  # noqa: E402, F401  pylint: disable=wrong-import-position,import-error
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic  # noqa: E402  pylint: disable=wrong-import-position,import-error

USER, PASSWORD = "mill", "Tr0ub4dor-and-3"
SETTINGS = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
controller.quorum.election.timeout.ms=200
controller.quorum.election.backoff.max.ms=100
listeners=PLAIN://127.0.0.1:{plain},SECURE://127.0.0.1:{secure},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=PLAIN:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAIN
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
listener.name.secure.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location={folder}/server.pem
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
super.users=User:ANONYMOUS
log.dirs={folder}/data
auto.create.topics.enable=false
num.io.threads=2
num.network.threads=2
broker.heartbeat.interval.ms=100
broker.session.timeout.ms=1000
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.initial.task.delay.ms=200
log.retention.check.interval.ms=200
log.segment.delete.delay.ms=100
log.cleaner.backoff.ms=200
log.cleaner.dedupe.buffer.size=4194304
log.cleaner.io.buffer.size=262144
"""


def _hash_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def jars():
    """The folder of the jars; what is not there byte for byte is fetched."""
    lines = [line.split() for line in (HERE / "jars").read_text(encoding="ascii").splitlines() if not line.startswith("#")]
    want, folder = {name: value for value, name in lines}, BUILD / "jars"
    if not folder.is_dir() or {path.name: _hash_of(path) for path in folder.iterdir()} != want:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run(["mvn", "-B", "-q", "-Dstyle.color=never", "--strict-checksums", "-f", HERE / "pom.xml", "dependency:copy-dependencies", f"-DoutputDirectory={folder}",
                        "-DincludeScope=runtime"], check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        have = {path.name: _hash_of(path) for path in folder.iterdir()}
        wrong = sorted(name for name in {**have, **want} if have.get(name) != want.get(name))
        if wrong:
            shutil.rmtree(folder)
            raise AssertionError(f"not the files that tests/kafka/jars names: {', '.join(wrong)}")
    return folder


class Broker(Database):
    """One node of Kafka: start(), kill(), stop(), remove() as other servers of tests."""

    def __init__(self):
        super().__init__("kafka")
        self.secure, self.controller = free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.java = ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{jars()}/*"]
        shutil.rmtree(self.data)
        (self.folder / "server.properties").write_text(SETTINGS.format(
            plain=self.port, secure=self.secure, controller=self.controller, folder=self.folder, user=USER, password=PASSWORD), encoding="ascii")
        key, self.certificate = self.folder / "key.pem", self.folder / "ca.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", self.certificate, "-subj", "/CN=kafka", "-addext",
                        "subjectAltName=IP:127.0.0.1", "-days", "2"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (self.folder / "server.pem").write_text(key.read_text(encoding="ascii") + self.certificate.read_text(encoding="ascii"), encoding="ascii")
        with open(self.log, "ab") as log:
            subprocess.run([*self.java, "kafka.tools.StorageTool", "format", "-t", "dGlkZW1pbGwta2Fma2EtMQ", "-c", self.folder / "server.properties",
                            "--add-scram", f"SCRAM-SHA-256=[name={USER},password={PASSWORD}]"], check=True, stdout=log, stderr=log)
        self.start()
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": "0"})

    def launch(self, words):
        """Start the server's process, as who we are: its jars are among our files."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)

    def _answers(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def start(self):
        """Start it and wait until it answers."""
        self.launch([*self.java, "kafka.Kafka", self.folder / "server.properties"])
        self.wait_ready(self._answers)

    def restart(self, is_killed=True):
        """Gone, as by a kill -9 or in peace, and there again."""
        if is_killed:
            self.kill()
        else:
            self.stop()
        self.start()

    def remove(self):
        """End it, and remove all that it wrote."""
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- Topics ----

    def create(self, topic, partitions=1, **config):
        """Make a topic; settings of it have _ for a dot in their names."""
        made = NewTopic(topic, partitions, 1, config={name.replace("_", "."): str(value) for name, value in config.items()})
        self.admin.create_topics([made], operation_timeout=60)[topic].result(180)

    def delete(self, topic):
        """Remove a topic; on return nobody sees it."""
        self.admin.delete_topics([topic], operation_timeout=60)[topic].result(180)

    def add_partitions(self, topic, n):
        """Have n partitions in all."""
        self.admin.create_partitions([NewPartitions(topic, n)])[topic].result(180)

    def cut(self, topic, partitions=1):
        """Remove all records of a topic, as a retention does."""
        ends = [TopicPartition(topic, k, self.ends(topic, k)[1]) for k in range(partitions)]
        for done in self.admin.delete_records(ends).values():
            done.result(180)

    def ends(self, topic, partition=0):
        """The first offset of a partition and the one behind its last."""
        with self.consumer() as consumer:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), 10)

    @contextlib.contextmanager
    def consumer(self, **config):
        """A reader that others wrote."""
        reader = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "tests", "log_level": "0", "enable.auto.commit": False,
                           **{name.replace("_", "."): value for name, value in config.items()}})
        try:
            yield reader
        finally:
            reader.close()

    # ---- Messages ----

    def producer(self, **config):
        """A sender; settings of it have _ for a dot in their names. flush() waits for all that was sent."""
        return Producer({"bootstrap.servers": self.bootstrap, "log_level": "0", "linger.ms": "5", "queue.buffering.max.messages": "1000000",
                         **{name.replace("_", "."): value for name, value in config.items()}})

    def send(self, topic, values, partitions=1, key=None, **config):
        """Messages, in turn to each partition, durable on return; key says the key of a value, or None."""
        producer, failed = self.producer(**config), []
        told = lambda error, message: failed.append(error) if error else None  # noqa: E731
        for i, value in enumerate(values):
            while True:
                try:
                    producer.produce(topic, value, partition=i % partitions, key=key(value) if key else None, on_delivery=told)
                    break
                except BufferError:
                    producer.poll(0.1)
            if i % 1000 == 0:
                producer.poll(0)
        assert producer.flush(60) == 0 and not failed, failed


def write_settings(folder, broker, name="kafka.conf", **more):
    """The file by which the program reaches a broker; settings have _ for a dot in their names."""
    lines = {"bootstrap.servers": broker.bootstrap, **{key.replace("_", "."): value for key, value in more.items()}}
    path = folder / name
    path.write_text("".join(f"{key} = {value}\n" for key, value in lines.items()), encoding="ascii")
    path.chmod(0o600)


def kill_group(process):
    """SIGKILL of a program that was started in a session of its own, and of all its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
