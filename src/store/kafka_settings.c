/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of librdkafka out of a file of their owner. */
#include <string.h>

#include "store/kafka_priv.h"
#include "store/secret.h"

#define NAME_SIZE 128u
#define VALUE_SIZE 8192u /* certificates stand in files, but may stand here */
#define WHY_SIZE 512u

/* Not for a file to say: what would load or run code, and what decides which messages are read. */
static const char *const refused[] = {"plugin.library.paths",
                                      "ssl.engine.location",
                                      "ssl.providers",
                                      "sasl.kerberos.kinit.cmd",
                                      "group.id",
                                      "group.instance.id",
                                      "partition.assignment.strategy",
                                      "enable.auto.commit",
                                      "auto.commit.enable",
                                      "enable.auto.offset.store",
                                      "auto.offset.reset",
                                      "enable.partition.eof",
                                      "offset.store.method",
                                      "allow.auto.create.topics",
                                      "debug"};

typedef struct reading {
    const tm_kafka_api *api;
    rd_kafka_conf_t *conf;
    const char *file;
    uint64_t line;
} reading;

static tm_status refuse(const reading *r, tm_err *err, const char *what, const char *hint) {
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "settings of Kafka: %s", what);
    tm_err_hint(err, "%s", hint);
    tm_err_at(err, r->file, r->line, 0);
    return st;
}

static tm_status set(const reading *r, const char *name, const char *value, tm_err *err) {
    char why[WHY_SIZE]; /* it may quote the value */
    const rd_kafka_conf_res_t done = r->api->conf_set(r->conf, name, value, why, sizeof(why));
    if (done == RD_KAFKA_CONF_OK) {
        return TM_OK;
    }
    return done == RD_KAFKA_CONF_UNKNOWN
               ? refuse(r, err, "librdkafka has no such setting",
                        "Names are those of librdkafka's configuration, as bootstrap.servers.")
               : refuse(r, err, "librdkafka does not take the value of this setting",
                        "Look it up in librdkafka's configuration.");
}

static tm_status take_line(const reading *r, tm_str line, tm_err *err) {
    char name[NAME_SIZE], value[VALUE_SIZE];
    line = tm__str_trim(line);
    if (line.len == 0 || line.ptr[0] == '#') {
        return TM_OK;
    }
    tm_str rest = line;
    const tm_str left = tm__str_trim(tm__str_cut(&rest, '='));
    if (memchr(line.ptr, '=', line.len) == NULL || !tm__str_copy(name, sizeof(name), left) ||
        !tm__str_copy(value, sizeof(value), tm__str_trim(rest))) {
        return refuse(r, err, "a line is not NAME = VALUE", "Write one setting a line.");
    }
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (strcmp(name, refused[i]) == 0) {
            return refuse(r, err, "this setting is not for a file to say",
                          "Take the line out: it would run code, or it is Tidemill's to set.");
        }
    }
    const tm_status st = set(r, name, value, err);
    explicit_bzero(value, sizeof(value));
    return st;
}

/* Without brokers there is nobody to ask. */
static bool has_brokers(const reading *r) {
    char text[VALUE_SIZE];
    size_t size = sizeof(text);
    return r->api->conf_get(r->conf, "bootstrap.servers", text, &size) == RD_KAFKA_CONF_OK &&
           size > 1;
}

static tm_status set_ours(const reading *r, const tm_kafka_options *options, tm_err *err) {
    const char *const ours[][2] = {
        {"group.id", options->group},
        {"client.id", "tidemill"},
        {"partition.assignment.strategy", "range,roundrobin"}, /* all is taken, then all given */
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "error"},
        {"enable.partition.eof", "true"},
        {"allow.auto.create.topics", "false"},
    };
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        TM_TRY(set(r, ours[i][0], ours[i][1], err));
    }
    return options->member == NULL ? TM_OK : set(r, "group.instance.id", options->member, err);
}

tm_status tm__kafka_settings(const tm_kafka_api *api, const char *file,
                             const tm_kafka_options *options, rd_kafka_conf_t *conf, tm_err *err) {
    reading r = {.api = api, .conf = conf, .file = file};
    tm_buf text = {0};
    /* What waits in memory, how soon a broker that came back is asked, and how long one waits for
     * more before it says that there is none; a file may say more. */
    TM_TRY(set(&r, "queued.max.messages.kbytes", "16384", err));
    TM_TRY(set(&r, "reconnect.backoff.max.ms", "2000", err));
    TM_TRY(set(&r, "fetch.wait.max.ms", "100", err));
    const tm_status found = tm__secret_read(file, &text, err);
    if (found == TM_E_NOT_FOUND) {
        tm_err_hint(err, "Write it with bootstrap.servers = HOST:PORT, and chmod 600 it.");
    }
    TM_TRY(found);
    tm_str rest = {(const char *)text.data, text.len};
    tm_status st = TM_OK;
    while (st == TM_OK && rest.len > 0) {
        r.line++;
        st = take_line(&r, tm__str_cut(&rest, '\n'), err);
    }
    tm__secret_done(&text);
    TM_TRY(st);
    r.line = 0;
    if (!has_brokers(&r)) {
        return refuse(&r, err, "no brokers are named",
                      "Write bootstrap.servers = HOST:PORT,HOST:PORT.");
    }
    return set_ours(&r, options, err);
}
