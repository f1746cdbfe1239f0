/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The screen of `status`, as wide and as high as the terminal:
 *
 *     a line of the server, a line of what it does
 *     titles
 *     ! model   why    live  cover  data label  next    /s   p99   mem   cpu owner
 *     ...                                       what needs attention first
 *     also: names of those that are well and have no line of their own
 *     what is wrong, a line each
 *
 * Columns that stand on every screen come to 80 at the most: model and owner give way. What else is
 * worth knowing stands behind them where there is room.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "cli/status_read.h"
#include "cli/train_words.h"

#define CELL_BYTES 48u
#define NOT_WELL_SHARE 4u /* of the lines, for what is wrong */

enum column {
    MODEL,
    WHY,
    LIVE,
    COVER,
    DATA,
    LABEL,
    NEXT,
    RATE,
    P99,
    MEMORY,
    CPU,
    OWNER, /* always */
    METRIC,
    TEST,
    ANSWERS,
    VERSION,
    TRAINED,
    WHAT, /* where there is room */
    N_COLUMNS
};
#define N_ALWAYS ((uint32_t)METRIC)

static const struct {
    const char *title;
    uint32_t least; /* what it can shrink to; 0: it does not */
    bool is_left;
} columns[N_COLUMNS] = {
    [MODEL] = {"model", 8, true},      [WHY] = {"why", 0, true},
    [LIVE] = {"live", 0, false},       [COVER] = {"cover", 0, false},
    [DATA] = {"data", 0, false},       [LABEL] = {"label", 0, false},
    [NEXT] = {"next", 0, false},       [RATE] = {"/s", 0, false},
    [P99] = {"p99", 0, false},         [MEMORY] = {"mem", 0, false},
    [CPU] = {"cpu", 0, false},         [OWNER] = {"owner", 5, true},
    [METRIC] = {"metric", 0, true},    [TEST] = {"test", 0, false},
    [ANSWERS] = {"answers", 0, false}, [VERSION] = {"version", 0, false},
    [TRAINED] = {"trained", 0, false}, [WHAT] = {"what", 20, true},
};

typedef struct row {
    const json_t *model;
    char cells[N_COLUMNS][CELL_BYTES];
} row;

typedef struct drawing {
    const json_t *status, *models;
    const tm_status_screen *screen;
    row *rows; /* [n] */
    uint32_t n;
    uint32_t widths[N_COLUMNS]; /* 0: not shown */
    tm_buf *out;
} drawing;

/* ---- cells ---- */

static double number(const json_t *m, const char *name) {
    return tm__json_f64(m, name, tm__nan());
}

/* "45s", "12m", "5h", "3d", "6w". */
static void age_text(double s, char *out) {
    static const struct {
        double least, unit;
        char name;
    } units[] = {{21 * 86400.0, 7 * 86400.0, 'w'},
                 {48 * 3600.0, 86400, 'd'},
                 {5400, 3600, 'h'},
                 {90, 60, 'm'},
                 {0, 1, 's'}};
    size_t i = 0;
    if (!isfinite(s)) {
        (void)snprintf(out, CELL_BYTES, "-");
        return;
    }
    while (s < units[i].least && i + 1 < sizeof(units) / sizeof(units[0])) {
        i++;
    }
    (void)snprintf(out, CELL_BYTES, "%.0f%c", s / units[i].unit, units[i].name);
}

/* At most four characters: "0.12", "7.3", "820", "12k", "3.4M". */
static void count_text(double n, char *out) {
    static const char units[] = " kMGT";
    size_t i = 0;
    if (!isfinite(n)) {
        (void)snprintf(out, CELL_BYTES, "-");
        return;
    }
    for (; n >= 999.5 && units[i + 1] != '\0'; i++) {
        n /= 1000;
    }
    const int digits = n == 0 || n >= 9.95 ? 0 : n >= 0.995 ? 1 : 2;
    (void)snprintf(out, CELL_BYTES, "%.*f%.*s", digits, n, i > 0 ? 1 : 0, &units[i]);
}

/* "85us", "1.2ms", "12ms", "1.2s". */
static void time_text(double s, char *out) {
    const char *const unit = s < 0.9995e-3 ? "us" : s < 0.9995 ? "ms" : "s";
    const double n = s < 0.9995e-3 ? s * 1e6 : s < 0.9995 ? s * 1e3 : s;
    if (isfinite(s)) {
        (void)snprintf(out, CELL_BYTES, "%.*f%s", n < 9.95 && n > 0 ? 1 : 0, n, unit);
    } else {
        (void)snprintf(out, CELL_BYTES, "-");
    }
}

static void score_text(double value, const char *mark, char *out) {
    if (isfinite(value)) {
        const double size = fabs(value);
        (void)snprintf(out, CELL_BYTES,
                       size >= 10000 ? "%s%.3g"
                       : size >= 1   ? "%s%.5g"
                                     : "%s%.4f",
                       mark, value);
    } else {
        (void)snprintf(out, CELL_BYTES, "-");
    }
}

/* What labels say; without labels what the answers let expect, with a mark. */
static void live_text(const json_t *m, char *out) {
    const double value = number(m, "value");
    const double expected = number(json_object_get(m, "estimate"), "value");
    const bool is_known = isfinite(value) || !isfinite(expected);
    score_text(is_known ? value : expected, is_known ? "" : "~", out);
}

static void next_text(const json_t *m, char *out) {
    const double left = number(m, "next_retrain_seconds");
    if (strcmp(tm__json_text(m, "last_retrain", ""), "running") == 0) {
        (void)snprintf(out, CELL_BYTES, "now");
    } else if (json_is_string(json_object_get(m, "retrain_waits"))) {
        (void)snprintf(out, CELL_BYTES, "waits");
    } else if (tm__json_bool(m, "retrain_day_spent", false)) {
        (void)snprintf(out, CELL_BYTES, "spent");
    } else if (left < 0) {
        (void)snprintf(out, CELL_BYTES, "due");
    } else {
        age_text(left, out);
    }
}

static void fill_row(const json_t *m, row *r) {
    const double cover = number(m, "coverage");
    const char *const metric = tm__json_text(m, "metric", "");
    r->model = m;
    live_text(m, r->cells[LIVE]);
    (void)snprintf(r->cells[COVER], CELL_BYTES, isfinite(cover) ? "%.0f%%" : "-", 100 * cover);
    age_text(number(m, "data_age_seconds"), r->cells[DATA]);
    age_text(number(m, "label_age_seconds"), r->cells[LABEL]);
    next_text(m, r->cells[NEXT]);
    count_text(number(m, "answers_per_second"), r->cells[RATE]);
    time_text(number(m, "p99_seconds"), r->cells[P99]);
    count_text(number(m, "bytes"), r->cells[MEMORY]);
    time_text(number(m, "cpu_seconds_per_1000"), r->cells[CPU]);
    score_text(number(json_object_get(m, "test"), metric), "", r->cells[TEST]);
    (void)tm__count_text(tm__json_i64(m, "answers", 0), r->cells[ANSWERS]);
    (void)snprintf(r->cells[VERSION], CELL_BYTES, "%lld",
                   (long long)tm__json_i64(m, "champion", 0));
    age_text(number(m, "trained_age_seconds"), r->cells[TRAINED]);
}

static const char *reason_of(const json_t *m) {
    return tm__json_text(json_array_get(json_object_get(m, "reasons"), 0), "text", "");
}

/* Texts of any length stand in the entry, the rest in cells. */
static const char *text_of(const row *r, uint32_t col) {
    static const char *const names[N_COLUMNS] = {
        [MODEL] = "model", [WHY] = "why", [OWNER] = "owner", [METRIC] = "metric"};
    return col == WHAT          ? reason_of(r->model)
           : names[col] != NULL ? tm__json_text(r->model, names[col], "-")
                                : r->cells[col];
}

/* ---- widths ---- */

static uint32_t widest(const drawing *d, uint32_t col) {
    uint32_t width = tm__cli_width(columns[col].title);
    for (uint32_t i = 0; i < d->n; i++) {
        const uint32_t w = tm__cli_width(text_of(&d->rows[i], col));
        width = w > width ? w : width;
    }
    return width;
}

static uint32_t sum_widths(const drawing *d) {
    uint32_t sum = 1; /* the mark */
    for (uint32_t col = 0; col < N_COLUMNS; col++) {
        sum += d->widths[col] > 0 ? 1 + d->widths[col] : 0;
    }
    return sum;
}

static void shrink(drawing *d, uint32_t col) {
    while (sum_widths(d) > d->screen->width && d->widths[col] > columns[col].least) {
        d->widths[col]--;
    }
}

static void measure(drawing *d) {
    static const enum column others[] = {METRIC, TEST, ANSWERS, WHAT, VERSION, TRAINED};
    for (uint32_t col = 0; col < N_ALWAYS; col++) {
        d->widths[col] = widest(d, col);
    }
    shrink(d, OWNER);
    shrink(d, MODEL);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        const uint32_t col = others[i];
        d->widths[col] = widest(d, col);
        if (columns[col].least > 0) {
            shrink(d, col);
        }
        if (sum_widths(d) > d->screen->width) {
            d->widths[col] = 0;
        }
    }
}

/* ---- lines ---- */

/* The bytes of a text that fit in so many columns. */
static size_t fitting(const char *text, uint32_t width, uint32_t *out_width) {
    size_t len = 0;
    *out_width = 0;
    while (text[len] != '\0') {
        char one[8] = {0};
        const size_t n = tm__str_utf8_char(tm__str(text + len));
        const size_t step = n > 0 && n < sizeof(one) ? n : 1;
        memcpy(one, text + len, step);
        const uint32_t w = tm__cli_width(one);
        if (*out_width + w > width) {
            break;
        }
        *out_width += w;
        len += step;
    }
    return len;
}

/* A line stays a line, whatever a name or a summary holds. */
static void put_text(tm_buf *out, const char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        tm__buf_byte(out, (unsigned char)text[i] < 0x20 ? ' ' : (uint8_t)text[i]);
    }
}

static void put_cell(const drawing *d, uint32_t col, const char *text, bool is_last) {
    const uint32_t width = d->widths[col];
    uint32_t shown = 0;
    size_t len = fitting(text, width, &shown);
    const bool is_cut = text[len] != '\0';
    if (is_cut) {
        len = fitting(text, width - 1, &shown);
        shown++;
    }
    tm__buf_byte(d->out, ' ');
    for (uint32_t i = shown; i < width && !columns[col].is_left; i++) {
        tm__buf_byte(d->out, ' ');
    }
    put_text(d->out, text, len);
    tm__buf_text(d->out, is_cut ? "~" : "");
    for (uint32_t i = shown; i < width && columns[col].is_left && !is_last; i++) {
        tm__buf_byte(d->out, ' ');
    }
}

static char mark_of(const json_t *m) {
    const char *const health = tm__json_text(m, "health", "");
    return strcmp(health, "bad") == 0 ? '!' : strcmp(health, "warn") == 0 ? '?' : ' ';
}

/* r NULL: the titles. */
static void put_row(const drawing *d, const row *r) {
    uint32_t last = 0;
    for (uint32_t col = 0; col < N_COLUMNS; col++) {
        last = d->widths[col] > 0 ? col : last;
    }
    tm__buf_byte(d->out, r == NULL ? ' ' : (uint8_t)mark_of(r->model));
    for (uint32_t col = 0; col < N_COLUMNS; col++) {
        if (d->widths[col] > 0) {
            put_cell(d, col, r == NULL ? columns[col].title : text_of(r, col), col == last);
        }
    }
    while (!d->out->failed && d->out->data[d->out->len - 1] == ' ') {
        d->out->len--; /* nothing stands behind an empty last cell */
    }
    tm__buf_byte(d->out, '\n');
}

/* ---- head ---- */

/* Of one `tidemill run` among several; "" of any other. */
static const char *role_text(const json_t *leader, char out[160]) {
    const char *const name = tm__json_text(leader, "leader", NULL);
    const char *const role = tm__json_text(leader, "role", "");
    out[0] = '\0';
    if (strcmp(role, "unknown") == 0) {
        return "; who leads is not known (PostgreSQL is away)";
    }
    if (role[0] != '\0') {
        (void)snprintf(out, 160, " and %s (epoch %lld%s%s)",
                       strcmp(role, "leader") == 0 ? "leads" : "stands by",
                       (long long)tm__json_i64(leader, "epoch", 0), name == NULL ? "" : ": ",
                       name == NULL ? "" : name);
    }
    return out;
}

static void put_server(const drawing *d) {
    const json_t *const server = json_object_get(d->status, "server");
    const char *const state = tm__json_text(server, "state", "");
    char span[32], role[160];
    (void)tm__span_text(tm__json_f64(server, "age_seconds", 0), span);
    if (strcmp(state, "running") == 0) {
        tm__buf_printf(d->out, "server runs on %s%s\n", tm__json_text(server, "address", "?"),
                       role_text(json_object_get(server, "leader"), role));
    } else if (strcmp(state, "silent") == 0) {
        tm__buf_printf(d->out, "no word from the server for %s: it hangs, or it was killed\n",
                       span);
    } else if (strcmp(state, "stopped") == 0) {
        tm__buf_printf(d->out, "no server runs: the last one stopped %s ago\n", span);
    } else {
        tm__buf_text(d->out, "no server has run on this home yet\n");
    }
}

static void put_log(const drawing *d) {
    const json_t *const log = json_object_get(json_object_get(d->status, "server"), "log");
    char a[32], b[32];
    if (tm__json_bool(log, "broken", false)) {
        tm__buf_text(d->out, "! nothing is logged any more: see the server's log, then restart\n");
    } else if (tm__json_i64(log, "dropped", 0) > 0) {
        tm__buf_printf(d->out, "%s of %s answers were not logged\n",
                       tm__count_text(tm__json_i64(log, "dropped", 0), a),
                       tm__count_text(tm__json_i64(log, "accepted", 0), b));
    }
}

/* What is learned meanwhile. */
static void put_trainings(const drawing *d) {
    size_t i = 0;
    const json_t *one = NULL;
    char score[48], span[32];
    json_array_foreach(json_object_get(d->status, "trainings"), i, one) {
        const json_t *const best = json_array_get(json_object_get(one, "trials"), 0);
        (void)snprintf(score, sizeof score, "%.4g", tm__json_f64(best, "score", 0));
        tm__buf_printf(
            d->out, "'%s' learns for %s: %s, %lld trial%s%s%s%s%s\n",
            tm__json_text(one, "model", ""), tm__span_text(tm__json_f64(one, "seconds", 0), span),
            tm__json_text(one, "stage", ""), (long long)tm__json_i64(one, "n_trials", 0),
            tm__json_i64(one, "n_trials", 0) == 1 ? "" : "s", best != NULL ? ", best " : "",
            best != NULL ? tm__json_text(one, "metric", "") : "", best != NULL ? " " : "",
            best != NULL ? score : "");
    }
}

static void put_head(const drawing *d) {
    const json_t *const server = json_object_get(d->status, "server");
    const json_t *const sum = json_object_get(d->status, "summary");
    size_t i = 0;
    const json_t *item = NULL;
    char a[CELL_BYTES], b[CELL_BYTES];
    put_server(d);
    tm__buf_printf(d->out, "%u model%s: %lld bad, %lld warn, %lld ok, %lld idle", d->n,
                   d->n == 1 ? "" : "s", (long long)tm__json_i64(sum, "bad", 0),
                   (long long)tm__json_i64(sum, "warn", 0), (long long)tm__json_i64(sum, "ok", 0),
                   (long long)tm__json_i64(sum, "idle", 0));
    if (strcmp(tm__json_text(server, "state", ""), "running") == 0) {
        count_text(number(sum, "answers_per_second"), a);
        count_text(number(server, "resident_bytes"), b);
        tm__buf_printf(d->out, "; %s answers/s, %sB of memory", a, b);
    }
    tm__buf_byte(d->out, '\n');
    put_log(d);
    put_trainings(d);
    json_array_foreach(json_object_get(d->status, "problems"), i, item) {
        tm__buf_printf(d->out, "cannot be read: %s\n", json_string_value(item));
    }
}

/* ---- those without a line ---- */

/* Names from the row `from` on, in lines; returns how many lines. out NULL: only counted. */
static uint32_t put_names(const drawing *d, uint32_t from, tm_buf *out) {
    static const char first[] = "also:";
    uint32_t at = (uint32_t)sizeof(first) - 1, lines = from < d->n ? 1 : 0;
    if (out != NULL && lines > 0) {
        tm__buf_text(out, first);
    }
    for (uint32_t i = from; i < d->n; i++) {
        const char *const name = tm__json_text(d->rows[i].model, "model", "");
        const char mark = mark_of(d->rows[i].model);
        const uint32_t width = tm__cli_width(name) + 2;
        if (at + width > d->screen->width && at > 0) {
            lines++;
            at = 0;
        }
        if (out != NULL) {
            tm__buf_printf(out, "%s%s%.*s%s",
                           at > 0     ? " "
                           : i > from ? "\n"
                                      : "",
                           name, mark != ' ' ? 1 : 0, &mark, i + 1 < d->n ? "," : "\n");
        }
        at += width;
    }
    return lines;
}

static void put_reasons(const drawing *d, uint32_t n_max) {
    for (uint32_t i = 0; i < d->n && i < n_max; i++) {
        const json_t *const m = d->rows[i].model;
        char line[1024];
        uint32_t shown = 0;
        if (mark_of(m) != ' ') {
            (void)snprintf(line, sizeof(line), "%c %s: %s", mark_of(m),
                           tm__json_text(m, "model", ""), reason_of(m));
            put_text(d->out, line, fitting(line, d->screen->width, &shown));
            tm__buf_byte(d->out, '\n');
        }
    }
}

static uint32_t count_reasons(const drawing *d) {
    uint32_t n = 0;
    while (n < d->n && mark_of(d->rows[n].model) != ' ') {
        n++;
    }
    return d->widths[WHAT] > 0 ? 0 : n; /* they stand in a column of their own */
}

static void put_body(const drawing *d) {
    uint32_t n_rows = d->n, n_reasons = count_reasons(d), n_head = 0;
    const uint32_t height = d->screen->height;
    for (size_t i = 0; i < d->out->len; i++) {
        n_head += d->out->data[i] == '\n' ? 1 : 0;
    }
    if (height > n_head + 3 && n_head + 2 + d->n + n_reasons > height) {
        const uint32_t room = height - n_head - 2; /* the titles, and the prompt behind it */
        const uint32_t most = room / NOT_WELL_SHARE;
        n_reasons = n_reasons < most ? n_reasons : most;
        const uint32_t left = room - n_reasons;
        n_rows = d->n < left ? d->n : left;
        while (n_rows > 0 && n_rows + put_names(d, n_rows, NULL) > left) {
            n_rows--;
        }
    }
    put_row(d, NULL);
    for (uint32_t i = 0; i < n_rows; i++) {
        put_row(d, &d->rows[i]);
    }
    (void)put_names(d, n_rows, d->out);
    put_reasons(d, n_reasons);
}

void tm__status_words(const json_t *status, const tm_status_screen *screen, tm_buf *out) {
    drawing d = {.status = status,
                 .models = json_object_get(status, "models"),
                 .screen = screen,
                 .out = out};
    size_t i = 0;
    const json_t *item = NULL;
    d.n = (uint32_t)json_array_size(d.models);
    d.rows = tm__mem_zalloc(d.n, sizeof(*d.rows));
    if (d.rows == NULL && d.n > 0) {
        out->failed = true;
        return;
    }
    json_array_foreach((json_t *)(uintptr_t)d.models, i, item) {
        fill_row(item, &d.rows[i]);
    }
    put_head(&d);
    if (d.n > 0) {
        measure(&d);
        put_body(&d);
    }
    tm__mem_free(d.rows);
}
