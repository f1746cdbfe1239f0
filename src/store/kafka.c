/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One reader of a topic.
 *
 *   shares a group:  subscribe ──> poll ──┐
 *   else:            how many are there? ─┴─ partitions are given ──> where from? ──> read
 *                                            a message, the end of a partition ──> to the caller
 *                                            partitions are taken ──> made durable ──> given up
 *
 * librdkafka calls back from within its poll, so what a callback of ours says is kept and given by
 * the call that polled.
 */
#include "store/kafka.h"

#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/kafka_priv.h"

#define PATIENCE_MS 5000u /* brokers may be gone for so long before it is said */
#define LOOK_NS                                                                                    \
    UINT64_C(1000000000)              /* so often it is looked whether the topic is there and grew \
                                       */
#define JOIN_NS UINT64_C(60000000000) /* for the group to say what is ours */
#define ASK_MS 5000
#define SEEK_MS 60000 /* asks the library's own thread, no broker */
#define POLL_MS 100
#define METADATA_MS 1000
#define FILE_SIZE 4096u
#define TOPIC_SIZE 256u

struct tm_kafka {
    tm_kafka_api api;
    tm_kafka_options options;
    char file[FILE_SIZE], topic[TOPIC_SIZE];
    rd_kafka_t *rk;
    rd_kafka_message_t *message; /* that the caller looks at */
    uint32_t n_parts;
    bool is_member;
    uint64_t opened_ns;
    uint64_t down_ns; /* 0: the brokers are there */
    uint64_t look_ns; /* when to look at the topic */
    tm_status failed;
    tm_err failure;
};

/* What a failure is, in our words: nothing of a setting is in it. */
static tm_status fail(const tm_kafka_api *api, rd_kafka_resp_err_t code, const char *file,
                      const char *topic, tm_err *err) {
    const char *const text = api->err2str(code);
    tm_status st = TM_E_UNAVAILABLE;
    switch (code) {
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
        st = TM_FAIL(err, TM_E_NOT_ALLOWED, "Kafka does not let us in: %s", text);
        tm_err_hint(err, "Look at sasl.* and ssl.* in '%s'.", file);
        break;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        st = TM_FAIL(err, TM_E_NOT_ALLOWED, "Kafka does not let us read topic '%s': %s", topic,
                     text);
        tm_err_hint(err, "The user of '%s' needs READ of the topic and of the group.", file);
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        st = TM_FAIL(err, TM_E_UNAVAILABLE, "Kafka has no topic '%s'", topic);
        tm_err_hint(err, "It is looked for again later; is the name right?");
        break;
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
        st = TM_FAIL(err, TM_E_UNAVAILABLE, "another program reads topic '%s' as this source",
                     topic);
        tm_err_hint(err, "Was the home copied? Remove the source of one of the two.");
        break;
    default:
        st = TM_FAIL(err, TM_E_UNAVAILABLE, "Kafka: %s", text);
        tm_err_hint(err, "Are the brokers of '%s' there?", file);
        break;
    }
    return st;
}

static void keep_failure(tm_kafka *k, tm_status st, const tm_err *failure) {
    if (st != TM_OK && k->failed == TM_OK) {
        k->failed = st;
        k->failure = *failure;
    }
}

static void keep_code(tm_kafka *k, rd_kafka_resp_err_t code) {
    tm_err failure = {0};
    keep_failure(k, fail(&k->api, code, k->file, k->topic, &failure), &failure);
}

/* ---- What librdkafka says of itself ---- */

static void say_nothing(const rd_kafka_t *rk, int level, const char *facility, const char *text) {
    (void)rk; /* it would print to stderr; what matters comes as an error */
    (void)level;
    (void)facility;
    (void)text;
}

static bool is_refusal(rd_kafka_resp_err_t code) {
    return code == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
           code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED ||
           code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
           code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
}

static void take_error(rd_kafka_t *rk, int code, const char *reason, void *arg) {
    tm_kafka *const k = arg;
    char text[8];
    (void)reason; /* it names hosts */
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        keep_code(k, k->api.fatal_error(rk, text, sizeof(text)));
    } else if (is_refusal(code)) {
        keep_code(k, code);
    } else if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && k->down_ns == 0) {
        k->down_ns = tm__mono_ns();
    }
}

/* Tried again by librdkafka; the clock says when it was too long. */
static bool is_passing(rd_kafka_resp_err_t code) {
    return code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
           code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__RESOLVE;
}

/* ---- Partitions ---- */

static int64_t committed(tm_kafka *k, int32_t partition, rd_kafka_resp_err_t *out_code) {
    int64_t offset = -1;
    rd_kafka_topic_partition_list_t *const list = k->api.topic_partition_list_new(1);
    (void)k->api.topic_partition_list_add(list, k->topic, partition);
    *out_code = k->api.committed(k->rk, list, ASK_MS);
    if (*out_code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        offset = list->elems[0].offset;
    }
    k->api.topic_partition_list_destroy(list);
    return offset >= 0 ? offset : -1;
}

static void take_given(tm_kafka *k, rd_kafka_topic_partition_list_t *list) {
    for (int i = 0; i < list->cnt && k->failed == TM_OK; i++) {
        rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
        tm_kafka_part part = {.partition = list->elems[i].partition};
        tm_err failure = {0};
        part.committed = k->options.member == NULL ? -1 : committed(k, part.partition, &code);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            code = k->api.query_watermark_offsets(k->rk, k->topic, part.partition, &part.low,
                                                  &part.high, ASK_MS);
        }
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            keep_code(k, code);
            return;
        }
        list->elems[i].offset = part.low;
        keep_failure(k, k->options.given(k->options.arg, &part, &list->elems[i].offset, &failure),
                     &failure);
    }
}

static void take_back(tm_kafka *k, const rd_kafka_topic_partition_list_t *list) {
    for (int i = 0; i < list->cnt && k->failed == TM_OK; i++) {
        tm_err failure = {0};
        keep_failure(k, k->options.taken(k->options.arg, list->elems[i].partition, &failure),
                     &failure);
    }
}

static void rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                      rd_kafka_topic_partition_list_t *list, void *arg) {
    tm_kafka *const k = arg;
    const bool is_given = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    if (is_given) {
        take_given(k, list);
    } else {
        take_back(k, list);
    }
    k->n_parts = is_given ? (uint32_t)list->cnt : 0;
    k->is_member = is_given;
    k->opened_ns = tm__mono_ns();
    const rd_kafka_resp_err_t done =
        k->api.assign(rk, is_given && k->failed == TM_OK ? list : NULL);
    if (done != RD_KAFKA_RESP_ERR_NO_ERROR) {
        keep_code(k, done);
    }
}

static tm_status assign_range(tm_kafka *k, uint32_t first, uint32_t end) {
    rd_kafka_topic_partition_list_t *const list = k->api.topic_partition_list_new(1);
    for (uint32_t i = first; i < end; i++) {
        (void)k->api.topic_partition_list_add(list, k->topic, (int32_t)i);
    }
    take_given(k, list);
    if (k->failed == TM_OK) {
        rd_kafka_error_t *const failed = k->api.incremental_assign(k->rk, list);
        if (failed != NULL) {
            k->api.error_destroy(failed);
            keep_code(k, RD_KAFKA_RESP_ERR__STATE);
        }
    }
    k->api.topic_partition_list_destroy(list);
    return k->failed;
}

static tm_status assign_more(tm_kafka *k, uint32_t n) {
    const tm_status st = k->options.by_hand ? TM_OK : assign_range(k, k->n_parts, n);
    k->n_parts = n;
    return st;
}

/* What comes next of a partition is not there: the topic was made anew, or messages were removed.
 * Where to go on is asked again, as when partitions were given: librdkafka reads no more of this
 * one before all are assigned. */
static void give_again(tm_kafka *k) {
    rd_kafka_topic_partition_list_t *list = NULL;
    rd_kafka_resp_err_t code = k->api.assignment(k->rk, &list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        take_back(k, list);
        take_given(k, list);
        code = k->failed == TM_OK ? k->api.assign(k->rk, list) : RD_KAFKA_RESP_ERR_NO_ERROR;
        k->api.topic_partition_list_destroy(list);
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        keep_code(k, code);
    }
}

static rd_kafka_resp_err_t count_parts(tm_kafka *k, uint32_t *out_n) {
    const struct rd_kafka_metadata *found = NULL;
    rd_kafka_topic_t *const topic = k->api.topic_new(k->rk, k->topic, NULL);
    if (topic == NULL) {
        return RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    }
    rd_kafka_resp_err_t code = k->api.metadata(k->rk, 0, topic, &found, METADATA_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        code = found->topic_cnt == 1 ? found->topics[0].err : RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
        *out_n = found->topic_cnt == 1 ? (uint32_t)found->topics[0].partition_cnt : 0;
        k->api.metadata_destroy(found);
    }
    k->api.topic_destroy(topic);
    return code;
}

/* Whether the topic is there; without a group also for those partitions that are not read yet. */
static void look_at_topic(tm_kafka *k) {
    uint32_t n = 0;
    const rd_kafka_resp_err_t code = count_parts(k, &n);
    if (is_passing(code)) {
        k->down_ns = k->down_ns == 0 ? tm__mono_ns() : k->down_ns;
    } else if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        keep_code(k, code);
    } else {
        k->down_ns = 0;
        k->look_ns = tm__mono_ns() + LOOK_NS;
        if (k->options.member == NULL) {
            k->is_member = n <= k->n_parts || assign_more(k, n) == TM_OK;
        }
    }
}

/* ---- Opening ---- */

static tm_status make_conf(tm_kafka *k, rd_kafka_conf_t **out, tm_err *err) {
    rd_kafka_conf_t *const conf = k->api.conf_new();
    const tm_status st = tm__kafka_settings(&k->api, k->file, &k->options, conf, err);
    if (st != TM_OK) {
        k->api.conf_destroy(conf);
        return st;
    }
    k->api.conf_set_opaque(conf, k);
    k->api.conf_set_log_cb(conf, say_nothing);
    k->api.conf_set_error_cb(conf, take_error);
    k->api.conf_set_rebalance_cb(conf, rebalance);
    *out = conf;
    return TM_OK;
}

static tm_status join(tm_kafka *k, tm_err *err) {
    char why[512]; /* it may quote a setting */
    rd_kafka_conf_t *conf = NULL;
    TM_TRY(make_conf(k, &conf, err));
    k->rk = k->api.new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (k->rk == NULL) {
        k->api.conf_destroy(conf);
        (void)TM_FAIL(err, TM_E_USAGE, "librdkafka does not take the settings of '%s' together",
                      k->file);
        tm_err_hint(err, "Look at security.protocol, sasl.* and the files that ssl.* names.");
        tm_err_at(err, k->file, 0, 0);
        return TM_E_USAGE;
    }
    (void)k->api.poll_set_consumer(k->rk);
    k->opened_ns = tm__mono_ns();
    if (k->options.member == NULL) {
        return TM_OK; /* partitions are looked for when messages are */
    }
    rd_kafka_topic_partition_list_t *const topics = k->api.topic_partition_list_new(1);
    (void)k->api.topic_partition_list_add(topics, k->topic, RD_KAFKA_PARTITION_UA);
    const rd_kafka_resp_err_t code = k->api.subscribe(k->rk, topics);
    k->api.topic_partition_list_destroy(topics);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? TM_OK : fail(&k->api, code, k->file, k->topic, err);
}

tm_status tm__kafka_open(const char *file, const tm_kafka_options *options, tm_kafka **out,
                         tm_err *err) {
    tm_kafka *const k = tm__mem_zalloc(1, sizeof(*k));
    if (k == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a reader of Kafka");
    }
    k->options = *options;
    if (!tm__str_copy(k->file, sizeof(k->file), tm__str(file)) ||
        !tm__str_copy(k->topic, sizeof(k->topic), tm__str(options->topic))) {
        tm__mem_free(k);
        return TM_FAIL(err, TM_E_USAGE, "the name of a topic or of a file is too long");
    }
    tm_status st = tm__kafka_api_load(&k->api, err);
    if (st == TM_OK) {
        st = join(k, err);
    }
    if (st != TM_OK) {
        tm__kafka_close(k);
        return st;
    }
    *out = k;
    return TM_OK;
}

/* ---- Reading ---- */

static bool is_cancelled(const tm_kafka *k) {
    return k->options.cancel != NULL && *k->options.cancel;
}

static void drop_message(tm_kafka *k) {
    if (k->message != NULL) {
        k->api.message_destroy(k->message);
        k->message = NULL;
    }
}

static void take_message(tm_kafka *k, tm_kafka_event *out) {
    const rd_kafka_message_t *const m = k->message;
    rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    const int64_t ms = k->api.message_timestamp(m, &type);
    *out = (tm_kafka_event){.kind = TM_KAFKA_MESSAGE,
                            .partition = m->partition,
                            .offset = m->offset,
                            .time_us =
                                type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || ms < 0 ? -1 : ms * 1000,
                            .key = {m->key, m->key_len},
                            .value = {m->payload, m->len}};
}

/* What came: true when the caller is to look at it. */
static bool take_polled(tm_kafka *k, tm_kafka_event *out) {
    const rd_kafka_message_t *const m = k->message;
    const bool is_end = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR && !is_end) {
        if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
            give_again(k);
        } else if (!is_passing(m->err)) {
            keep_code(k, m->err);
        }
        return false;
    }
    k->down_ns = 0;
    if (is_end) {
        *out =
            (tm_kafka_event){.kind = TM_KAFKA_END, .partition = m->partition, .offset = m->offset};
    } else {
        take_message(k, out);
    }
    return true;
}

static tm_status look_at_clock(tm_kafka *k, tm_err *err) {
    const uint64_t now = tm__mono_ns();
    const uint32_t patience_ms = k->options.patience_ms > 0 ? k->options.patience_ms : PATIENCE_MS;
    const bool is_down =
        k->down_ns != 0 && now - k->down_ns > (uint64_t)patience_ms * UINT64_C(1000000);
    if (is_down) {
        return fail(&k->api, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, k->file, k->topic, err);
    }
    if (!k->is_member && now - k->opened_ns > JOIN_NS) {
        (void)TM_FAIL(err, TM_E_UNAVAILABLE,
                      "the group of topic '%s' has given no partitions for a minute", k->topic);
        tm_err_hint(err, "Another member of the group may hold it up.");
        return TM_E_UNAVAILABLE;
    }
    return TM_OK;
}

tm_status tm__kafka_next(tm_kafka *k, uint32_t wait_ms, tm_kafka_event *out, tm_err *err) {
    drop_message(k);
    *out = (tm_kafka_event){.kind = TM_KAFKA_NOTHING};
    for (uint32_t waited = 0;; waited += POLL_MS) {
        if (k->failed != TM_OK) {
            if (err != NULL) {
                *err = k->failure;
            }
            return k->failed;
        }
        if (is_cancelled(k)) {
            return TM_FAIL(err, TM_E_CANCELLED, "stopped while reading Kafka");
        }
        if (tm__mono_ns() >= k->look_ns) {
            look_at_topic(k);
        }
        const uint32_t left = wait_ms > waited ? wait_ms - waited : 0;
        k->message = k->api.consumer_poll(k->rk, (int)(left < POLL_MS ? left : POLL_MS));
        if (k->message != NULL && take_polled(k, out)) {
            return TM_OK;
        }
        drop_message(k);
        if (k->failed == TM_OK) {
            TM_TRY(look_at_clock(k, err));
        }
        if (left <= POLL_MS && k->failed == TM_OK) {
            return TM_OK;
        }
    }
}

bool tm__kafka_is_member(const tm_kafka *k, uint32_t *out_n) {
    *out_n = k->n_parts;
    return k->is_member;
}

static tm_status failure_of(const tm_kafka *k, tm_err *err) {
    if (k->failed != TM_OK && err != NULL) {
        *err = k->failure;
    }
    return k->failed;
}

tm_status tm__kafka_take(tm_kafka *k, int32_t partition, tm_err *err) {
    TM_ASSERT(k->options.by_hand && partition >= 0);
    (void)assign_range(k, (uint32_t)partition, (uint32_t)partition + 1);
    return failure_of(k, err);
}

tm_status tm__kafka_drop(tm_kafka *k, int32_t partition, tm_err *err) {
    TM_ASSERT(k->options.by_hand && partition >= 0);
    rd_kafka_topic_partition_list_t *const list = k->api.topic_partition_list_new(1);
    (void)k->api.topic_partition_list_add(list, k->topic, partition);
    rd_kafka_error_t *const failed = k->api.incremental_unassign(k->rk, list);
    if (failed != NULL) {
        k->api.error_destroy(failed);
        keep_code(k, RD_KAFKA_RESP_ERR__STATE);
    }
    k->api.topic_partition_list_destroy(list);
    return failure_of(k, err);
}

int64_t tm__kafka_high(const tm_kafka *k, int32_t partition) {
    int64_t low = 0, high = 0;
    const rd_kafka_resp_err_t code =
        k->api.get_watermark_offsets(k->rk, k->topic, partition, &low, &high);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR && high > 0 ? high : 0;
}

tm_status tm__kafka_seek(tm_kafka *k, int32_t partition, int64_t offset, tm_err *err) {
    rd_kafka_topic_partition_list_t *const list = k->api.topic_partition_list_new(1);
    rd_kafka_topic_partition_t *const one =
        k->api.topic_partition_list_add(list, k->topic, partition);
    one->offset = offset;
    rd_kafka_error_t *const failed = k->api.seek_partitions(k->rk, list, SEEK_MS);
    const rd_kafka_resp_err_t code = failed != NULL ? RD_KAFKA_RESP_ERR__TIMED_OUT : one->err;
    if (failed != NULL) {
        k->api.error_destroy(failed);
    }
    k->api.topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? TM_OK : fail(&k->api, code, k->file, k->topic, err);
}

void tm__kafka_commit(tm_kafka *k, int32_t partition, int64_t offset) {
    rd_kafka_topic_partition_list_t *const list = k->api.topic_partition_list_new(1);
    k->api.topic_partition_list_add(list, k->topic, partition)->offset = offset;
    /* Rows are durable here whatever becomes of it. */
    (void)k->api.commit(k->rk, list, 1);
    k->api.topic_partition_list_destroy(list);
}

void tm__kafka_close(tm_kafka *k) {
    if (k == NULL) {
        return;
    }
    drop_message(k);
    /* librdkafka waits for ever for a topic that was deleted, so after a failure it is left as it
     * is: the process ends soon, and its threads with it. */
    if (k->rk != NULL && k->failed == TM_OK) {
        (void)k->api.consumer_close(k->rk);
        k->api.destroy(k->rk);
    }
    explicit_bzero(&k->failure, sizeof(k->failure));
    tm__mem_free(k);
}
