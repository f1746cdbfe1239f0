/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source in a module of its own: access logs of web servers in the combined format,
 *
 *   192.0.2.7 - ann [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326 "REFERRER" "AGENT"
 *
 * The file may grow: the position is how many bytes were taken, and a last line without its end is
 * left for the next time. A line that is no entry has all but `line` missing.
 */
#define _FILE_OFFSET_BITS 64
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tidemill/module.h>

#define BLOCK_BYTES (1u << 20) /* of lines at a time; a longer line is an error */
#define ROWS_MAX 20000u
#define DAY_US INT64_C(86400000000)

enum { HOST, USER, METHOD, PATH, REFERRER, AGENT, LINE, N_TEXTS };
enum { TIME, STATUS, BYTES, N_INTS };
#define N_COLS (N_TEXTS + N_INTS)

static const tm_module_option options[] = {
    {"path", 1, NULL, "The log file."},
};

typedef struct weblog {
    FILE *file;
    uint64_t at; /* bytes of the file before the block */
    char position[24];
    tm_module_batch_column columns[N_COLS];
    tm_module_text texts[N_TEXTS][ROWS_MAX];
    int64_t ints[N_INTS][ROWS_MAX];
    char path[512];
    char block[BLOCK_BYTES];
} weblog;

/* ---- one line ---- */

/* The text up to a character, which is stepped over; 0: it does not come. */
static int cut(const char **at, const char *end, char to, tm_module_text *out) {
    const char *found = memchr(*at, to, (size_t)(end - *at));
    if (found == NULL) {
        return 0;
    }
    *out = (tm_module_text){*at, (size_t)(found - *at)};
    *at = found + 1;
    return 1;
}

static int skip(const char **at, const char *end, const char *text) {
    const size_t n = strlen(text);
    if ((size_t)(end - *at) < n || memcmp(*at, text, n) != 0) {
        return 0;
    }
    *at += n;
    return 1;
}

/* Digits alone, at most nine. */
static int number(const char *text, size_t n, int64_t *out) {
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return 0;
        }
        *out = *out * 10 + (text[i] - '0');
    }
    return n > 0 && n <= 15;
}

/* Days since 1970 of the proleptic Gregorian calendar (Hinnant, "chrono-compatible date
 * algorithms"). */
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
    year -= month <= 2;
    const int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
    const int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* 10/Oct/2000:13:55:36 -0700 */
static int time_of(tm_module_text text, int64_t *out) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const char *p = text.ptr;
    int64_t day, year, hour, minute, second, zone, month = 0;
    if (text.len != 26 || p[2] != '/' || p[6] != '/' || p[11] != ':' || p[14] != ':' ||
        p[17] != ':' || p[20] != ' ' || (p[21] != '+' && p[21] != '-')) {
        return 0;
    }
    while (month < 12 && memcmp(months + 3 * month, p + 3, 3) != 0) {
        month++;
    }
    if (month == 12 || !number(p, 2, &day) || !number(p + 7, 4, &year) ||
        !number(p + 12, 2, &hour) || !number(p + 15, 2, &minute) || !number(p + 18, 2, &second) ||
        !number(p + 22, 4, &zone) || day < 1 || day > 31 || hour > 23 || minute > 59 ||
        second > 60 || zone % 100 > 59) {
        return 0;
    }
    const int64_t off = (zone / 100 * 60 + zone % 100) * (p[21] == '-' ? -1 : 1);
    *out = days_of(year, month + 1, day) * DAY_US +
           ((hour * 60 + minute - off) * 60 + second) * INT64_C(1000000);
    return 1;
}

static void put(weblog *self, uint32_t col, uint64_t row, tm_module_text text) {
    const int is_none = text.len == 0 || (text.len == 1 && text.ptr[0] == '-');
    self->texts[col][row] = is_none ? (tm_module_text){NULL, 0} : text;
}

static int parse(weblog *self, const char *at, const char *end, uint64_t row) {
    tm_module_text host, ident, user, time, method, path, protocol, status, bytes, referrer, agent;
    if (!cut(&at, end, ' ', &host) || !cut(&at, end, ' ', &ident) || !cut(&at, end, ' ', &user) ||
        !skip(&at, end, "[") || !cut(&at, end, ']', &time) || !skip(&at, end, " \"") ||
        !cut(&at, end, ' ', &method) || !cut(&at, end, ' ', &path) ||
        !cut(&at, end, '"', &protocol) || !skip(&at, end, " ") || !cut(&at, end, ' ', &status) ||
        !cut(&at, end, ' ', &bytes) || !skip(&at, end, "\"") || !cut(&at, end, '"', &referrer) ||
        !skip(&at, end, " \"") || !cut(&at, end, '"', &agent) || at != end) {
        return 0;
    }
    if (!time_of(time, &self->ints[TIME][row]) ||
        !number(status.ptr, status.len, &self->ints[STATUS][row])) {
        return 0;
    }
    if (!number(bytes.ptr, bytes.len, &self->ints[BYTES][row])) {
        self->ints[BYTES][row] = bytes.len == 1 && bytes.ptr[0] == '-' ? 0 : TM_MODULE_MISSING;
    }
    put(self, HOST, row, host);
    put(self, USER, row, user);
    put(self, METHOD, row, method);
    put(self, PATH, row, path);
    put(self, REFERRER, row, referrer);
    put(self, AGENT, row, agent);
    put(self, LINE, row, (tm_module_text){NULL, 0});
    return 1;
}

static void take_line(weblog *self, char *from, char *to, uint64_t row) {
    if (to > from && to[-1] == '\r') {
        to--;
    }
    for (char *c = from; c < to; c++) { /* logs are ASCII; what is not need not be UTF-8 */
        if ((unsigned char)*c >= 0x7f || (unsigned char)*c < ' ') {
            *c = '?';
        }
    }
    if (!parse(self, from, to, row)) {
        for (uint32_t c = 0; c < N_TEXTS; c++) {
            self->texts[c][row] = (tm_module_text){NULL, 0};
        }
        for (uint32_t c = 0; c < N_INTS; c++) {
            self->ints[c][row] = TM_MODULE_MISSING;
        }
        put(self, LINE, row, (tm_module_text){from, (size_t)(to - from)});
    }
}

/* ---- the file ---- */

static int32_t open_file(const tm_module_call *call, const tm_module_open *in, weblog *self) {
    const char *const path = in->values[0];
    const int n = path[0] == '/' || in->dir == NULL
                      ? snprintf(self->path, sizeof(self->path), "%s", path)
                      : snprintf(self->path, sizeof(self->path), "%s/%s", in->dir, path);
    if (n < 0 || (size_t)n >= sizeof(self->path) || path[0] == '\0') {
        return call->refuse(call->self, TM_MODULE_E_INVALID, "'path' is empty or too long");
    }
    if (in->position != NULL) {
        char *rest = NULL;
        self->at = strtoull(in->position, &rest, 10);
        if (in->position[0] < '0' || in->position[0] > '9' || *rest != '\0') {
            return call->refuse(call->self, TM_MODULE_E_INVALID, "the position is no number");
        }
    }
    self->file = fopen(self->path, "rb");
    if (self->file == NULL) {
        return call->refuse(call->self, TM_MODULE_E_DATA, "the file of 'path' cannot be opened");
    }
    if (fseeko(self->file, 0, SEEK_END) != 0 || ftello(self->file) < 0) {
        return call->refuse(call->self, TM_MODULE_E_DATA, "what 'path' names is no file");
    }
    if ((uint64_t)ftello(self->file) < self->at) {
        return call->refuse(call->self, TM_MODULE_E_DATA,
                            "the file is shorter than what was taken of it: was it rotated?");
    }
    return TM_MODULE_OK;
}

static void name_columns(weblog *self) {
    static const char *const names[N_TEXTS] = {"host",     "user",  "method", "path",
                                               "referrer", "agent", "line"};
    for (uint32_t c = 0; c < N_TEXTS; c++) {
        self->columns[c] = (tm_module_batch_column){
            .name = names[c], .type = TM_MODULE_COL_TEXT, .texts = self->texts[c]};
    }
    self->columns[N_TEXTS + TIME] = (tm_module_batch_column){
        .name = "time", .type = TM_MODULE_COL_TIME, .ints = self->ints[TIME]};
    self->columns[N_TEXTS + STATUS] = (tm_module_batch_column){
        .name = "status", .type = TM_MODULE_COL_INT, .ints = self->ints[STATUS]};
    self->columns[N_TEXTS + BYTES] = (tm_module_batch_column){
        .name = "bytes", .type = TM_MODULE_COL_INT, .ints = self->ints[BYTES]};
}

static void close_log(const tm_module_host *host, void *source) {
    weblog *self = source;
    if (self->file != NULL) {
        (void)fclose(self->file);
    }
    host->free(self);
}

static int32_t open_log(const tm_module_call *call, const tm_module_open *in, void **out_source) {
    weblog *self = call->host->alloc(sizeof(*self));
    if (self == NULL) {
        return TM_MODULE_E_NOMEM;
    }
    self->file = NULL;
    self->at = 0;
    name_columns(self);
    const int32_t status = open_file(call, in, self);
    if (status != TM_MODULE_OK) {
        close_log(call->host, self);
        return status;
    }
    *out_source = self;
    return TM_MODULE_OK;
}

static int32_t next(const tm_module_call *call, void *source, tm_module_batch *out) {
    weblog *self = source;
    uint64_t n_rows = 0;
    size_t taken = 0;
    if (call->is_cancelled(call->self)) {
        return TM_MODULE_E_CANCELLED;
    }
    if (fseeko(self->file, (off_t)self->at, SEEK_SET) != 0) {
        return call->refuse(call->self, TM_MODULE_E_DATA, "the file cannot be read");
    }
    const size_t n = fread(self->block, 1, sizeof(self->block), self->file);
    if (n < sizeof(self->block) && ferror(self->file)) {
        return call->refuse(call->self, TM_MODULE_E_UNAVAILABLE, "the file cannot be read");
    }
    while (n_rows < ROWS_MAX) {
        char *from = self->block + taken, *to = memchr(from, '\n', n - taken);
        if (to == NULL) {
            break;
        }
        take_line(self, from, to, n_rows++);
        taken = (size_t)(to + 1 - self->block);
    }
    if (n_rows == 0 && n == sizeof(self->block)) {
        return call->refuse(call->self, TM_MODULE_E_DATA, "a line is longer than 1 MiB");
    }
    self->at += taken;
    (void)snprintf(self->position, sizeof(self->position), "%llu", (unsigned long long)self->at);
    out->n_rows = n_rows;
    out->n_cols = N_COLS;
    out->columns = self->columns;
    out->position = self->position;
    out->origin = self->path;
    return TM_MODULE_OK;
}

static const tm_module_source source = {
    .size = sizeof(source),
    .n_options = sizeof(options) / sizeof(options[0]),
    .options = options,
    .open = open_log,
    .next = next,
    .close = close_log,
};

static const tm_module_table table = {
    .abi = TM_MODULE_ABI,
    .size = sizeof(table),
    .name = "weblog",
    .version = "1.0",
    .licence = "Apache-2.0",
    .about = "Access logs of web servers in the combined format.",
    .source = &source,
};

const tm_module_table *tidemill_module(void) {
    return &table;
}
