/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A feature's words, read from left to right with one word looked ahead.
 *
 *   text ──> words (names, quoted names, levels, numbers, signs) ──> tm_window_text ──> text
 */
#include "feature/window_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"

typedef enum word_kind { END, NAME, QUOTED, LEVEL, SIGN, BROKEN } word_kind;

typedef struct reader {
    const char *text, *at; /* of the word */
    word_kind kind;
    tm_str word; /* without its quotes, those within still twice */
    tm_window_text *out;
    tm_err *err;
} reader;

static const char *const example = "late_2h = mean(late) by origin over 2h";

/* ---- Words ---- */

static bool is_of_name(char c) {
    return tm__is_alnum(c) || c == '_' || c == '.' || c == '-' || (unsigned char)c >= 0x80;
}

static void next_quoted(reader *r, char quote) {
    const char *end = r->at + 1;
    while (*end != '\0' && (*end != quote || end[1] == quote)) {
        end += *end == quote ? 2 : 1;
    }
    r->kind = *end == '\0' ? BROKEN : quote == '"' ? QUOTED : LEVEL;
    r->word = (tm_str){r->at + 1, (size_t)(end - r->at - 1)};
}

static void read_word(reader *r, const char *from) {
    r->at = from + strspn(from, " \t\r\n");
    const char *end = r->at;
    while (is_of_name(*end)) {
        end++;
    }
    r->word = (tm_str){r->at, (size_t)(end - r->at)};
    if (*r->at == '\0') {
        r->kind = END;
    } else if (r->word.len > 0) {
        r->kind = NAME;
    } else if (*r->at == '"' || *r->at == '\'') {
        next_quoted(r, *r->at);
    } else {
        r->kind = SIGN;
        r->word.len = 1;
    }
}

static void advance(reader *r) {
    const size_t quotes = r->kind == QUOTED || r->kind == LEVEL ? 2 : 0;
    read_word(r, r->at + r->word.len + quotes);
}

static tm_status wrong(const reader *r, const char *wanted) {
    const int start = (int)strnlen(r->text, 40);
    const tm_status st =
        r->out->name != NULL
            ? TM_FAIL(r->err, TM_E_USAGE, "feature '%.64s': %s is wanted at character %zu",
                      r->out->name, wanted, (size_t)(r->at - r->text) + 1)
            : TM_FAIL(r->err, TM_E_USAGE, "feature '%.*s': %s is wanted at character %zu", start,
                      r->text, wanted, (size_t)(r->at - r->text) + 1);
    tm_err_hint(r->err, "Like: %s", example);
    return st;
}

static bool is_sign(const reader *r, char sign) {
    return r->kind == SIGN && *r->at == sign;
}

static bool is_word(const reader *r, const char *word) {
    return r->kind == NAME && tm__str_is_nocase(r->word, word);
}

static bool take_sign(reader *r, char sign) {
    const bool is_it = is_sign(r, sign);
    if (is_it) {
        advance(r);
    }
    return is_it;
}

static bool take_word(reader *r, const char *word) {
    const bool is_it = is_word(r, word);
    if (is_it) {
        advance(r);
    }
    return is_it;
}

/* The word, with quotes within it once; NULL when out of memory. */
static char *copy_word(const reader *r) {
    char *const copy = tm__mem_alloc(r->word.len + 1, 1);
    const bool is_quoted = r->kind != NAME;
    size_t n = 0;
    for (size_t i = 0; copy != NULL && i < r->word.len; i++) {
        copy[n++] = r->word.ptr[i];
        i += is_quoted && r->word.ptr[i] == *r->at ? 1 : 0;
    }
    if (copy != NULL) {
        copy[n] = '\0';
    }
    return copy;
}

static tm_status take_name(reader *r, const char *what, char **out) {
    if ((r->kind != NAME && r->kind != QUOTED) || r->word.len == 0 ||
        r->word.len > TM_MAX_COLUMN_NAME || !tm__str_is_utf8(r->word)) {
        return wrong(r, what);
    }
    *out = copy_word(r);
    advance(r);
    return *out == NULL ? TM_FAIL(r->err, TM_E_NOMEM, "no memory for a feature") : TM_OK;
}

static tm_status take_number(reader *r, uint32_t most, uint32_t *out) {
    uint64_t number = 0;
    char wanted[48];
    if (r->kind != NAME || !tm__str_to_u64(r->word, &number) || number == 0 || number > most) {
        (void)snprintf(wanted, sizeof(wanted), "a number from 1 to %" PRIu32, most);
        return wrong(r, wanted);
    }
    *out = (uint32_t)number;
    advance(r);
    return TM_OK;
}

static tm_status take_time(reader *r, int64_t *out) {
    if (r->kind != NAME || !tm__str_to_duration_us(r->word, out) || *out <= 0) {
        return wrong(r, "a time such as 90s, 30m, 2h or 7d");
    }
    advance(r);
    return TM_OK;
}

/* ---- Parts ---- */

static bool needs_column(tm_window_fn fn) {
    return fn != TM_WINDOW_COUNT && fn != TM_WINDOW_AGE && fn != TM_WINDOW_RATE;
}

static tm_status read_level(reader *r) {
    if (!take_sign(r, '=') || (r->kind != LEVEL && r->kind != NAME)) {
        return wrong(r, "= and a level, as in share(land = 'NL'),");
    }
    r->out->level = copy_word(r);
    advance(r);
    return r->out->level == NULL ? TM_FAIL(r->err, TM_E_NOMEM, "no memory for a feature") : TM_OK;
}

static tm_status read_function(reader *r) {
    char name[16];
    tm_window_text *const out = r->out;
    out->fn = r->kind == NAME && tm__str_copy(name, sizeof(name), r->word)
                  ? tm__window_fn_from_text(name)
                  : (tm_window_fn)0;
    if (out->fn == 0) {
        return wrong(r, "count, sum, mean, std, trend, min, max, last, lag, distinct, age, rate or "
                        "share");
    }
    advance(r);
    if (!take_sign(r, '(')) {
        return wrong(r, "(");
    }
    if (needs_column(out->fn) || !is_sign(r, ')')) {
        TM_TRY(take_name(r, "a column", &out->column));
    }
    if (out->fn == TM_WINDOW_SHARE) {
        TM_TRY(read_level(r));
    }
    out->lag = out->fn == TM_WINDOW_LAG ? 1 : 0;
    if (out->fn == TM_WINDOW_LAG && take_sign(r, ',')) {
        TM_TRY(take_number(r, TM_WINDOW_LAG_MAX, &out->lag));
    }
    return take_sign(r, ')') ? TM_OK : wrong(r, ")");
}

static tm_status read_source(reader *r) {
    if (!take_word(r, "of")) {
        return TM_OK;
    }
    TM_TRY(take_name(r, "a source of events", &r->out->events));
    return take_word(r, "at") ? take_name(r, "a column with its moments", &r->out->at)
                              : wrong(r, "at and the column of its moments");
}

static tm_status read_keys(reader *r) {
    tm_window_text *const out = r->out;
    if (!take_word(r, "by")) {
        return wrong(r, "by and a column");
    }
    do {
        const uint32_t k = out->n_keys;
        if (k == TM_WINDOW_KEYS_MAX) {
            return wrong(r, "no ninth key");
        }
        out->n_keys++;
        TM_TRY(take_name(r, "a column", &out->keys[k]));
        if (take_sign(r, '=')) {
            TM_TRY(take_name(r, "a column of the event", &out->event_keys[k]));
        } else if ((out->event_keys[k] = tm__mem_strdup(out->keys[k])) == NULL) {
            return TM_FAIL(r->err, TM_E_NOMEM, "no memory for a feature");
        }
    } while (take_sign(r, ','));
    return TM_OK;
}

static tm_status read_all(reader *r) {
    tm_window_text *const out = r->out;
    TM_TRY(take_name(r, "a name", &out->name));
    if (!take_sign(r, '=')) {
        return wrong(r, "=");
    }
    TM_TRY(read_function(r));
    TM_TRY(read_source(r));
    TM_TRY(read_keys(r));
    if (take_word(r, "over")) {
        TM_TRY(take_word(r, "last") ? take_number(r, TM_WINDOW_LAST_MAX, &out->n_last)
                                    : take_time(r, &out->width_us));
    }
    if (take_word(r, "delay")) {
        TM_TRY(take_time(r, &out->delay_us));
    }
    if (r->kind != END) {
        return wrong(r, out->delay_us > 0 ? "the end" : "over, delay or the end");
    }
    return TM_OK;
}

/* Some functions mean nothing without a bound. */
static tm_status check(const reader *r) {
    const tm_window_text *const out = r->out;
    const bool is_open = out->width_us == 0 && out->n_last == 0;
    if (out->fn == TM_WINDOW_RATE && out->width_us == 0) {
        return wrong(r, "over and a time (a rate is by day of it)");
    }
    return out->fn == TM_WINDOW_DISTINCT && is_open ? wrong(r, "over and a time or a number")
                                                    : TM_OK;
}

tm_status tm__window_text_read(const char *text, tm_window_text *out, tm_err *err) {
    reader r = {.text = text, .out = out, .err = err};
    memset(out, 0, sizeof(*out));
    read_word(&r, text);
    TM_TRY(read_all(&r));
    return check(&r);
}

void tm__window_text_done(tm_window_text *feature) {
    tm__mem_free(feature->name);
    tm__mem_free(feature->column);
    tm__mem_free(feature->level);
    tm__mem_free(feature->events);
    tm__mem_free(feature->at);
    for (uint32_t i = 0; i < feature->n_keys; i++) {
        tm__mem_free(feature->keys[i]);
        tm__mem_free(feature->event_keys[i]);
    }
    memset(feature, 0, sizeof(*feature));
}

/* ---- Written ---- */

static bool put(tm_buf *out, const char *text) {
    return tm__buf_append(out, text, strlen(text));
}

static bool put_quoted(tm_buf *out, const char *text, char quote) {
    bool is_made = tm__buf_byte(out, (uint8_t)quote);
    for (const char *c = text; *c != '\0' && is_made; c++) {
        is_made =
            tm__buf_byte(out, (uint8_t)*c) && (*c != quote || tm__buf_byte(out, (uint8_t)quote));
    }
    return is_made && tm__buf_byte(out, (uint8_t)quote);
}

/* A word of the language is a name where one must stand. */
static bool put_name(tm_buf *out, const char *name) {
    bool is_plain = true;
    for (const char *c = name; *c != '\0'; c++) {
        is_plain = is_plain && is_of_name(*c);
    }
    return is_plain ? put(out, name) : put_quoted(out, name, '"');
}

static bool put_time(tm_buf *out, const char *word, int64_t us) {
    static const struct {
        int64_t us;
        const char *name;
    } units[] = {{INT64_C(86400000000), "d"},
                 {INT64_C(3600000000), "h"},
                 {60000000, "m"},
                 {1000000, "s"},
                 {1000, "ms"},
                 {1, "us"}};
    char text[64];
    size_t i = 0;
    while (i < 5 && us % units[i].us != 0) {
        i++;
    }
    (void)snprintf(text, sizeof(text), " %s %" PRId64 "%s", word, us / units[i].us, units[i].name);
    return us == 0 || put(out, text);
}

bool tm__window_text_write(const tm_window_text *feature, tm_buf *out) {
    char text[48] = "";
    bool is_made = put_name(out, feature->name) && put(out, " = ") &&
                   put(out, tm__window_fn_text(feature->fn)) && put(out, "(") &&
                   (feature->column == NULL || put_name(out, feature->column));
    if (feature->level != NULL) {
        is_made = is_made && put(out, " = ") && put_quoted(out, feature->level, '\'');
    }
    if (feature->fn == TM_WINDOW_LAG) {
        (void)snprintf(text, sizeof(text), ", %" PRIu32, feature->lag);
    }
    is_made = is_made && put(out, text) && put(out, ")");
    if (feature->events != NULL) {
        is_made = is_made && put(out, " of ") && put_name(out, feature->events) &&
                  put(out, " at ") && put_name(out, feature->at);
    }
    for (uint32_t i = 0; i < feature->n_keys && is_made; i++) {
        const bool is_same = strcmp(feature->keys[i], feature->event_keys[i]) == 0;
        is_made = put(out, i == 0 ? " by " : ", ") && put_name(out, feature->keys[i]) &&
                  (is_same || (put(out, " = ") && put_name(out, feature->event_keys[i])));
    }
    if (feature->n_last > 0) {
        (void)snprintf(text, sizeof(text), " over last %" PRIu32, feature->n_last);
        is_made = is_made && put(out, text);
    }
    return is_made && put_time(out, "over", feature->width_us) &&
           put_time(out, "delay", feature->delay_us);
}
