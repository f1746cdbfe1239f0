/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of records cut into fields.
 *
 *     data   [....|record|record|record|rec]\n      the last byte is a sentinel of ours
 *            0    start                 end  len    end .. len is moved to the front next time
 *     fields [record x column] of start and length in data
 *
 * 1. A record is a line, but a field that starts with a quote goes to its closing quote, over
 *    delimiters and line ends; a quote inside such a field is doubled. A quote amid an unquoted
 *    field is an ordinary byte (5" pipe).
 * 2. Every record has as many fields as the first one. Nothing is padded, cut or dropped, but for
 *    lines without a byte in files of two columns and more. In a file of one column such a line is
 *    a missing value, unless only such lines follow.
 * 3. The dialect is found in the first block by trying: the delimiter that cuts most records into
 *    as many fields as the first one, at least two; more fields win a tie. Between tabs or bars
 *    quotes are ordinary bytes if only then all records agree.
 * 4. Lines end in \n or \r\n.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "source/csv_priv.h"

#define BLOCK_BYTES (4u << 20)
#define RECORD_BYTES_MAX                                                                           \
    TM_MAX_BODY_BYTES                /* as of a pushed row; bounds what a packed file can ask for */
#define RECORD_FIELDS_MAX (1u << 20) /* past it a row's fields are not even counted */
#define SAMPLE_BYTES (1u << 20)
#define N_CANDIDATES 4

struct tm_csv_scanner {
    char path[512];
    tm_input *input;
    tm_csv_dialect dialect;
    uint32_t n_cols; /* 0 until the first record */
    bool no_memory;  /* for a field: what was found out about the file does not count */
    char *data;
    size_t start, end, len, capacity; /* capacity leaves room for the sentinel */
    size_t block_bytes;
    bool at_end;    /* of the input */
    bool skips_bad; /* a record that cannot be cut is left out, up to the end of its first line */
    bool is_fresh;  /* no part was handed its first record yet */
    uint64_t line;  /* of data[start] */
    tm_csv_field *fields;
    size_t n_fields, fields_capacity;
    uint8_t is_special[256]; /* bytes that end a run of an unquoted field */
    char *styles;            /* [n_styles] of columns, 0: none; NULL: of no column */
    uint32_t n_styles;
};

/* --- one record --- */

typedef enum outcome {
    RECORD,      /* whole: next is behind it */
    MORE,        /* goes on behind the data */
    AFTER_QUOTE, /* a byte follows the closing quote */
    UNCLOSED,    /* the file ends amid a quoted field */
    NUL_BYTE,
    LONG_FIELD,
    MANY_FIELDS,
    BYTE_MARK, /* a record starts with a byte order mark, amid the file */
    NO_MEMORY
} outcome;

typedef struct record {
    size_t at;      /* where scanning stands; behind the record in the end */
    uint32_t n;     /* fields */
    bool is_blank;  /* a line without a byte */
    size_t trouble; /* where the field in trouble starts */
} record;

static bool push_field(tm_csv_scanner *s, size_t start, size_t len, bool is_doubled) {
    if (s->n_fields == s->fields_capacity) {
        const size_t capacity = s->fields_capacity == 0 ? 512 : s->fields_capacity * 2;
        tm_csv_field *const fields = tm__mem_realloc(s->fields, capacity, sizeof(*fields));
        if (fields == NULL) {
            s->no_memory = true;
            return false;
        }
        s->fields = fields;
        s->fields_capacity = capacity;
    }
    s->fields[s->n_fields++] =
        (tm_csv_field){(uint32_t)start, (uint32_t)len | (is_doubled ? TM_CSV_MADE : 0)};
    return true;
}

/* From behind the opening quote to behind the closing one. */
static outcome scan_quoted(tm_csv_scanner *s, size_t from, size_t *out_at, bool *out_doubled) {
    const char quote = s->dialect.quote;
    size_t at = from;
    *out_doubled = false;
    for (;;) {
        const char *const found = memchr(s->data + at, quote, s->len - at);
        if (found == NULL) {
            if (s->len - from > TM_MAX_TEXT_BYTES) {
                return LONG_FIELD;
            }
            return s->at_end ? UNCLOSED : MORE;
        }
        at = (size_t)(found - s->data) + 1;
        if (at == s->len && !s->at_end) {
            return MORE;
        }
        if (at == s->len || s->data[at] != quote) {
            *out_at = at;
            return at - from > TM_MAX_TEXT_BYTES ? LONG_FIELD : RECORD;
        }
        *out_doubled = true;
        at++;
    }
}

/* What stands at `at`: 0 a byte of a field, 1 a delimiter, 2 a line end (its length is added). */
static int boundary(const tm_csv_scanner *s, size_t at, size_t *out_next) {
    const char c = s->data[at];
    if (c == s->dialect.delimiter && at < s->len) {
        *out_next = at + 1;
        return 1;
    }
    if (c == '\n') {
        *out_next = at < s->len ? at + 1 : at;
        return 2;
    }
    if (c == '\r' && s->data[at + 1] == '\n') {
        *out_next = at + 1 < s->len ? at + 2 : at + 1;
        return 2;
    }
    return 0;
}

/* More data can change what stands at `at`. */
static bool is_cut(const tm_csv_scanner *s, size_t at) {
    return !s->at_end && (at >= s->len || (s->data[at] == '\r' && at + 1 >= s->len));
}

/* Scan one field; *out_end_kind is 1 when a delimiter ended it, 2 for a line end. */
static outcome scan_field(tm_csv_scanner *s, record *r, int *out_end_kind) {
    size_t at = r->at, next = 0;
    r->trouble = at;
    if (s->dialect.skips_blanks) {
        at += strspn(s->data + at, " ");
    }
    if (s->dialect.quote != '\0' && s->data[at] == s->dialect.quote && at < s->len) {
        const size_t from = at + 1;
        bool is_doubled = false;
        const outcome result = scan_quoted(s, from, &at, &is_doubled);
        if (result != RECORD) {
            return result;
        }
        const size_t len = at - 1 - from;
        at += strspn(s->data + at, " ");
        *out_end_kind = boundary(s, at, &next);
        if (is_cut(s, at)) {
            return MORE;
        }
        if (*out_end_kind == 0) {
            return AFTER_QUOTE;
        }
        r->at = next;
        return push_field(s, from, len, is_doubled) ? RECORD : NO_MEMORY;
    }
    const size_t from = at;
    for (;; at++) {
        while (s->is_special[(unsigned char)s->data[at]] == 0) {
            at++;
        }
        if (s->data[at] == '\0' && at < s->len) {
            return NUL_BYTE;
        }
        *out_end_kind = boundary(s, at, &next);
        if (*out_end_kind != 0) {
            break;
        }
    }
    if (at - from > TM_MAX_TEXT_BYTES) {
        return LONG_FIELD; /* before its end is there: memory follows no field further */
    }
    if (is_cut(s, at)) {
        return MORE;
    }
    r->at = next;
    return push_field(s, from, at - from, false) ? RECORD : NO_MEMORY;
}

static bool is_mark(const char *data, size_t len) {
    return len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0;
}

static outcome scan_record(tm_csv_scanner *s, record *r) {
    const size_t first = r->at;
    int end_kind = 1;
    r->n = 0;
    if (is_mark(s->data + first, s->len - first)) {
        r->trouble = first;
        return BYTE_MARK; /* that of the file's start was passed by */
    }
    while (end_kind == 1) {
        if (r->n == RECORD_FIELDS_MAX) {
            return MANY_FIELDS;
        }
        const outcome result = scan_field(s, r, &end_kind);
        if (result != RECORD) {
            return result;
        }
        r->n++;
    }
    const char *const text = s->data + first + strspn(s->data + first, " ");
    r->is_blank = r->n == 1 && (text[0] == '\n' || (text[0] == '\r' && text[1] == '\n'));
    return RECORD;
}

/* Same for a record without quotes, blanks to skip and other bytes that need a look, which most
 * are; false leaves everything as it was. Each boundary is found by one load and one test a byte.
 */
static bool scan_plain(tm_csv_scanner *s, record *r) {
    const char *const data = s->data;
    const char delimiter = s->dialect.delimiter, quote = s->dialect.quote;
    if (s->dialect.skips_blanks || s->n_cols == 0 || s->fields_capacity - s->n_fields < s->n_cols) {
        return false;
    }
    tm_csv_field *const fields = s->fields + s->n_fields;
    size_t start = r->at, next = 0;
    uint32_t n = 0;
    if ((unsigned char)data[start] == 0xef) {
        return false; /* perhaps a byte order mark */
    }
    while (n < s->n_cols && (quote == '\0' || data[start] != quote)) {
        size_t at = start;
        while (s->is_special[(unsigned char)data[at]] == 0) {
            at++;
        }
        const char c = data[at];
        if (at >= s->len || at - start > TM_MAX_TEXT_BYTES) {
            return false;
        }
        fields[n++] = (tm_csv_field){(uint32_t)start, (uint32_t)(at - start)};
        if (c == delimiter) {
            start = at + 1;
            continue;
        }
        next = c == '\n' ? at + 1 : at + 2;
        if ((c != '\n' && (c != '\r' || data[at + 1] != '\n')) || next > s->len || n < s->n_cols ||
            (n == 1 && (at == r->at || data[r->at] == ' '))) {
            return false;
        }
        s->n_fields += n;
        *r = (record){.at = next, .n = n, .trouble = start};
        return true;
    }
    return false;
}

/* --- errors --- */

static uint64_t line_at(const tm_csv_scanner *s, size_t at) {
    uint64_t line = s->line;
    for (const char *from = s->data + s->start; from < s->data + at; line++) {
        from = memchr(from, '\n', (size_t)(s->data + at - from));
        if (from == NULL) {
            break;
        }
        from++;
    }
    return line;
}

static tm_status trouble(const tm_csv_scanner *s, outcome what, const record *r, tm_err *err) {
    switch (what) {
    case AFTER_QUOTE:
        (void)TM_FAIL(err, TM_E_DATA, "text follows a closing quote");
        tm_err_hint(err, "Double the quotes inside a quoted field, or read the file by --sql with "
                         "read_csv(..., quote = '').");
        break;
    case UNCLOSED:
        (void)TM_FAIL(err, TM_E_DATA, "a quoted field is not closed");
        tm_err_hint(err, "Close the quote, or read the file by --sql with read_csv(..., quote = "
                         "'').");
        break;
    case NUL_BYTE:
        (void)TM_FAIL(err, TM_E_DATA, "a zero byte: the file is not text");
        tm_err_hint(err, "Give CSV, JSON lines or Parquet; text must be UTF-8.");
        break;
    case LONG_FIELD:
        (void)TM_FAIL(err, TM_E_DATA, "a field has more than %u bytes", TM_MAX_TEXT_BYTES);
        tm_err_hint(err, "A quote may be open from here on; close it, or shorten the text.");
        break;
    case MANY_FIELDS:
        (void)TM_FAIL(err, TM_E_LIMIT, "a row has more than %u fields", RECORD_FIELDS_MAX);
        tm_err_hint(err, "Is the file CSV, and are its lines ended?");
        tm_err_at(err, s->path, line_at(s, r->trouble), 0);
        return TM_E_LIMIT;
    case BYTE_MARK:
        (void)TM_FAIL(err, TM_E_DATA, "a byte order mark amid the file");
        tm_err_hint(err, "Files were put together; take out the mark, and names that come again.");
        break;
    default:
        return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", s->path);
    }
    tm_err_at(err, s->path, line_at(s, r->trouble), r->n + 1);
    return TM_E_DATA;
}

static tm_status long_record(const tm_csv_scanner *s, uint64_t line, tm_err *err) {
    (void)TM_FAIL(err, TM_E_DATA, "a row has more than %u bytes", RECORD_BYTES_MAX);
    tm_err_hint(err, "Shorten its texts, or split it in several rows.");
    tm_err_at(err, s->path, line, 0);
    return TM_E_DATA;
}

static tm_status ragged(const tm_csv_scanner *s, size_t start, uint32_t n, tm_err *err) {
    (void)TM_FAIL(err, TM_E_DATA, "the row has %u field%s, the first row has %u", n,
                  n == 1 ? "" : "s", s->n_cols);
    if (n > s->n_cols) {
        tm_err_hint(err, "Quote fields that hold the delimiter, or remove what is too much.");
    } else {
        tm_err_hint(err, "Add the fields that are missing, or remove the row.");
    }
    tm_err_at(err, s->path, line_at(s, start), n < s->n_cols ? n + 1 : s->n_cols + 1);
    return TM_E_DATA;
}

/* --- styles of numbers --- */

char tm__csv_style(const tm_csv_scanner *s, uint32_t col) {
    return col < s->n_styles ? s->styles[col] : 0;
}

/* Numbers of the style of their column among the fields that were cut. */
static void mark_styled(tm_csv_scanner *s, uint32_t col) {
    for (size_t i = col; i < s->n_fields; i += s->n_cols) {
        tm_csv_field *const field = &s->fields[i];
        const tm_str text = {s->data + field->start, field->len};
        const bool is_plain = (field->len & TM_CSV_MADE) == 0;
        field->len |= is_plain && tm__csv_is_styled(s->styles[col], text) ? TM_CSV_MADE : 0;
    }
}

bool tm__csv_set_style(tm_csv_scanner *s, uint32_t col, char style) {
    if (s->styles == NULL) {
        s->styles = tm__mem_zalloc(s->n_cols, sizeof(*s->styles));
        s->n_styles = s->styles == NULL ? 0 : s->n_cols;
    }
    if (col < s->n_styles) {
        s->styles[col] = style;
        mark_styled(s, col);
    }
    return s->styles != NULL;
}

void tm__csv_unset_style(tm_csv_scanner *s, uint32_t col) {
    const char style = tm__csv_style(s, col);
    if (style == 0) {
        return;
    }
    s->styles[col] = 0;
    for (size_t i = col; i < s->n_fields; i += s->n_cols) {
        tm_csv_field *const field = &s->fields[i];
        const tm_str text = {s->data + field->start, field->len & ~TM_CSV_MADE};
        field->len = tm__csv_is_styled(style, text) ? (uint32_t)text.len : field->len;
    }
}

/* A part has the columns of its file, also before its first record was cut. */
static bool copy_styles(tm_csv_scanner *part, const tm_csv_scanner *s) {
    part->styles = s->styles == NULL ? NULL : tm__mem_alloc(s->n_styles, sizeof(*part->styles));
    if (part->styles != NULL) {
        memcpy(part->styles, s->styles, s->n_styles);
        part->n_styles = s->n_styles;
    }
    return part->n_styles == s->n_styles;
}

/* --- blocks --- */

/* Move what is left to the front and fill up to `size` bytes. */
static tm_status fill(tm_csv_scanner *s, size_t size, tm_err *err) {
    if (s->data != NULL) { /* else nothing was read yet */
        s->line = line_at(s, s->end);
        if (s->end < s->len) {
            memmove(s->data, s->data + s->end, s->len - s->end);
        }
    }
    s->len -= s->end;
    s->start = 0;
    s->end = 0;
    if (size > s->capacity) {
        char *const data = tm__mem_realloc(s->data, size + 2, 1);
        if (data == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", s->path);
        }
        s->data = data;
        s->capacity = size;
    }
    while (!s->at_end && s->len < size) {
        size_t n = 0;
        TM_TRY(tm__input_read(s->input, s->data + s->len, size - s->len, &n, err));
        s->at_end = n == 0;
        s->len += n;
    }
    s->data[s->len] = '\n';
    s->data[s->len + 1] = '\0';
    return TM_OK;
}

static bool push_missing(tm_csv_scanner *s, uint64_t *n, size_t at) {
    for (; *n > 0; (*n)--) {
        if (!push_field(s, at, 0, false)) {
            return false;
        }
    }
    return true;
}

/* Field n_before and on are a record of one value behind blank lines: put those first. */
static bool insert_missing(tm_csv_scanner *s, size_t n_before, uint64_t *n_blank, size_t at) {
    const tm_csv_field value = s->fields[n_before];
    s->n_fields = n_before;
    return push_missing(s, n_blank, at) &&
           push_field(s, value.start, value.len & ~TM_CSV_MADE, (value.len & TM_CSV_MADE) != 0);
}

/* The first record says how many columns there are. */
static tm_status set_columns(tm_csv_scanner *s, const record *r, tm_err *err) {
    if (r->n > TM_MAX_COLS) {
        (void)TM_FAIL(err, TM_E_LIMIT, "the file has %u columns, the most is %u", r->n,
                      TM_MAX_COLS);
        tm_err_hint(err, "Select the columns you need, or store rows where columns are.");
        tm_err_at(err, s->path, line_at(s, r->trouble), TM_MAX_COLS + 1);
        return TM_E_LIMIT;
    }
    s->n_cols = r->n;
    return TM_OK;
}

/* Behind the line that starts there; 0 when its end is not in the data yet. */
static size_t line_behind(const tm_csv_scanner *s, size_t start) {
    const char *const found = memchr(s->data + start, '\n', s->len - start);
    return found != NULL ? (size_t)(found - s->data) + 1 : s->at_end ? s->len : 0;
}

/* Cut the whole records of the data from start on; s->end is behind the last. */
static tm_status cut_records(tm_csv_scanner *s, tm_err *err) {
    record r = {.at = s->start};
    uint64_t n_blank = 0; /* of one column: lines that are missing values if a value follows */
    s->n_fields = 0;
    s->end = s->start;
    while (r.at < s->len) {
        const size_t start = r.at;
        const size_t n_before = s->n_fields;
        const outcome result = scan_plain(s, &r) ? RECORD : scan_record(s, &r);
        if (result == MORE) {
            s->n_fields = n_before;
            return TM_OK;
        }
        const bool is_odd = result != RECORD || (r.n != s->n_cols && !r.is_blank);
        if (is_odd && s->skips_bad && s->n_cols > 0 && result != NO_MEMORY) {
            s->n_fields = n_before;
            r.at = result == RECORD ? r.at : line_behind(s, start);
            if (r.at == 0) {
                return TM_OK;
            }
            s->end = n_blank == 0 || s->at_end ? r.at : s->end;
            continue;
        }
        if (result != RECORD) {
            return trouble(s, result, &r, err);
        }
        if (r.is_blank) {
            s->n_fields = n_before;
            n_blank += s->n_cols == 1;
        } else {
            if (s->n_cols == 0) {
                TM_TRY(set_columns(s, &r, err));
            }
            if (r.n != s->n_cols) {
                return ragged(s, start, r.n, err);
            }
            if (n_blank > 0 && !insert_missing(s, n_before, &n_blank, start)) {
                return trouble(s, NO_MEMORY, &r, err);
            }
        }
        /* Blank lines of one column stay unread until a value follows or the file ends. */
        s->end = n_blank == 0 || s->at_end ? r.at : s->end;
    }
    return TM_OK;
}

static tm_status cut(tm_csv_scanner *s, tm_err *err) {
    TM_TRY(cut_records(s, err));
    for (uint32_t col = 0; s->n_styles == s->n_cols && col < s->n_styles; col++) {
        if (s->styles[col]) {
            mark_styled(s, col);
        }
    }
    return TM_OK;
}

tm_status tm__csv_next(tm_csv_scanner *s, uint64_t *out_n_records, tm_err *err) {
    size_t size = s->block_bytes;
    s->line = line_at(s, s->end);
    s->start = s->end;
    TM_TRY(cut(s, err));
    while (s->n_fields == 0 && !s->at_end) {
        const size_t left = s->len - s->end;
        size = left * 2 > size ? left * 2 : size;
        if (left > RECORD_BYTES_MAX) {
            return long_record(s, line_at(s, s->end), err);
        }
        TM_TRY(fill(s, size, err));
        TM_TRY(cut(s, err));
    }
    *out_n_records = s->n_cols == 0 ? 0 : s->n_fields / s->n_cols;
    return TM_OK;
}

/* --- the dialect --- */

static void set_dialect(tm_csv_scanner *s, tm_csv_dialect dialect) {
    s->dialect = dialect;
    memset(s->is_special, 0, sizeof(s->is_special));
    s->is_special[(unsigned char)dialect.delimiter] = 1;
    s->is_special['\n'] = 1;
    s->is_special['\r'] = 1;
    s->is_special['\0'] = 1;
}

typedef struct trial {
    uint32_t n_cols;
    uint64_t n, n_same; /* records, those with n_cols fields */
    bool is_broken;     /* by a quote */
    bool has_blanks;    /* each field behind a delimiter starts with a blank */
} trial;

static bool all_start_blank(const tm_csv_scanner *s) {
    for (size_t i = 1; i < s->n_fields; i++) {
        if (s->fields[i].start == 0 || s->data[s->fields[i].start] != ' ') {
            return false;
        }
    }
    return s->n_fields > 1;
}

static trial try_dialect(tm_csv_scanner *s, tm_csv_dialect dialect) {
    trial t = {.has_blanks = true};
    record r = {.at = s->start};
    const size_t limit = s->len < SAMPLE_BYTES ? s->len : SAMPLE_BYTES;
    set_dialect(s, dialect);
    while (r.at < limit) {
        s->n_fields = 0;
        const outcome result = scan_record(s, &r);
        if (result != RECORD) {
            t.is_broken = result == AFTER_QUOTE || result == UNCLOSED || result == LONG_FIELD;
            break;
        }
        if (r.is_blank) {
            continue;
        }
        t.n_cols = t.n == 0 ? r.n : t.n_cols;
        t.n++;
        t.n_same += r.n == t.n_cols;
        t.has_blanks = t.has_blanks && all_start_blank(s);
    }
    s->n_fields = 0;
    return t;
}

/* Share of records like the first, of a million; nothing when there is only one field. */
static uint64_t score(const trial *t) {
    return t->n_cols < 2 ? 0 : t->n_same * 1000000 / t->n - (t->is_broken ? t->n_same > 0 : 0);
}

static tm_csv_dialect find_delimiter(tm_csv_scanner *s, char quote, trial *out) {
    static const char candidates[N_CANDIDATES] = {',', '\t', ';', '|'};
    tm_csv_dialect best = {.delimiter = ',', .quote = quote};
    *out = try_dialect(s, best);
    for (size_t i = 1; i < N_CANDIDATES; i++) {
        const tm_csv_dialect dialect = {.delimiter = candidates[i], .quote = quote};
        const trial t = try_dialect(s, dialect);
        if (score(&t) > score(out) || (score(&t) == score(out) && t.n_cols > out->n_cols)) {
            best = dialect;
            *out = t;
        }
    }
    return best;
}

static void find_dialect(tm_csv_scanner *s) {
    trial quoted, bare;
    tm_csv_dialect dialect = find_delimiter(s, '"', &quoted);
    if (quoted.has_blanks && quoted.n_cols > 1) {
        dialect.skips_blanks = true;
        quoted = try_dialect(s, dialect);
    }
    if (quoted.is_broken || quoted.n_same < quoted.n) {
        /* Files without a quoting rule: quotes are ordinary, and then all records agree. With
         * commas an odd quote is more likely a damaged field. */
        const tm_csv_dialect other = find_delimiter(s, '\0', &bare);
        const bool is_usual = other.delimiter == '\t' || other.delimiter == '|';
        if (is_usual && bare.n_cols > 1 && bare.n_same == bare.n) {
            dialect = other;
        }
    }
    set_dialect(s, dialect);
}

/* --- parts --- */

void tm__csv_rewind(tm_csv_scanner *s) {
    s->end = s->start;
    s->n_fields = 0;
    s->is_fresh = true;
}

tm_csv_scanner *tm__csv_part_create(const tm_csv_scanner *s, size_t block_bytes) {
    tm_csv_scanner *const part = tm__mem_zalloc(1, sizeof(*part));
    if (part != NULL) {
        (void)tm__str_copy(part->path, sizeof(part->path), tm__str(s->path));
        part->block_bytes = block_bytes;
        part->at_end = true;
        part->skips_bad = s->skips_bad;
        set_dialect(part, s->dialect);
    }
    if (part != NULL && !copy_styles(part, s)) {
        tm__csv_close(part);
        return NULL;
    }
    return part;
}

static bool make_room(tm_csv_scanner *s, size_t size) {
    if (size > s->capacity || s->data == NULL) {
        char *const data = tm__mem_realloc(s->data, size + 2, 1);
        if (data == NULL) {
            return false;
        }
        s->data = data;
        s->capacity = size;
    }
    return true;
}

tm_csv_scanner *tm__csv_text_open(const char *data, size_t len, const tm_push_csv *csv) {
    tm_csv_scanner *const s = tm__mem_zalloc(1, sizeof(*s));
    if (s == NULL || !make_room(s, len)) {
        tm__mem_free(s);
        return NULL;
    }
    memcpy(s->data, data, len);
    s->data[len] = '\n';
    s->len = len;
    s->at_end = true;
    s->n_cols = csv->n_names;
    s->line = 1;
    set_dialect(s, (tm_csv_dialect){.delimiter = csv->delimiter,
                                    .quote = csv->quote,
                                    .skips_blanks = csv->skips_blanks});
    for (uint32_t i = 0; csv->orders != NULL && i < csv->n_names; i++) {
        if (tm__csv_is_style(csv->orders[i]) && !tm__csv_set_style(s, i, csv->orders[i])) {
            tm__csv_close(s);
            return NULL;
        }
    }
    return s;
}

/* Bytes that are left, then bytes of the file, up to `size`. */
static tm_status take_bytes(tm_csv_scanner *s, tm_csv_scanner *part, size_t size, tm_err *err) {
    if (!make_room(part, size)) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", s->path);
    }
    const size_t left = s->len - s->end;
    part->len = left < size ? left : size;
    if (part->len > 0) {
        memcpy(part->data, s->data + s->end, part->len);
    }
    while (!s->at_end && part->len < size) {
        size_t n = 0;
        TM_TRY(tm__input_read(s->input, part->data + part->len, size - part->len, &n, err));
        s->at_end = n == 0;
        part->len += n;
    }
    part->data[part->len] = '\n';
    part->data[part->len + 1] = '\0';
    return TM_OK;
}

/* Give back what stands behind `end`: the file's bytes up to there were taken. */
static bool give_back(tm_csv_scanner *s, tm_csv_scanner *part, size_t end) {
    const size_t left = s->len - s->end;
    if (part->len <= left) {
        s->end += end;
    } else {
        const size_t n = part->len - end;
        if (!make_room(s, n)) {
            return false;
        }
        if (n > 0) {
            memcpy(s->data, part->data + end, n);
        }
        s->end = 0;
        s->len = n;
    }
    part->len = end;
    part->data[end] = '\n';
    part->data[end + 1] = '\0';
    return true;
}

/* Behind the last whole record that is in the data. A line without a quote is a record; the others
 * are scanned. Where a record is bad all are in: whoever cuts them finds it. */
static size_t find_end(tm_csv_scanner *part) {
    const char *const data = part->data;
    const char quote = part->dialect.quote;
    if (part->len == 0) {
        return 0;
    }
    const char *const last = memrchr(data, '\n', part->len);
    if (last == NULL) {
        return 0;
    }
    const size_t end = (size_t)(last - data) + 1;
    if (quote == '\0' || memchr(data, quote, end) == NULL) {
        return end;
    }
    size_t at = 0;
    part->at_end = false;
    while (at < end) {
        const char *const line_end = memchr(data + at, '\n', end - at);
        const size_t n = (size_t)(line_end - (data + at));
        if (memchr(data + at, quote, n) == NULL) {
            at += n + 1;
            continue;
        }
        record r = {.at = at};
        part->n_fields = 0;
        const outcome result = scan_record(part, &r);
        if (result == MORE) {
            break;
        }
        at = result == RECORD ? r.at : part->skips_bad ? at + n + 1 : part->len;
    }
    part->at_end = true;
    part->n_fields = 0;
    return at;
}

/* Before the lines without a byte, or with blanks alone, that stand last. */
static size_t trim_blank_lines(const tm_csv_scanner *part, size_t end) {
    while (end > 0) {
        const char *const before = end > 1 ? memrchr(part->data, '\n', end - 1) : NULL;
        const size_t start = before == NULL ? 0 : (size_t)(before - part->data) + 1;
        const char *text = part->data + start + strspn(part->data + start, " ");
        text += text[0] == '\r';
        if (text != part->data + end - 1) {
            return end;
        }
        end = start;
    }
    return 0;
}

tm_status tm__csv_hand(tm_csv_scanner *s, tm_csv_scanner *part, bool *out_more, tm_err *err) {
    size_t size = part->block_bytes, end = 0;
    for (;;) {
        TM_TRY(take_bytes(s, part, size, err));
        const bool is_all = s->at_end && part->len >= s->len - s->end;
        end = is_all ? part->len : find_end(part);
        if (part->no_memory) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", s->path);
        }
        if (!is_all && (s->n_cols == 1 || s->is_fresh)) {
            end = trim_blank_lines(part, end); /* what follows says what they are */
        }
        if (end > 0 || is_all) {
            break;
        }
        if (size > RECORD_BYTES_MAX) {
            return long_record(s, s->line, err);
        }
        if (!give_back(s, part, 0)) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", s->path);
        }
        size *= 2;
    }
    if (!give_back(s, part, end)) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", s->path);
    }
    part->n_cols = s->is_fresh ? 0 : s->n_cols;
    part->line = s->line;
    part->start = part->end = 0;
    s->is_fresh = s->is_fresh && end == 0;
    s->line += tm__str_count((tm_str){part->data, part->len}, '\n');
    *out_more = end > 0;
    return TM_OK;
}

tm_status tm__csv_cut(tm_csv_scanner *part, uint64_t *out_n_records, tm_err *err) {
    TM_TRY(cut(part, err));
    *out_n_records = part->n_cols == 0 ? 0 : part->n_fields / part->n_cols;
    return TM_OK;
}

/* --- parts as they are --- */

void tm__csv_skip_bad(tm_csv_scanner *s) {
    s->skips_bad = true;
}

void tm__csv_set_lines(tm_csv_scanner *s) {
    set_dialect(s, (tm_csv_dialect){.delimiter = '\n'});
}

char *tm__csv_part_text(tm_csv_scanner *part, size_t *out_len, uint64_t *out_line) {
    *out_len = part->len;
    *out_line = part->line;
    return part->data;
}

bool tm__csv_is_done(const tm_csv_scanner *s) {
    return s->at_end && s->end == s->len;
}

/* --- opening --- */

tm_status tm__csv_open_input(tm_input *input, const char *path, size_t block_bytes,
                             tm_csv_scanner **out, tm_err *err) {
    tm_csv_scanner *const s = tm__mem_zalloc(1, sizeof(*s));
    if (s == NULL) {
        tm__input_close(input);
        return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", path);
    }
    (void)tm__str_copy(s->path, sizeof(s->path), tm__str(path));
    s->input = input;
    s->line = 1;
    s->block_bytes = block_bytes != 0 ? block_bytes : BLOCK_BYTES;
    tm_status st = fill(s, s->block_bytes, err);
    if (st == TM_OK) {
        st = tm__csv_check_text(s->path, s->data, s->len, err);
    }
    if (st != TM_OK) {
        tm__csv_close(s);
        return st;
    }
    if (is_mark(s->data, s->len)) {
        s->start = s->end = 3; /* a byte order mark */
    }
    find_dialect(s);
    if (s->no_memory) {
        tm__csv_close(s);
        return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", path);
    }
    *out = s;
    return TM_OK;
}

tm_status tm__csv_open(const char *path, size_t block_bytes, tm_csv_scanner **out, tm_err *err) {
    tm_input *input = NULL;
    TM_TRY(tm__input_open(path, block_bytes != 0 ? block_bytes : BLOCK_BYTES, &input, err));
    return tm__csv_open_input(input, path, block_bytes, out, err);
}

void tm__csv_close(tm_csv_scanner *s) {
    if (s == NULL) {
        return;
    }
    tm__input_close(s->input);
    tm__mem_free(s->data);
    tm__mem_free(s->fields);
    tm__mem_free(s->styles);
    tm__mem_free(s);
}

/* --- inspection --- */

tm_csv_dialect tm__csv_dialect(const tm_csv_scanner *s) {
    return s->dialect;
}

uint32_t tm__csv_cols(const tm_csv_scanner *s) {
    return s->n_cols;
}

const tm_csv_field *tm__csv_fields(const tm_csv_scanner *s) {
    return s->fields;
}

uint64_t tm__csv_line(const tm_csv_scanner *s, tm_csv_field field) {
    return line_at(s, field.start);
}

uint64_t tm__csv_pos(const tm_csv_scanner *s) {
    return tm__input_pos(s->input);
}

tm_str tm__csv_text(const tm_csv_scanner *s, tm_csv_field field, char *room) {
    const size_t len = field.len & ~TM_CSV_MADE;
    const char *const from = s->data + field.start;
    if ((field.len & TM_CSV_MADE) == 0) {
        return (tm_str){from, len};
    }
    if (s->dialect.quote == '\0' || memchr(from, s->dialect.quote, len) == NULL) {
        return tm__csv_style_write(s->dialect.delimiter == ',' ? ',' : 'c', (tm_str){from, len},
                                   room);
    }
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        const char *const quote = memchr(from + i, s->dialect.quote, len - i);
        const size_t end = quote == NULL ? len : (size_t)(quote - from) + 1;
        memcpy(room + n, from + i, end - i);
        n += end - i;
        i = end + (quote == NULL ? 0 : 1); /* without the second of two */
    }
    return (tm_str){room, n};
}
