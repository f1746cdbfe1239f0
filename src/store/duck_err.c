/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DuckDB's errors in our words. Its texts hold values of cells, whole lines of files and settings,
 * so they are not passed on. Two kinds are:
 *
 *   about the query's own text (parser, binder, catalog)   the first line
 *   about files (input, output)                            the first line
 *
 * Of all others only what a fixed phrase of DuckDB marks is taken: a column's name, a type, a line
 * or record, a file. Such phrases are searched from the end, because what comes before may be a
 * line of the user's file.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "store/duck_priv.h"

typedef struct kind {
    const char *name; /* exception_type */
    tm_status status;
    bool is_quoted;      /* its first line holds no values */
    const char *message; /* for the others */
    const char *hint;
} kind;

static const kind kinds[] = {
    {"Parser", TM_E_USAGE, true, NULL, NULL},
    {"Syntax", TM_E_USAGE, true, NULL, NULL},
    {"Binder", TM_E_USAGE, true, NULL, NULL},
    {"Catalog", TM_E_USAGE, true, NULL, NULL},
    {"Planner", TM_E_USAGE, true, NULL, NULL},
    {"Not implemented", TM_E_UNSUPPORTED, true, NULL, NULL},
    {"IO", TM_E_DATA, true, NULL, NULL},
    {"Permission", TM_E_NOT_ALLOWED, true, NULL,
     "Name the file on the command line or in the project file."},
    {"Missing Extension", TM_E_UNSUPPORTED, false, "the query needs an extension of DuckDB",
     "Extensions are off: read local CSV, JSON or Parquet files."},
    {"Extension Autoloading", TM_E_UNSUPPORTED, false, "the query needs an extension of DuckDB",
     "Extensions are off: read local CSV, JSON or Parquet files."},
    {"Conversion", TM_E_DATA, false, "a value cannot become the type asked for",
     "Use TRY_CAST, or read the column as VARCHAR."},
    {"Mismatch Type", TM_E_DATA, false, "a value cannot become the type asked for",
     "Use TRY_CAST, or read the column as VARCHAR."},
    {"Out of Range", TM_E_DATA, false, "a number is out of the range of its type",
     "Cast to DOUBLE first."},
    {"Divide by Zero", TM_E_DATA, false, "a division by zero", NULL},
    {"Constraint", TM_E_DATA, false, "a constraint does not hold", NULL},
    {"Out of Memory", TM_E_NOMEM, false, "the query needs more memory than it may use",
     "Select fewer rows or columns, or raise the limit. In a sealed home a query spills only to a "
     "file system of its own that is mounted at its 'temp'."},
    {"INTERRUPT", TM_E_CANCELLED, false, "the query was interrupted", NULL},
    {"INTERNAL", TM_E_INTERNAL, false, "DuckDB failed inside", NULL},
    {"FATAL", TM_E_INTERNAL, false, "DuckDB failed inside", NULL},
};
static const kind other_kind = {"", TM_E_DATA, false, "the query met data that it cannot read",
                                NULL};

static const kind *find_kind(const char *name) {
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (tm__str_is_nocase(tm__str(name), kinds[i].name)) {
            return &kinds[i];
        }
    }
    return &other_kind;
}

/* The last place where a phrase begins, behind it; NULL when it is not there. */
static const char *after_last(const char *text, const char *phrase) {
    const char *found = NULL;
    for (const char *at = strstr(text, phrase); at != NULL; at = strstr(at + 1, phrase)) {
        found = at + strlen(phrase);
    }
    return found;
}

/* Copy until a byte of `ends` or the end; false when nothing is left. */
static bool take_until(const char *from, const char *ends, char *out, size_t size) {
    return from != NULL && strcspn(from, ends) > 0 &&
           (tm__str_copy(out, size, (tm_str){from, strcspn(from, ends)}) || out[0] != '\0');
}

static uint64_t number_after(const char *text, const char *phrase) {
    const char *const at = after_last(text, phrase);
    uint64_t value = 0;
    if (at != NULL) {
        (void)tm__str_to_u64((tm_str){at, strspn(at, "0123456789")}, &value);
    }
    return value;
}

/* The name of a type: capitals, digits, blanks and brackets only, so never a value. */
static bool take_type(const char *text, char *out, size_t size) {
    const char *at = after_last(text, " to '");
    at = at != NULL ? at : after_last(text, "destination type ");
    at = at != NULL ? at : after_last(text, " to ");
    const size_t len = at == NULL ? 0 : strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789(,)");
    return len > 2 && tm__str_copy(out, size, (tm_str){at, len});
}

/* First line in our style: first letter small, names in single quotes, no mark at the end. */
static void plain_line(const char *text, char *out, size_t size) {
    size_t len = strcspn(text, "\r\n");
    while (len > 0 && strchr(".!: ", text[len - 1]) != NULL) {
        len--;
    }
    (void)tm__str_copy(out, size, (tm_str){text, len});
    for (char *c = out; *c != '\0'; c++) {
        *c = *c == '"' ? '\'' : *c;
    }
    if (isupper((unsigned char)out[0]) && !isupper((unsigned char)out[1])) {
        out[0] = (char)tolower((unsigned char)out[0]);
    }
}

static void set_place(const char *sql, int64_t position, tm_err *err) {
    if (sql == NULL || position < 0 || (size_t)position > strlen(sql)) {
        return;
    }
    uint64_t line = 1;
    uint32_t col = 1;
    for (int64_t i = 0; i < position; i++) {
        col = sql[i] == '\n' ? 1 : col + 1;
        line += sql[i] == '\n';
    }
    tm_err_at(err, "query", line, col);
}

/* Tables of the engine itself come near many names, and nobody means them. */
static bool is_system(const char *names) {
    static const char *const prefixes[] = {"pg_", "sqlite_", "duckdb_", "information_schema"};
    const char *const bare = names[0] == '"' ? names + 1 : names;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (strncmp(bare, prefixes[i], strlen(prefixes[i])) == 0) {
            return true;
        }
    }
    return false;
}

static tm_status fail_quoted(const kind *k, const char *text, const char *candidates, tm_err *err) {
    char line[200], name[200];
    if (take_until(after_last(text, "No files found that match the pattern \""), "\"\n", name,
                   sizeof(name))) {
        (void)TM_FAIL(err, TM_E_NOT_FOUND, "no file matches '%s'", name);
        tm_err_hint(err, "Paths are relative to the folder the command runs in.");
        return TM_E_NOT_FOUND;
    }
    if (k->status == TM_E_DATA && (after_last(text, ": No space left on device") != NULL ||
                                   after_last(text, ": Disk quota exceeded") != NULL)) {
        (void)TM_FAIL(err, TM_E_IO, "cannot write a file: the disk is full");
        tm_err_hint(err, "Free some space on the disk that it is on and try again.");
        return TM_E_IO;
    }
    plain_line(text, line, sizeof(line));
    (void)TM_FAIL(err, k->status, "%s", line);
    if (candidates != NULL && candidates[0] != '\0' && !is_system(candidates)) {
        plain_line(candidates, name, sizeof(name));
        tm_err_hint(err, "Did you mean %s?", name);
    } else if (strncmp(line, "table with name ", 16) == 0) {
        tm_err_hint(err, "Name a file in quotes, as FROM 'rows.csv', or a source of the home.");
    } else if (k->hint != NULL) {
        tm_err_hint(err, "%s", k->hint);
    }
    return k->status;
}

/* What follows it is the file's name and the line, then what the line holds. */
static const char transform[] = "JSON transform error in file \"";

static void set_file(const char *text, tm_err *err) {
    char path[512];
    const char *const named =
        strncmp(text, transform, strlen(transform)) == 0 ? text + strlen(transform) : NULL;
    const char *const line = named == NULL ? NULL : strstr(named, "\", in line ");
    if (line != NULL) {
        uint64_t row = 0;
        (void)tm__str_to_u64((tm_str){line + 11, strspn(line + 11, "0123456789")}, &row);
        (void)tm__str_copy(path, sizeof(path), (tm_str){named, (size_t)(line - named)});
        tm_err_at(err, path, row, 0);
        return;
    }
    if (take_until(after_last(text, "\n  file = "), "\n", path, sizeof(path)) ||
        take_until(after_last(text, "JSON in file \""), "\"\n", path, sizeof(path)) ||
        take_until(after_last(text, "at end of file '"), "'\n", path, sizeof(path)) ||
        (strncmp(text, "File '", 6) == 0 && take_until(text + 6, "'\n", path, sizeof(path)))) {
        uint64_t row = number_after(text, "CSV Error on Line: ");
        row = row != 0 ? row : number_after(text, "in record/value ");
        row = row != 0 ? row : number_after(text, "in line ");
        tm_err_at(err, path, row, 0);
    }
}

static tm_status fail_value(const kind *k, const char *text, tm_err *err) {
    char column[TM_MAX_COLUMN_NAME + 1], type[64];
    const bool has_type = k->status == TM_E_DATA && take_type(text, type, sizeof(type));
    const uint64_t want = number_after(text, "Expected Number of Columns: ");
    if (want != 0) {
        (void)TM_FAIL(err, TM_E_DATA, "a row has %" PRIu64 " fields instead of %" PRIu64,
                      number_after(text, " Found: "), want);
        tm_err_hint(err, "Correct the row, or quote fields that hold the delimiter.");
    } else if (after_last(text, "magic bytes") != NULL || after_last(text, "be a Parquet file")) {
        (void)TM_FAIL(err, TM_E_DATA, "not a whole Parquet file");
        tm_err_hint(err, "Copy it again: it was cut short, or is of another kind.");
    } else if (after_last(text, "maximum_object_size") != NULL) {
        (void)TM_FAIL(err, TM_E_DATA, "a JSON value has more than 16 MiB");
        tm_err_hint(err, "Shorten its texts, or split it in several records.");
    } else if (strncmp(text, transform, strlen(transform)) == 0 &&
               after_last(text, " has duplicate key \"") != NULL) {
        (void)TM_FAIL(err, TM_E_DATA, "a JSON object has a name twice");
        tm_err_hint(err, "Give each value a name of its own.");
    } else if (after_last(text, "Malformed JSON") != NULL) {
        (void)TM_FAIL(err, TM_E_DATA, "malformed JSON");
        tm_err_hint(err, "Correct the record, or remove it.");
    } else if (take_until(after_last(text, "\nError when converting column \""), "\"\n", column,
                          sizeof(column))) {
        (void)TM_FAIL(err, TM_E_DATA, "a value of column '%s' cannot become %s", column,
                      has_type ? type : "the type asked for");
        tm_err_hint(err, "Name its type in read_csv, or mark missing values by nullstr.");
    } else if (has_type) {
        (void)TM_FAIL(err, TM_E_DATA, "a value cannot become %s", type);
        tm_err_hint(err, "%s", k->hint != NULL ? k->hint : "");
    } else {
        (void)TM_FAIL(err, k->status, "%s", k->message);
        tm_err_hint(err, "%s", k->hint != NULL ? k->hint : "");
    }
    set_file(text, err);
    return k->status;
}

tm_status tm__duck_fail(const char *text, const char *sql, tm_err *err) {
    json_t *json = NULL;
    const char *const start = text == NULL ? NULL : strchr(text, '{');
    if (start == NULL ||
        tm__json_parse(start, strlen(start), TM_MAX_JSON_DEPTH, &json, NULL) != TM_OK) {
        return TM_FAIL(err, other_kind.status, "%s", other_kind.message);
    }
    const kind *const k = find_kind(tm__json_text(json, "exception_type", ""));
    const char *const message = tm__json_text(json, "exception_message", "");
    const char *const position = tm__json_text(json, "position", "-1");
    int64_t at = -1;
    tm_err made = {0};
    const tm_status st =
        k->is_quoted ? fail_quoted(k, message, tm__json_text(json, "candidates", NULL), &made)
                     : fail_value(k, message, &made);
    if (tm__str_to_i64(tm__str(position), &at) && made.data_path[0] == '\0') {
        set_place(sql, at, &made);
    }
    json_decref(json);
    if (err != NULL) {
        *err = made;
    }
    return st;
}
