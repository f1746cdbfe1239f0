# SPDX-License-Identifier: Apache-2.0
"""A cluster of Kafka brokers within this process: the one that librdkafka has for tests, and a producer for it."""
import ctypes

LIBRARY = "librdkafka.so.1"
PARTITION_ANY, MESSAGE_COPY = -1, 2
_V_TOPIC, _V_PARTITION, _V_VALUE, _V_KEY, _V_MSGFLAGS, _V_END = 1, 3, 4, 5, 7, 0


def _library():
    lib = ctypes.CDLL(LIBRARY)
    for name, result, arguments in [
        ("conf_new", ctypes.c_void_p, []),
        ("conf_set", ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]),
        ("new", ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]),
        ("handle_mock_cluster", ctypes.c_void_p, [ctypes.c_void_p]),
        ("mock_cluster_bootstraps", ctypes.c_char_p, [ctypes.c_void_p]),
        ("mock_topic_create", ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]),
        ("mock_broker_set_down", ctypes.c_int, [ctypes.c_void_p, ctypes.c_int32]),
        ("mock_broker_set_up", ctypes.c_int, [ctypes.c_void_p, ctypes.c_int32]),
        ("producev", ctypes.c_int, None),
        ("poll", ctypes.c_int, [ctypes.c_void_p, ctypes.c_int]),
        ("flush", ctypes.c_int, [ctypes.c_void_p, ctypes.c_int]),
        ("destroy", None, [ctypes.c_void_p]),
    ]:
        function = getattr(lib, "rd_kafka_" + name)
        function.restype = result
        if arguments is not None:
            function.argtypes = arguments
    return lib


class Producer:
    """Sends messages to brokers, those of a mock cluster of its own when none are named."""

    def __init__(self, bootstrap=None, brokers=1):
        self.lib = _library()
        conf, self.why = self.lib.rd_kafka_conf_new(), ctypes.create_string_buffer(512)
        settings = {"bootstrap.servers": bootstrap} if bootstrap else {"test.mock.num.brokers": str(brokers)}
        for name, value in {**settings, "linger.ms": "5", "log_level": "0"}.items():
            assert self.lib.rd_kafka_conf_set(conf, name.encode(), value.encode(), self.why, 512) == 0, self.why.value
        self.rk = self.lib.rd_kafka_new(0, conf, self.why, 512)
        assert self.rk, self.why.value

    def send(self, topic, value, partition=PARTITION_ANY, key=None):
        """One message; None as its value is a tombstone."""
        value = value.encode() if isinstance(value, str) else value
        key = key.encode() if isinstance(key, str) else key
        while True:
            code = self.lib.rd_kafka_producev(
                ctypes.c_void_p(self.rk), _V_TOPIC, ctypes.c_char_p(topic.encode()), _V_PARTITION, ctypes.c_int32(partition), _V_MSGFLAGS,
                MESSAGE_COPY, _V_VALUE, ctypes.c_char_p(value), ctypes.c_size_t(len(value or b"")), _V_KEY, ctypes.c_char_p(key),
                ctypes.c_size_t(len(key or b"")), _V_END)
            if code != -184:  # the queue is full
                assert code == 0, code
                return
            self.lib.rd_kafka_poll(self.rk, 50)

    def flush(self):
        """Until all that was sent is there."""
        assert self.lib.rd_kafka_flush(self.rk, 30000) == 0

    def close(self):
        """End it, and its cluster."""
        self.lib.rd_kafka_destroy(self.rk)


class MockCluster(Producer):
    """Brokers of this process."""

    def __init__(self, brokers=1):
        super().__init__(brokers=brokers)
        self.cluster = self.lib.rd_kafka_handle_mock_cluster(self.rk)
        self.bootstrap = self.lib.rd_kafka_mock_cluster_bootstraps(self.cluster).decode()

    def create(self, topic, partitions=1):
        """Make a topic."""
        assert self.lib.rd_kafka_mock_topic_create(self.cluster, topic.encode(), partitions, 1) == 0

    def down(self, broker=1):
        """A broker is gone."""
        assert self.lib.rd_kafka_mock_broker_set_down(self.cluster, broker) == 0

    def up(self, broker=1):
        """And there again."""
        assert self.lib.rd_kafka_mock_broker_set_up(self.cluster, broker) == 0
