/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of a topic of Kafka, each once.
 *
 *   partition is given ──> go on where its mark says ──> the last one still there? ──> messages
 *   message ──> text of its partition ── large or old enough ──> block, its mark with it
 *
 * spec   {"kafka": file, "topic", "group", "fields": [names] (CSV; else lines of JSON),
 *         "from": "end", "changed": "again", "event_time": column, "lateness_s", "idle_s", "late"}
 * state  {"read": messages, "empty": those without a value, "behind": that were there and not read,
 *        and with event times "late", "untimed", "watermark_us"}
 * mark   {"next": offset, "last": hash of the message before it, "seen": offset behind what was
 *         looked at, "newest_us", "heard_us": event time that it has come to, and when} of each
 *         partition
 *
 * 1. Rows and the offset behind them are one transaction, so a kill at any time repeats no row and
 *    leaves none out. What the group is told is only for its next member.
 * 2. Where reading goes on, the message before is read again. When it is another one, or offsets
 *    end before it, the topic was made anew; when they begin behind it, messages were removed
 *    before they were read. Both stop the source, or are lived with ("changed": "again").
 * 3. The name in the group, and the group if none is given, come from the moment at which the
 * source was added: other homes have others, and a copy of this one is told so.
 * 4. A message is a row. Its place in quarantine is TOPIC[PARTITION] and the offset.
 * 5. Not every offset has a message for us: transactions leave records of their own, and those that
 *    were aborted. What stands behind the last message is `seen`, or it would be behind for ever,
 *    and missed when it is removed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "source/feed_priv.h"
#include "source/feed_share.h"
#include "source/feed_watermark.h"
#include "store/kafka.h"

#define BLOCK_BYTES ((size_t)8 << 20)
#define BLOCK_ROWS 50000u
#define ALL_BYTES ((size_t)64 << 20)  /* of all partitions */
#define LINGER_NS UINT64_C(200000000) /* a message waits at most so long for others */
#define GAP_MAX 4096                  /* offsets without a message that become lines without one */
#define SAY_NS UINT64_C(5000000000)
#define SHARE_NS UINT64_C(500000000) /* so often it is looked what other homes read */
#define PATIENCE_MS 60000u           /* who follows waits for brokers that are started again */
#define WAIT_MS 100u
#define TEXT_MAX ((size_t)1 << 30)
#define ORIGIN_SIZE 320u
#define GROUP_SIZE 160u
#define KEY_SEED UINT64_C(0x6b61666b61206b65)
#define VALUE_SEED UINT64_C(0x6b61666b61207661)

typedef struct part {
    int32_t number;
    int64_t low;            /* first offset when it was given */
    int64_t next;           /* offset behind all that is in `text` */
    int64_t seen, saved;    /* no message that is not read stands before it; so in the mark */
    int64_t high;           /* end of the partition when it was last asked */
    uint64_t last;          /* hash of the message that came last */
    bool has_last;          /* and there is one */
    bool is_ours, is_asked; /* asked: the message before `next` comes again */
    bool at_end;
    tm_buf text; /* a line for each offset from `first` on */
    int64_t first;
    uint32_t n_lines, n_read, n_empty; /* messages among them, and those without a value */
    uint32_t n_late, n_untimed;        /* by their event time; and those that have none */
    uint64_t *late;                    /* [n_kept_out] lines that go to quarantine */
    uint32_t n_kept_out, late_max;
    uint64_t since_ns; /* when the first of them came */
    json_t *mark;      /* as the tables have it */
} part;

typedef struct run {
    tm_ctx *ctx;
    const tm_feed_input *in;
    const tm_feed_sink *sink;
    const char *topic;
    tm_kafka *kafka;
    part *parts;
    uint32_t n, capacity;
    size_t n_bytes;           /* in all texts */
    uint64_t n_read, n_empty; /* in blocks that are durable */
    uint64_t n_late, n_untimed;
    tm_watermark watermark;
    int64_t saved_us; /* of it, in the last block */
    bool is_first;    /* the source was never read, and nothing came yet */
    uint64_t said_ns; /* when it was last said */
    uint64_t look_ns; /* when to look at what other homes read */
    bool has_looked;
    tm_push_csv csv;
    const char **names; /* of csv */
} run;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for messages");
}

/* ---- Declared ---- */

static tm_status check_fields(const json_t *columns, tm_err *err) {
    size_t i = 0;
    const json_t *name = NULL;
    json_array_foreach(columns, i, name) {
        const size_t len = json_string_length(name);
        if (len == 0 || len > TM_MAX_COLUMN_NAME) {
            return TM_FAIL(err, TM_E_USAGE, "name %zu of --fields is empty or too long", i + 1);
        }
    }
    return TM_OK;
}

tm_status tm__feed_kafka_check(const json_t *spec, bool has_key, tm_err *err) {
    (void)has_key;
    const char *const topic = tm__json_text(spec, "topic", "");
    const char *const from = tm__json_text(spec, "from", "start");
    if (tm__json_text(spec, "kafka", NULL) == NULL || topic[0] == '\0') {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "a source of Kafka needs a file and a topic");
        tm_err_hint(err, "Give --kafka FILE and --topic TOPIC.");
        return st;
    }
    if (strlen(topic) > 249 || strspn(topic, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                             "0123456789._-") != strlen(topic)) {
        return TM_FAIL(err, TM_E_USAGE, "'%.64s' is no name of a topic", topic);
    }
    if (strcmp(from, "start") != 0 && strcmp(from, "end") != 0) {
        return TM_FAIL(err, TM_E_USAGE, "a topic is read from its 'start' or its 'end'");
    }
    TM_TRY(check_fields(json_object_get(spec, "fields"), err));
    return tm__watermark_check(spec, err);
}

static tm_status read_fields(run *r, tm_err *err) {
    const json_t *const columns = json_object_get(r->in->spec, "fields");
    const uint32_t n = (uint32_t)json_array_size(columns);
    if (n == 0) {
        return TM_OK;
    }
    r->names = tm__mem_alloc(n, sizeof(*r->names));
    if (r->names == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < n; i++) {
        r->names[i] = json_string_value(json_array_get(columns, i));
    }
    r->csv = (tm_push_csv){.delimiter = ',', .quote = '"', .n_names = n, .names = r->names};
    return TM_OK;
}

/* ---- Partitions ---- */

static part *find_part(run *r, int32_t number) {
    for (uint32_t i = 0; i < r->n; i++) {
        if (r->parts[i].number == number) {
            return &r->parts[i];
        }
    }
    if (r->n == r->capacity) {
        const uint32_t capacity = r->capacity == 0 ? 16 : r->capacity * 2;
        part *const parts = tm__mem_realloc(r->parts, capacity, sizeof(*parts));
        if (parts == NULL) {
            return NULL;
        }
        r->parts = parts;
        r->capacity = capacity;
    }
    if (tm__watermark_part(&r->watermark, r->n) == NULL) {
        return NULL;
    }
    part *const p = &r->parts[r->n++];
    *p = (part){.number = number};
    tm__buf_init(&p->text, TEXT_MAX);
    return p;
}

static uint64_t message_hash(const tm_kafka_event *e) {
    const uint64_t parts[3] = {tm__hash64(e->key.ptr, e->key.len, KEY_SEED),
                               tm__hash64(e->value.ptr, e->value.len, VALUE_SEED),
                               (uint64_t)e->time_us};
    return tm__hash64(parts, sizeof(parts), VALUE_SEED);
}

static bool lives_with_change(const run *r) {
    return strcmp(tm__json_text(r->in->spec, "changed", "stop"), "again") == 0;
}

static tm_status stop_changed(const run *r, const char *what, int32_t number, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_DATA, "%s (partition %" PRId32 " of topic '%s')", what, number, r->topic);
    tm_err_hint(
        err,
        "'tidemill data set %s --changed again', then 'tidemill data pull %s', goes on with "
        "what is there.",
        r->in->name, r->in->name);
    return st;
}

static tm_status made_anew(const run *r, part *p, tm_err *err) {
    if (!lives_with_change(r)) {
        return stop_changed(r, "the topic was made anew since it was read", p->number, err);
    }
    p->next = p->low;
    p->seen = p->low;
    p->first = p->next;
    p->has_last = false;
    p->is_asked = false;
    return TM_OK;
}

static uint32_t index_of(const run *r, const part *p) {
    return (uint32_t)(p - r->parts);
}

static tm_status load_mark(run *r, part *p, bool *out_known, tm_err *err) {
    char item[16];
    json_t *mark = NULL;
    (void)snprintf(item, sizeof(item), "%" PRId32, p->number);
    TM_TRY(r->in->find_mark(r->in->arg, item, &mark, err));
    *out_known = json_is_object(mark);
    p->next = tm__json_i64(mark, "next", 0);
    p->seen = p->saved = tm__json_i64(mark, "seen", p->next);
    const json_t *const last = json_object_get(mark, "last");
    p->has_last = json_is_integer(last);
    p->last = (uint64_t)json_integer_value(last);
    json_decref(p->mark);
    p->mark = mark;
    r->watermark.parts[index_of(r, p)] =
        (tm_watermark_part){.newest_us = tm__json_i64(mark, "newest_us", TM_INT_MISSING),
                            .heard_us = tm__json_i64(mark, "heard_us", tm__now_us()),
                            .is_ours = true};
    return TM_OK;
}

/* Where a partition without a mark of ours begins. One that is added later is read whole. */
static int64_t first_offset(const tm_kafka_part *given, bool from_end) {
    const int64_t own = from_end ? given->high : given->low;
    return given->committed > own || (from_end && given->committed >= 0) ? given->committed : own;
}

static tm_status save_place(run *r, part *p, tm_err *err);

static void go_on_at(part *p, int64_t offset) {
    p->next = offset;
    p->seen = offset > p->seen ? offset : p->seen;
    p->has_last = p->is_asked = false;
}

static tm_status take_given(void *arg, const tm_kafka_part *given, int64_t *out_offset,
                            tm_err *err) {
    run *const r = arg;
    bool is_known = false;
    part *const p = find_part(r, given->partition);
    if (p == NULL) {
        return no_memory(err);
    }
    TM_TRY(load_mark(r, p, &is_known, err));
    p->low = given->low;
    p->high = given->high;
    p->is_ours = true;
    p->at_end = false;
    p->is_asked = is_known && p->has_last;
    if (!is_known) {
        const bool from_end =
            r->is_first && strcmp(tm__json_text(r->in->spec, "from", "start"), "end") == 0;
        p->next = p->seen = p->saved = first_offset(given, from_end);
        p->first = p->next;
        if (from_end) {
            TM_TRY(save_place(r, p, err)); /* or a kill now would move it */
        }
    } else if (p->seen > given->high) {
        TM_TRY(made_anew(r, p, err));
    } else if (given->committed > p->seen && given->committed <= given->high) {
        go_on_at(p, given->committed); /* another member read what is between */
    } else if (p->seen < given->low && !lives_with_change(r)) {
        return stop_changed(r, "messages were removed before they were read", p->number, err);
    } else if (p->next < given->low) {
        go_on_at(p, given->low);
    }
    p->is_asked = p->is_asked && p->next > given->low;
    p->first = p->next;
    *out_offset = p->is_asked ? p->next - 1 : p->next;
    return TM_OK;
}

/* ---- Blocks ---- */

static void end_block(run *r, part *p) {
    r->n_bytes -= p->text.len;
    tm__buf_reset(&p->text);
    r->n_read += p->n_read;
    r->n_empty += p->n_empty;
    r->n_late += p->n_late;
    r->n_untimed += p->n_untimed;
    p->n_lines = p->n_read = p->n_empty = p->n_late = p->n_untimed = p->n_kept_out = 0;
    p->first = p->next;
}

/* How many messages are known to be there and were not read. */
static uint64_t behind(run *r) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        part *const p = &r->parts[i];
        const int64_t high = p->is_ours ? tm__kafka_high(r->kafka, p->number) : 0;
        p->high = high > p->high ? high : p->high;
        n += p->is_ours && p->high > p->seen ? (uint64_t)(p->high - p->seen) : 0;
    }
    return n;
}

static json_t *make_mark(const run *r, const part *p) {
    json_t *mark = json_pack("{s:I}", "next", (json_int_t)p->next);
    const tm_watermark_part *const place = &r->watermark.parts[index_of(r, p)];
    if (mark != NULL && r->watermark.column != NULL && place->newest_us != TM_INT_MISSING) {
        json_object_set_new(mark, "newest_us", json_integer((json_int_t)place->newest_us));
        json_object_set_new(mark, "heard_us", json_integer((json_int_t)place->heard_us));
    }
    if (mark != NULL && p->has_last) {
        json_object_set_new(mark, "last", json_integer((json_int_t)p->last));
    }
    if (mark != NULL && p->seen > p->next) {
        json_object_set_new(mark, "seen", json_integer((json_int_t)p->seen));
    }
    return mark;
}

/* What a block adds, when other homes add to it too. */
static json_t *make_addition(const part *p) {
    const int64_t behind = p->high > p->seen ? p->high - p->seen : 0;
    return json_pack("{s:I, s:I, s:I}", "read", (json_int_t)p->n_read, "empty",
                     (json_int_t)p->n_empty, "behind", (json_int_t)behind);
}

static json_t *make_state(run *r, const part *p) {
    json_t *const state =
        json_pack("{s:I, s:I, s:I}", "read", (json_int_t)(r->n_read + p->n_read), "empty",
                  (json_int_t)(r->n_empty + p->n_empty), "behind", (json_int_t)behind(r));
    if (state != NULL && r->watermark.column != NULL) {
        json_object_set_new(state, "late", json_integer((json_int_t)(r->n_late + p->n_late)));
        json_object_set_new(state, "untimed",
                            json_integer((json_int_t)(r->n_untimed + p->n_untimed)));
    }
    if (state != NULL && r->watermark.column != NULL && r->watermark.us != TM_INT_MISSING) {
        json_object_set_new(state, "watermark_us", json_integer((json_int_t)r->watermark.us));
    }
    return state;
}

static tm_status give(run *r, part *p, char *data, size_t len, tm_err *err) {
    char item[16], origin[ORIGIN_SIZE];
    (void)snprintf(item, sizeof(item), "%" PRId32, p->number);
    (void)snprintf(origin, sizeof(origin), "%s[%" PRId32 "]", r->topic, p->number);
    json_t *state = r->in->share == NULL ? make_state(r, p) : make_addition(p);
    json_t *mark = make_mark(r, p);
    const tm_feed_block block = {.form = r->names == NULL ? TM_PUSH_LINES : TM_PUSH_CSV,
                                 .data = data,
                                 .len = len,
                                 .origin = origin,
                                 .first_line = (uint64_t)p->first + 1,
                                 .from_zero = true,
                                 .late = p->late,
                                 .n_late = p->n_kept_out,
                                 .late_column = r->watermark.column,
                                 .csv = r->names == NULL ? NULL : &r->csv,
                                 .state = state,
                                 .item = item,
                                 .mark = mark,
                                 .mark_before = p->mark};
    const tm_status st =
        state == NULL || mark == NULL ? no_memory(err) : r->sink->take(r->sink->arg, &block, err);
    p->saved = st == TM_OK ? p->seen : p->saved;
    r->saved_us = st == TM_OK ? r->watermark.us : r->saved_us;
    json_decref(state);
    json_decref(st == TM_OK ? p->mark : mark);
    p->mark = st == TM_OK ? mark : p->mark;
    return st;
}

static tm_status save_place(run *r, part *p, tm_err *err) {
    char nothing[1] = "";
    return give(r, p, nothing, 0, err);
}

static tm_status flush(run *r, part *p, tm_err *err) {
    if (p->n_lines == 0) {
        return TM_OK;
    }
    if (!tm__buf_byte(&p->text, 0)) {
        return no_memory(err);
    }
    p->text.len--;
    TM_TRY(give(r, p, (char *)p->text.data, p->text.len, err));
    end_block(r, p);
    tm__kafka_commit(r->kafka, p->number, p->next);
    return TM_OK;
}

/* What was read, what was seen without being a message, and how far time has come by waiting. */
static tm_status flush_all(run *r, tm_err *err) {
    tm__watermark_settle(&r->watermark, tm__now_us());
    for (uint32_t i = 0; i < r->n; i++) {
        part *const p = &r->parts[i];
        TM_TRY(flush(r, p, err));
        if (p->is_ours && (p->seen > p->saved || r->watermark.us != r->saved_us)) {
            TM_TRY(save_place(r, p, err));
        }
    }
    return TM_OK;
}

static tm_status flush_old(run *r, tm_err *err) {
    const uint64_t now = tm__mono_ns();
    for (uint32_t i = 0; i < r->n; i++) {
        part *const p = &r->parts[i];
        if (p->n_lines > 0 && (now - p->since_ns >= LINGER_NS || r->n_bytes > ALL_BYTES)) {
            TM_TRY(flush(r, p, err));
        }
    }
    return TM_OK;
}

static tm_status take_back(void *arg, int32_t number, tm_err *err) {
    run *const r = arg;
    part *const p = find_part(r, number);
    if (p == NULL) {
        return no_memory(err);
    }
    TM_TRY(flush(r, p, err));
    p->is_ours = false;
    r->watermark.parts[index_of(r, p)].is_ours = false;
    tm__watermark_settle(&r->watermark, tm__now_us());
    return TM_OK;
}

/* ---- Messages ---- */

static tm_str without_line_end(tm_str value) {
    if (value.len > 0 && value.ptr[value.len - 1] == '\n') {
        value.len--;
    }
    if (value.len > 0 && value.ptr[value.len - 1] == '\r') {
        value.len--;
    }
    return value;
}

static bool append_line(part *p, tm_str value) {
    return tm__buf_append(&p->text, value.ptr, value.len) && tm__buf_byte(&p->text, '\n');
}

/* A line end within JSON is white space between its parts, or makes it none at all; so is a tab. */
static void join_lines(part *p, size_t len) {
    char *const end = (char *)p->text.data + p->text.len - 1;
    for (char *c = memchr(end - len, '\n', len); c != NULL;
         c = memchr(c, '\n', (size_t)(end - c))) {
        *c = '\t';
    }
}

static tm_status keep_out(part *p, int64_t offset, tm_err *err) {
    if (p->n_kept_out == p->late_max) {
        const uint32_t n = p->late_max == 0 ? 64 : p->late_max * 2;
        uint64_t *const late = tm__mem_realloc(p->late, n, sizeof(*late));
        if (late == NULL) {
            return no_memory(err);
        }
        p->late = late;
        p->late_max = n;
    }
    p->late[p->n_kept_out++] = (uint64_t)offset;
    return TM_OK;
}

static tm_status look_at_time(run *r, part *p, const tm_kafka_event *e, tm_err *err) {
    int64_t time_us = TM_INT_MISSING;
    if (r->watermark.column == NULL || tm__str_trim(e->value).len == 0) {
        return TM_OK;
    }
    if (!tm__watermark_time(&r->watermark, e->value, &time_us)) {
        return no_memory(err);
    }
    p->n_untimed += time_us == TM_INT_MISSING ? 1 : 0;
    if (!tm__watermark_see(&r->watermark, index_of(r, p), time_us, tm__now_us())) {
        return TM_OK;
    }
    p->n_late++;
    return r->watermark.keeps_out ? keep_out(p, e->offset, err) : TM_OK;
}

static tm_status append(run *r, part *p, const tm_kafka_event *e, tm_err *err) {
    const tm_str value = without_line_end(e->value);
    const size_t before = p->text.len;
    const bool is_first = p->n_lines == 0;
    bool is_made = true;
    if (is_first) {
        p->first = e->offset;
        p->since_ns = tm__mono_ns();
    }
    for (int64_t at = p->next; at < e->offset && !is_first && is_made; at++) {
        is_made = tm__buf_byte(&p->text, '\n');
        p->n_lines++;
    }
    if (!is_made || !append_line(p, value)) {
        return no_memory(err);
    }
    if (r->names == NULL) {
        join_lines(p, value.len);
    }
    r->n_bytes += p->text.len - before;
    p->n_lines++;
    p->next = e->offset + 1;
    p->seen = p->next;
    p->last = message_hash(e);
    p->has_last = true;
    p->n_read++;
    p->n_empty += tm__str_trim(value).len == 0 ? 1 : 0;
    return TM_OK;
}

/* True when the block ends with this message: it is large, or the lines behind it would be counted
 * wrong. */
static bool is_full(const run *r, const part *p, tm_str value) {
    return p->text.len >= BLOCK_BYTES || p->n_lines >= BLOCK_ROWS ||
           (r->names != NULL && value.len > 0 && memchr(value.ptr, '\n', value.len) != NULL);
}

static tm_status take_message(run *r, const tm_kafka_event *e, tm_err *err) {
    part *const p = find_part(r, e->partition);
    if (p == NULL) {
        return no_memory(err);
    }
    if (!p->is_ours) {
        return TM_OK;
    }
    p->at_end = false;
    if (p->is_asked && e->offset == p->next - 1) {
        p->is_asked = false;
        if (message_hash(e) == p->last) {
            return TM_OK;
        }
        TM_TRY(made_anew(r, p, err));
        return tm__kafka_seek(r->kafka, p->number, p->next, err);
    }
    p->is_asked = false; /* the topic keeps only the last message of a key */
    if (e->offset < p->next) {
        return TM_OK;
    }
    if (e->offset - p->next > GAP_MAX) {
        TM_TRY(flush(r, p, err));
    }
    TM_TRY(append(r, p, e, err));
    TM_TRY(look_at_time(r, p, e, err));
    return is_full(r, p, e->value) ? flush(r, p, err) : TM_OK;
}

/* ---- Other homes ---- */

/* Nothing of a partition is kept that another home has now. */
static tm_status forget(run *r, part *p, tm_err *err) {
    r->n_bytes -= p->text.len;
    tm__buf_reset(&p->text);
    p->n_lines = p->n_read = p->n_empty = 0;
    p->is_ours = false;
    return tm__kafka_drop(r->kafka, p->number, err);
}

static tm_status give_up(run *r, part *p, tm_err *err) {
    TM_TRY(flush(r, p, err));
    if (p->seen > p->saved) {
        TM_TRY(save_place(r, p, err));
    }
    TM_TRY(forget(r, p, err));
    return tm__share_give(r->in->share, (uint32_t)p->number, err);
}

static tm_status divide(run *r, uint32_t number, tm_err *err) {
    part *const p = find_part(r, (int32_t)number);
    if (p == NULL) {
        return no_memory(err);
    }
    switch (tm__share_part_of(r->in->share, number)) {
    case TM_SHARE_OURS:
        return p->is_ours ? TM_OK : tm__kafka_take(r->kafka, p->number, err);
    case TM_SHARE_EXCESS:
        return p->is_ours ? give_up(r, p, err) : tm__share_give(r->in->share, number, err);
    case TM_SHARE_FREE:
    case TM_SHARE_OTHERS:
        break;
    }
    return p->is_ours ? forget(r, p, err) : TM_OK;
}

static tm_status look_at_others(run *r, tm_err *err) {
    uint32_t n = 0;
    const uint64_t now = tm__mono_ns();
    if (r->in->share == NULL || now < r->look_ns || !tm__kafka_is_member(r->kafka, &n)) {
        return TM_OK;
    }
    TM_TRY(tm__share_look(r->in->share, n, err));
    for (uint32_t i = 0; i < n; i++) {
        TM_TRY(divide(r, i, err));
    }
    r->has_looked = true;
    r->look_ns = now + SHARE_NS;
    return TM_OK;
}

static bool all_at_end(const run *r) {
    uint32_t n = 0;
    bool is_end = tm__kafka_is_member(r->kafka, &n) && (r->in->share == NULL || r->has_looked);
    for (uint32_t i = 0; i < r->n; i++) {
        is_end = is_end && (!r->parts[i].is_ours || r->parts[i].at_end);
    }
    return is_end;
}

static tm_status take_event(run *r, const tm_kafka_event *e, tm_err *err) {
    r->is_first = r->is_first && e->kind == TM_KAFKA_NOTHING;
    if (e->kind == TM_KAFKA_MESSAGE) {
        return take_message(r, e, err);
    }
    if (e->kind == TM_KAFKA_END) {
        part *const p = find_part(r, e->partition);
        if (p == NULL) {
            return no_memory(err);
        }
        p->at_end = true;
        r->watermark.parts[index_of(r, p)].at_end = true;
        tm__watermark_settle(&r->watermark, tm__now_us());
        p->seen = e->offset > p->seen ? e->offset : p->seen;
        p->high = e->offset > p->high ? e->offset : p->high;
    }
    return TM_OK;
}

/* A stream that has nothing to say is as good as one that is read. */
static tm_status say_caught_up(run *r, tm_err *err) {
    const uint64_t now = tm__mono_ns();
    if (r->said_ns != 0 && now - r->said_ns < SAY_NS) {
        return TM_OK;
    }
    r->said_ns = now;
    TM_TRY(flush_all(r, err));
    return r->sink->caught_up(r->sink->arg, err);
}

static tm_status read_all(run *r, tm_err *err) {
    for (;;) {
        tm_kafka_event e = {0};
        const tm_status st = tm__kafka_next(r->kafka, WAIT_MS, &e, err);
        if (st == TM_E_CANCELLED && r->in->follows) {
            return flush_all(r, err); /* to be stopped is how it ends */
        }
        TM_TRY(st);
        TM_TRY(take_event(r, &e, err));
        TM_TRY(flush_old(r, err));
        TM_TRY(look_at_others(r, err));
        const bool is_end = all_at_end(r);
        if (is_end && !r->in->follows) {
            return flush_all(r, err);
        }
        if (is_end) {
            TM_TRY(say_caught_up(r, err));
        }
    }
}

tm_status tm__feed_kafka_read(tm_ctx *ctx, const tm_feed_input *in, const tm_feed_sink *sink,
                              tm_err *err) {
    run r = {.ctx = ctx,
             .in = in,
             .sink = sink,
             .topic = tm__json_text(in->spec, "topic", ""),
             .n_read = (uint64_t)tm__json_i64(in->state, "read", 0),
             .is_first = json_is_null(in->state),
             .n_empty = (uint64_t)tm__json_i64(in->state, "empty", 0)};
    char group[GROUP_SIZE], member[GROUP_SIZE];
    r.n_late = (uint64_t)tm__json_i64(in->state, "late", 0);
    r.n_untimed = (uint64_t)tm__json_i64(in->state, "untimed", 0);
    tm__watermark_init(&r.watermark, in->spec,
                       tm__json_i64(in->state, "watermark_us", TM_INT_MISSING));
    r.saved_us = r.watermark.us;
    const bool is_shared = json_object_get(in->spec, "group") != NULL;
    const tm_kafka_options options = {.topic = r.topic,
                                      .group = tm__json_text(in->spec, "group", group),
                                      .member = is_shared ? member : NULL,
                                      .by_hand = in->share != NULL,
                                      .cancel = ctx->cancel,
                                      .patience_ms = in->follows ? PATIENCE_MS : 0,
                                      .given = take_given,
                                      .taken = take_back,
                                      .arg = &r};
    (void)snprintf(member, sizeof(member), "tidemill-%" PRIx64, (uint64_t)in->created_us);
    (void)snprintf(group, sizeof(group), "tidemill-%s-%" PRIx64, in->name,
                   (uint64_t)in->created_us);
    char *const file = tm__feed_path(in->spec, tm__json_text(in->spec, "kafka", ""));
    tm_status st = file == NULL ? no_memory(err) : read_fields(&r, err);
    if (st == TM_OK) {
        st = tm__kafka_open(file, &options, &r.kafka, err);
    }
    if (st == TM_OK) {
        st = read_all(&r, err);
    }
    for (uint32_t i = 0; i < r.n && st != TM_OK; i++) {
        r.parts[i].n_lines = 0; /* what is not durable comes again */
    }
    tm__kafka_close(r.kafka);
    for (uint32_t i = 0; i < r.n; i++) {
        tm__buf_done(&r.parts[i].text);
        tm__mem_free(r.parts[i].late);
        json_decref(r.parts[i].mark);
    }
    tm__watermark_done(&r.watermark);
    tm__mem_free(r.parts);
    tm__mem_free(r.names);
    tm__mem_free(file);
    return st;
}
