/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people and programs see: results on stdout, notes and errors on stderr. Text that came from
 * data or files passes `clean`, so that it cannot send codes to the terminal.
 */
#include "cli/cli.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/net.h"
#include "base/str.h"

#define TEXT_MAX (64u << 20) /* one printed text */
#define COLS_MAX 64u         /* of a printed table */

/* Control characters (C0 but newline and tab, DEL, C1 in UTF-8) become '?'. */
static void clean(uint8_t *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        const bool is_c1 = text[i] == 0xC2 && i + 1 < len && text[i + 1] < 0xA0;
        if ((text[i] < 0x20 && text[i] != '\n' && text[i] != '\t') || text[i] == 0x7F || is_c1) {
            text[i] = '?';
            if (is_c1) {
                text[i + 1] = '?';
            }
        }
    }
}

/* Format, clean and write to a stream; false when a text past TEXT_MAX was cut, or a long one for
 * want of memory. */
static bool put(FILE *stream, const char *prefix, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));
static bool put(FILE *stream, const char *prefix, const char *fmt, va_list args) {
    char small[1024];
    va_list again;
    va_copy(again, args);
    const int len = vsnprintf(small, sizeof(small), fmt, args);
    bool is_whole = len >= 0;
    tm_buf large;
    tm__buf_init(&large, TEXT_MAX);
    uint8_t *text = (uint8_t *)small;
    size_t n = len > 0 ? (size_t)len : 0;
    if (n >= sizeof(small)) {
        uint8_t *room = tm__buf_reserve(&large, n + 1);
        if (room != NULL) {
            vsnprintf((char *)room, n + 1, fmt, again);
            text = room;
        } else {
            n = sizeof(small) - 1;
            is_whole = false;
        }
    }
    va_end(again);
    clean(text, n);
    fputs(prefix, stream);
    fwrite(text, 1, n, stream);
    tm__buf_done(&large);
    return is_whole;
}

/* The message alone, which takes no memory. */
static void put_error(const tm_err *err) {
    char text[sizeof(err->message) + 16];
    const int len = snprintf(text, sizeof(text), "error: %s\n",
                             err->message[0] != '\0' ? err->message : tm_status_text(err->status));
    const size_t n = len > 0 && (size_t)len < sizeof(text) ? (size_t)len : 0;
    clean((uint8_t *)text, n);
    fwrite(text, 1, n, stderr);
}

void tm__cli_bar_reset(tm_cli *cli) {
    if (cli->bar.is_shown) {
        fputs("\r\033[K", stderr);
        for (uint32_t i = 0; i < cli->bar.n_above; i++) {
            fputs("\033[A\033[K", stderr);
        }
        cli->bar.is_shown = false;
        cli->bar.n_above = 0;
    }
}

void tm__cli_print_json(tm_cli *cli, const json_t *value) {
    tm_buf text;
    tm__buf_init(&text, TEXT_MAX);
    tm__cli_bar_reset(cli);
    cli->has_result = true;
    if (tm__json_write(&text, value, TM_JSON_PRETTY)) {
        fwrite(text.data, 1, text.len, stdout);
        fputc('\n', stdout);
    } else {
        cli->is_cut = true;
    }
    tm__buf_done(&text);
}

void tm__cli_print_object(tm_cli *cli, const char *schema, json_t *object) {
    json_t *result = json_pack("{s:s}", "schema", schema);
    if (result != NULL && json_object_update(result, object) != 0) {
        json_decref(result);
        result = NULL;
    }
    tm__cli_print_json(cli, result);
    json_decref(result);
}

void tm__cli_print(tm_cli *cli, const char *fmt, ...) {
    if (cli->json) {
        return;
    }
    va_list args;
    tm__cli_bar_reset(cli);
    va_start(args, fmt);
    cli->is_cut = !put(stdout, "", fmt, args) || cli->is_cut;
    va_end(args);
}

void tm__cli_did(tm_cli *cli, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(cli->did, sizeof(cli->did), fmt, args);
    va_end(args);
}

void tm__cli_note(tm_cli *cli, const char *fmt, ...) {
    if (cli->quiet) {
        return;
    }
    va_list args;
    tm__cli_bar_reset(cli);
    fflush(stdout);
    va_start(args, fmt);
    (void)put(stderr, "", fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

void tm__cli_warn(tm_cli *cli, const char *fmt, ...) {
    va_list args;
    tm__cli_bar_reset(cli);
    fflush(stdout);
    va_start(args, fmt);
    (void)put(stderr, tm__cli_has_colour(2) ? "\033[33mwarning:\033[0m " : "warning: ", fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

bool tm__cli_has_colour(int fd) {
    const char *no = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return tm__tty_is(fd) && (no == NULL || no[0] == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0;
}

/* ---- Errors. ---- */

void tm__cli_error_text(const tm_err *err, bool has_colour, tm_buf *out) {
    tm__buf_text(out, has_colour ? "\033[1;31merror:\033[0m " : "error: ");
    size_t start = out->len;
    tm__buf_printf(out, "%s\n",
                   err->message[0] != '\0' ? err->message : tm_status_text(err->status));
    if (err->data_path[0] != '\0' || err->data_row > 0) {
        tm__buf_printf(out, "  at %s", err->data_path[0] != '\0' ? err->data_path : "row");
        if (err->data_row > 0) {
            tm__buf_printf(out, err->data_path[0] != '\0' ? ":%llu" : " %llu",
                           (unsigned long long)err->data_row);
        }
        if (err->data_row > 0 && err->data_col > 0) {
            tm__buf_printf(out, ":%u", err->data_col);
        }
        tm__buf_byte(out, '\n');
    }
    if (err->hint[0] != '\0') {
        tm__buf_printf(out, "  hint: %s\n", err->hint);
    }
    if (!out->failed) {
        clean(out->data + start, out->len - start);
    }
}

static json_t *text_or_null(const char *text) {
    /* A path need not be UTF-8, which JSON must be: then it says nothing. */
    return text[0] != '\0' && tm__str_is_utf8(tm__str(text)) ? json_string(text) : json_null();
}

static json_t *count_or_null(uint64_t value) {
    return value > 0 ? json_integer((json_int_t)value) : json_null();
}

json_t *tm__cli_error_json(const tm_err *err) {
    const bool has_message = err->message[0] != '\0' && tm__str_is_utf8(tm__str(err->message));
    return json_pack("{s:s, s:{s:s, s:s, s:o, s:o, s:o, s:o}}", "schema", "tidemill.error/1",
                     "error", "status", tm_status_text(err->status), "message",
                     has_message ? err->message : tm_status_text(err->status), "hint",
                     text_or_null(err->hint), "path", text_or_null(err->data_path), "row",
                     count_or_null(err->data_row), "column", count_or_null(err->data_col));
}

int tm__cli_fail(tm_cli *cli, const tm_err *err) {
    tm__cli_bar_reset(cli);
    fflush(stdout);
    const bool is_json = cli->json && !cli->has_result;
    json_t *value = NULL;
    if (is_json) {
        tm__json_reset();
        value = tm__cli_error_json(err);
    }
    if (value != NULL) {
        tm__cli_print_json(cli, value);
        json_decref(value);
    } else {
        tm_buf text;
        tm__buf_init(&text, 65536);
        tm__cli_error_text(err, tm__cli_has_colour(2), &text);
        if (text.failed) { /* no memory even for that */
            put_error(err);
        } else {
            fwrite(text.data, 1, text.len, stderr);
        }
        tm__buf_done(&text);
    }
    if (is_json && value == NULL) { /* who waits for JSON must not take its absence for the error */
        put_error(&(tm_err){.status = TM_E_NOMEM, .message = "no memory to tell this as JSON"});
        return (int)tm_status_exit(TM_E_NOMEM);
    }
    const int signal = cli->signal;
    if (err->status == TM_E_CANCELLED && signal > 0) {
        return 128 + signal;
    }
    return (int)tm_status_exit(err->status);
}

/* ---- Tables. ---- */

void tm__cli_table_init(tm_cli_table *table, uint32_t n_cols, const char *const *titles) {
    *table = (tm_cli_table){.n_cols = n_cols < COLS_MAX ? n_cols : COLS_MAX};
    tm__buf_init(&table->text, TEXT_MAX);
    for (uint32_t i = 0; i < table->n_cols; i++) {
        tm__cli_cell(table, "%s", titles[i]);
    }
}

void tm__cli_cell(tm_cli_table *table, const char *fmt, ...) {
    char cell[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(cell, sizeof(cell), fmt, args);
    va_end(args);
    for (char *at = cell; *at != '\0'; at++) {
        *at = *at == '\n' || *at == '\t' ? ' ' : *at;
    }
    clean((uint8_t *)cell, strlen(cell));
    tm__buf_append(&table->text, cell, strlen(cell) + 1);
    table->n_cells++;
}

void tm__cli_cell_number(tm_cli_table *table, double value, uint32_t digits) {
    if (isfinite(value)) {
        tm__cli_cell(table, "%.*g", (int)digits, value);
    } else {
        tm__cli_cell(table, "-");
    }
}

uint32_t tm__cli_width(const char *text) {
    uint32_t width = 0;
    for (const uint8_t *at = (const uint8_t *)text; *at != 0; at++) {
        const bool is_start = (*at & 0xC0) != 0x80;
        const bool is_wide = (*at >= 0xE3 && *at <= 0xED) || *at == 0xF0;
        width += is_start ? (is_wide ? 2 : 1) : 0;
    }
    return width;
}

/* A number, perhaps with a sign in front or a unit such as % behind; "-" and "" stand for none. */
static bool is_number(const char *cell) {
    double value;
    tm_str text = tm__str(cell);
    while (text.len > 0 && strchr("%kMGs", text.ptr[text.len - 1]) != NULL) {
        text.len--;
    }
    if (text.len > 0 && text.ptr[0] == '+') {
        text = (tm_str){text.ptr + 1, text.len - 1};
    }
    return cell[0] == '\0' || strcmp(cell, "-") == 0 || tm__str_to_f64(text, &value);
}

static void table_measure(const tm_cli_table *table, uint32_t *widths, bool *is_right) {
    const char *cell = (const char *)table->text.data;
    for (uint32_t i = 0; i < table->n_cells; i++, cell += strlen(cell) + 1) {
        const uint32_t col = i % table->n_cols;
        const uint32_t width = tm__cli_width(cell);
        widths[col] = width > widths[col] ? width : widths[col];
        if (i >= table->n_cols && !is_number(cell)) {
            is_right[col] = false;
        }
    }
}

void tm__cli_table_print(tm_cli *cli, tm_cli_table *table) {
    uint32_t widths[COLS_MAX] = {0};
    bool is_right[COLS_MAX];
    cli->is_cut = cli->is_cut || table->text.failed;
    if (!cli->json && !table->text.failed && table->n_cells > 0 && table->n_cols > 0) {
        tm__cli_bar_reset(cli);
        for (uint32_t i = 0; i < table->n_cols; i++) {
            is_right[i] = true;
        }
        table_measure(table, widths, is_right);
        const char *cell = (const char *)table->text.data;
        for (uint32_t i = 0; i < table->n_cells; i++, cell += strlen(cell) + 1) {
            const uint32_t col = i % table->n_cols;
            const int pad = (int)(widths[col] - tm__cli_width(cell));
            /* Nothing stands behind the last cell of a line, nor in front of an empty last one. */
            const char *next = col + 1 < table->n_cols ? cell + strlen(cell) + 1 : "";
            const bool is_end = col + 1 == table->n_cols;
            const bool is_last = is_end || (col + 2 == table->n_cols && next[0] == '\0');
            printf("%*s%s%*s%s", is_right[col] ? pad : 0, "", cell,
                   is_right[col] || is_last ? 0 : pad, "",
                   is_end    ? "\n"
                   : is_last ? ""
                             : "  ");
        }
    }
    tm__buf_done(&table->text);
}
