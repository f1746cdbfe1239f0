/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a CSV file: fields stay inside the block, records have one width. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "source/csv_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void walk(tm_csv_scanner *scanner) {
    uint64_t n_records = 0;
    uint64_t n_bytes = 0;
    tm_err err = {0};
    while (tm__csv_next(scanner, &n_records, &err) == TM_OK && n_records > 0) {
        const uint32_t n_cols = tm__csv_cols(scanner);
        const tm_csv_field *fields = tm__csv_fields(scanner);
        for (uint64_t i = 0; i < n_records * n_cols; i++) {
            const uint32_t size = fields[i].len & ~TM_CSV_DOUBLED;
            char *room = tm__mem_alloc(size > 0 ? size : 1, 1);
            if (room == NULL) {
                abort();
            }
            const tm_str text = tm__csv_text(scanner, fields[i], room);
            for (size_t at = 0; at < text.len; at++) {
                n_bytes += (uint8_t)text.ptr[at];
            }
            n_bytes += tm__csv_line(scanner, fields[i]);
            tm__mem_free(room);
        }
    }
    if (n_bytes == UINT64_MAX) {
        abort(); /* keeps the reads */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    char path[64];
    tm_csv_scanner *scanner = NULL;
    tm_err err = {0};
    const int fd = memfd_create("fuzz", 0);
    if (fd < 0 || write(fd, data, len) != (ssize_t)len) {
        abort();
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (tm__csv_open(path, &scanner, &err) == TM_OK) {
        walk(scanner);
    }
    tm__csv_close(scanner);
    close(fd);
    return 0;
}
