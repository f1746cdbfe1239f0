/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a packed block of the log, and as records to pack: what comes out of one goes into
 * the other and comes back. */
#include <stdlib.h>
#include <string.h>

#include "monitor/block_pack.h"
#include "monitor/monitor_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define ROOM_MAX ((size_t)1 << 24)

/* Whole records are packed and unpacked to the same bytes, or are none. */
static void round_trip(tm_str records) {
    tm_buf packed, again;
    tm__buf_init(&packed, ROOM_MAX);
    tm__buf_init(&again, ROOM_MAX);
    if (tm__block_pack(records, &packed)) {
        const tm_str bytes = {(const char *)packed.data, packed.len};
        if (!tm__block_unpack(bytes, &again) || again.len != records.len ||
            (again.len > 0 && memcmp(again.data, records.ptr, again.len) != 0)) {
            abort();
        }
    }
    tm__buf_done(&packed);
    tm__buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    const tm_str bytes = {(const char *)data, len};
    tm_buf out;
    tm__buf_init(&out, ROOM_MAX);
    if (tm__block_unpack(bytes, &out)) {
        tm_str rest = {(const char *)out.data, out.len};
        tm_record record;
        while (rest.len > 0) {
            if (!tm__record_read(&rest, &record)) {
                abort();
            }
        }
        round_trip((tm_str){(const char *)out.data, out.len});
    }
    tm__buf_done(&out);
    round_trip(bytes);
    return 0;
}
