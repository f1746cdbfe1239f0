/* SPDX-License-Identifier: Apache-2.0 */
/* What the files around librdkafka share: its functions, and settings. */
#ifndef TM_STORE_KAFKA_PRIV_H
#define TM_STORE_KAFKA_PRIV_H

#include <librdkafka/rdkafka.h>

#include "store/kafka.h"

/* Every function of librdkafka that Tidemill calls, without its prefix. */
#define TM_KAFKA_FUNCTIONS(X)                                                                      \
    X(assign)                                                                                      \
    X(assignment)                                                                                  \
    X(commit)                                                                                      \
    X(committed)                                                                                   \
    X(conf_destroy)                                                                                \
    X(conf_get)                                                                                    \
    X(conf_new)                                                                                    \
    X(conf_set)                                                                                    \
    X(conf_set_error_cb)                                                                           \
    X(conf_set_log_cb)                                                                             \
    X(conf_set_opaque)                                                                             \
    X(conf_set_rebalance_cb)                                                                       \
    X(consumer_close)                                                                              \
    X(consumer_poll)                                                                               \
    X(destroy)                                                                                     \
    X(error_destroy)                                                                               \
    X(err2str)                                                                                     \
    X(fatal_error)                                                                                 \
    X(get_watermark_offsets)                                                                       \
    X(incremental_assign)                                                                          \
    X(incremental_unassign)                                                                        \
    X(message_destroy)                                                                             \
    X(message_timestamp)                                                                           \
    X(metadata)                                                                                    \
    X(metadata_destroy)                                                                            \
    X(new)                                                                                         \
    X(poll_set_consumer)                                                                           \
    X(query_watermark_offsets)                                                                     \
    X(seek_partitions)                                                                             \
    X(subscribe)                                                                                   \
    X(topic_destroy)                                                                               \
    X(topic_new)                                                                                   \
    X(topic_partition_list_add)                                                                    \
    X(topic_partition_list_destroy)                                                                \
    X(topic_partition_list_new)

typedef struct tm_kafka_api {
#define X(name) __typeof__(&rd_kafka_##name) name;
    TM_KAFKA_FUNCTIONS(X)
#undef X
} tm_kafka_api;

/** Open the library and find all of TM_KAFKA_FUNCTIONS. It stays loaded for good. */
TM_NODISCARD tm_status tm__kafka_api_load(tm_kafka_api *out, tm_err *err);

/** Take the settings of a file, then those that are ours to say. */
TM_NODISCARD tm_status tm__kafka_settings(const tm_kafka_api *api, const char *file,
                                          const tm_kafka_options *options, rd_kafka_conf_t *conf,
                                          tm_err *err);

#endif
