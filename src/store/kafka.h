/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of one topic of Kafka, all of them or as a member of a consumer group, through
 * librdkafka, opened by dlopen when first needed (Debian: librdkafka1). Owner thread.
 *
 * 1. How to reach the brokers is read from a file that only its owner can read: settings of
 *    librdkafka, NAME = VALUE a line. Its values stand in no message. Settings that would load or
 *    run code, and those that decide what is read, are refused.
 * 2. From where on a partition is read is for the caller to say, who keeps offsets with the rows.
 *    Offsets that are committed to the group are for people who look at it, and for the member that
 *    has the partition next.
 * 3. Who shares a group is given partitions, which are taken again when others come (`given`,
 *    `taken`). Members are static: one that was killed has its partitions again at once, and a
 *    second program with the same name is told so. Who shares none has all partitions at once, and
 *    those that are added within a second or two; or (`by_hand`) those that the caller takes.
 * 4. Brokers that are gone are TM_E_UNAVAILABLE after a while: open another one later.
 */
#ifndef TM_STORE_KAFKA_H
#define TM_STORE_KAFKA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "tidemill/err.h"

typedef struct tm_kafka tm_kafka;

/* A partition that is read from now on. */
typedef struct tm_kafka_part {
    int32_t partition;
    int64_t low, high; /* offsets that are there: [low, high) */
    int64_t committed; /* of the group; -1: none */
} tm_kafka_part;

typedef struct tm_kafka_options {
    const char *topic, *group;
    const char *member; /* name in a shared group, the same after each restart; else NULL */
    bool by_hand; /* without a member: tm__kafka_take() and tm__kafka_drop() say what is read */
    volatile _Atomic bool *cancel; /* may be NULL */
    uint32_t patience_ms;          /* how long brokers may be gone; 0: 5 seconds */
    /* Both are called inside of tm__kafka_next() and tm__kafka_close(). */
    tm_status (*given)(void *arg, const tm_kafka_part *part, int64_t *out_offset, tm_err *err);
    /* What was read of it must be durable on return. */
    tm_status (*taken)(void *arg, int32_t partition, tm_err *err);
    void *arg;
} tm_kafka_options;

/** Begin; brokers are not waited for. TM_E_USAGE, with its line, for a setting that is
 * not known or not for a file to say. */
TM_NODISCARD tm_status tm__kafka_open(const char *file, const tm_kafka_options *options,
                                      tm_kafka **out, tm_err *err);

typedef enum tm_kafka_kind {
    TM_KAFKA_NOTHING, /* came in time */
    TM_KAFKA_MESSAGE,
    TM_KAFKA_END, /* all messages of a partition that are there now were given */
} tm_kafka_kind;

/* Texts live until the next call. */
typedef struct tm_kafka_event {
    tm_kafka_kind kind;
    int32_t partition;
    int64_t offset;
    int64_t time_us; /* of the message; -1: none */
    tm_str key;      /* ptr NULL: none */
    tm_str value;    /* ptr NULL: none, which says that what the key names is deleted */
} tm_kafka_event;

/** The next message. TM_E_CANCELLED when the flag is up; TM_E_NOT_ALLOWED for what the brokers
 * refuse; after an error, only tm__kafka_close(). */
TM_NODISCARD tm_status tm__kafka_next(tm_kafka *kafka, uint32_t wait_ms, tm_kafka_event *out,
                                      tm_err *err);
/** Whether it is known which partitions are ours, and how many; `by_hand`: how many there are. */
bool tm__kafka_is_member(const tm_kafka *kafka, uint32_t *out_n);
/** Begin to read a partition, `by_hand`: `given` is called for it. */
TM_NODISCARD tm_status tm__kafka_take(tm_kafka *kafka, int32_t partition, tm_err *err);
/** Read no more of it; `taken` is not called. */
TM_NODISCARD tm_status tm__kafka_drop(tm_kafka *kafka, int32_t partition, tm_err *err);
/** The end of a partition as far as is known without asking; 0: it is not. */
int64_t tm__kafka_high(const tm_kafka *kafka, int32_t partition);
/** Go on reading a partition of ours from another offset. */
TM_NODISCARD tm_status tm__kafka_seek(tm_kafka *kafka, int32_t partition, int64_t offset,
                                      tm_err *err);
/** Tell the group that messages before an offset are done. Not waited for. */
void tm__kafka_commit(tm_kafka *kafka, int32_t partition, int64_t offset);
/** Leave: what was committed is sent, and `taken` is called for each partition. NULL is a no-op. */
void tm__kafka_close(tm_kafka *kafka);

#endif
