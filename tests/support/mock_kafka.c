/* SPDX-License-Identifier: Apache-2.0 */
#include "mock_kafka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "base/fs.h"
#include "base/module.h"
#include "test.h"

#define FUNCTIONS(X)                                                                               \
    X(conf_new)                                                                                    \
    X(conf_set)                                                                                    \
    X(destroy)                                                                                     \
    X(flush)                                                                                       \
    X(handle_mock_cluster)                                                                         \
    X(mock_cluster_bootstraps)                                                                     \
    X(mock_topic_create)                                                                           \
    X(new)                                                                                         \
    X(produce)                                                                                     \
    X(topic_destroy)                                                                               \
    X(topic_new)

struct mock_kafka {
#define X(name) __typeof__(&rd_kafka_##name) name;
    FUNCTIONS(X)
#undef X
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    const char *address;
};

static const char *const names[] = {
#define X(name) "rd_kafka_" #name,
    FUNCTIONS(X)
#undef X
};
static const tm_library library = {.need = "tests",
                                   .file = "librdkafka.so.1",
                                   .missing_hint = "",
                                   .old_hint = "",
                                   .names = names,
                                   .n = sizeof(names) / sizeof(names[0])};

mock_kafka *mock_kafka_open(const char *topic, int partitions) {
    char why[256];
    mock_kafka *const m = calloc(1, sizeof(*m));
    assert_non_null(m);
    assert_int_equal(tm__library_load(&library, NULL, m, NULL), TM_OK);
    rd_kafka_conf_t *const conf = m->conf_new();
    assert_int_equal(m->conf_set(conf, "test.mock.num.brokers", "1", why, sizeof(why)),
                     RD_KAFKA_CONF_OK);
    m->rk = m->new (RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    assert_non_null(m->rk);
    rd_kafka_mock_cluster_t *const cluster = m->handle_mock_cluster(m->rk);
    m->address = m->mock_cluster_bootstraps(cluster);
    assert_int_equal(m->mock_topic_create(cluster, topic, partitions, 1),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    m->topic = m->topic_new(m->rk, topic, NULL);
    assert_non_null(m->topic);
    return m;
}

const char *mock_kafka_address(const mock_kafka *m) {
    return m->address;
}

void mock_kafka_settings(const mock_kafka *m, const char *file) {
    char text[256];
    const int len = snprintf(text, sizeof(text), "bootstrap.servers = %s\n", m->address);
    assert_int_equal(tm__fs_publish_secret(file, text, (size_t)len, NULL), TM_OK);
}

void mock_kafka_send(mock_kafka *m, int32_t partition, int first, int end) {
    for (int i = first; i < end; i++) {
        char text[32];
        const int len = snprintf(text, sizeof(text), "{\"id\": %d}", i);
        assert_int_equal(
            m->produce(m->topic, partition, RD_KAFKA_MSG_F_COPY, text, (size_t)len, NULL, 0, NULL),
            0);
    }
    assert_int_equal(m->flush(m->rk, 20000), RD_KAFKA_RESP_ERR_NO_ERROR);
}

void mock_kafka_close(mock_kafka *m) {
    m->topic_destroy(m->topic);
    m->destroy(m->rk);
    free(m);
}
