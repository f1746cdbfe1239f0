/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a file is text at all, by its first bytes; what it is when it is not. */
#include <string.h>

#include "source/csv_priv.h"

static const char utf16[] = "UTF-16 text";

/* UTF-16 without its mark: ASCII with a zero before or behind each byte, at least in the first
 * line. */
static bool is_bare_utf16(const char *data, size_t len) {
    const size_t zero = len > 0 && data[0] == '\0' ? 0 : 1;
    size_t n = 0;
    for (; n + 1 < len && n < 64; n += 2) {
        if (data[n + zero] != '\0' || data[n + 1 - zero] == '\0') {
            return false;
        }
        if (data[n + 1 - zero] == '\n') {
            break;
        }
    }
    return n >= 2;
}

/* What a file is by its first bytes, when it is not text. */
static const char *find_kind(const char *data, size_t len) {
    static const struct {
        const char *bytes;
        size_t len;
        const char *name;
    } kinds[] = {{"\x89PNG", 4, "a PNG image"},
                 {"\xff\xd8\xff", 3, "a JPEG image"},
                 {"GIF8", 4, "a GIF image"},
                 {"%PDF", 4, "a PDF document"},
                 {"PK\x03\x04", 4, "a ZIP archive or a spreadsheet"},
                 {"\xd0\xcf\x11\xe0", 4, "an old spreadsheet"},
                 {"PAR1", 4, "a damaged Parquet file"},
                 {"ARROW1", 6, "an Arrow file"},
                 {"ORC", 3, "an ORC file"},
                 {"SQLite format 3", 15, "an SQLite database"},
                 {"\x89HDF", 4, "an HDF5 file"},
                 {"BZh", 3, "a bzip2 file"},
                 {"\xfd"
                  "7zXZ",
                  5, "an xz file"},
                 {"\x7f"
                  "ELF",
                  4, "a program"},
                 {"\xff\xfe\0\0", 4, "UTF-32 text"},
                 {"\0\0\xfe\xff", 4, "UTF-32 text"},
                 {"\xff\xfe", 2, utf16},
                 {"\xfe\xff", 2, utf16}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (len >= kinds[i].len && memcmp(data, kinds[i].bytes, kinds[i].len) == 0) {
            return kinds[i].name;
        }
    }
    /* A zero further down is told by its line. */
    const size_t first = len < 4096 ? len : 4096;
    const char *const line_end = memchr(data, '\n', first);
    if (memchr(data, '\0', line_end != NULL ? (size_t)(line_end - data) : first) == NULL) {
        return NULL;
    }
    return is_bare_utf16(data, len) ? utf16 : "binary";
}

tm_status tm__csv_check_text(const char *path, const char *data, size_t len, tm_err *err) {
    const char *const kind = find_kind(data, len);
    if (kind != NULL) {
        (void)TM_FAIL(err, TM_E_DATA, "the file is %s, not CSV", kind);
        if (kind == utf16) {
            tm_err_hint(err, "Convert the file: iconv -f UTF-16%s -t UTF-8 FILE > NEW.",
                        (uint8_t)data[0] >= 0xfe ? ""
                        : data[0] == '\0'        ? "BE"
                                                 : "LE");
        } else {
            tm_err_hint(err, "Give CSV, JSON lines or Parquet; text must be UTF-8.");
        }
    } else if (strspn(data, "\r\n \t") >= len) {
        (void)TM_FAIL(err, TM_E_DATA, "the file is empty");
        tm_err_hint(err, "Give a file with a header and rows.");
    } else if (memchr(data, '\r', len) != NULL && memchr(data, '\n', len) == NULL) {
        (void)TM_FAIL(err, TM_E_DATA, "lines end in CR alone");
        tm_err_hint(err, "Convert them: tr '\\r' '\\n' < FILE > NEW.");
    } else {
        return TM_OK;
    }
    tm_err_at(err, path, 0, 0);
    return TM_E_DATA;
}
