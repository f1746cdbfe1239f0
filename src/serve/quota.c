/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/quota.h"

#include <stdatomic.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"

#define FILE_NAME "keys.used"
#define FILE_BYTES_MAX ((size_t)64 << 20)
#define FIRST_LINE "tidemill.keys-used/1"

static bool is_kept(const tm_known_key *key, uint32_t rate) {
    return key->meter != NULL && key->rates[rate].period_ns >= TM_QUOTA_PERIOD_NS_MIN;
}

/* Microseconds until the rate is full again; 0: it is. */
static uint64_t left_us(const tm_known_key *key, uint32_t rate, uint64_t now_ns) {
    const uint64_t full_ns = atomic_load(&key->meter->used[rate]);
    return full_ns > now_ns ? (full_ns - now_ns) / 1000 : 0;
}

/* A rate of another size is another rate: what was used of the old one says nothing. */
static void take_line(const tm_keyring *keys, tm_str line, tm_quota_time time, bool *ok) {
    uint64_t n = 0;
    uint64_t period_s = 0;
    int64_t full_us = 0;
    const tm_str id = tm__str_cut(&line, ' ');
    const tm_str n_text = tm__str_cut(&line, ' ');
    const tm_str period_text = tm__str_cut(&line, ' ');
    *ok = tm__str_to_u64(n_text, &n) && tm__str_to_u64(period_text, &period_s) &&
          tm__str_to_i64(line, &full_us) && id.len == 8;
    for (uint32_t i = 0; *ok && i < keys->n; i++) {
        const tm_known_key *key = &keys->keys[i];
        for (uint32_t r = 0; tm__str_is(id, key->id) && r < key->n_rates; r++) {
            if (!is_kept(key, r) || key->rates[r].n != n ||
                key->rates[r].period_ns != period_s * UINT64_C(1000000000) ||
                full_us <= time.now_us) {
                continue;
            }
            /* Never more than a whole share, whatever the clock says. */
            const uint64_t us = (uint64_t)full_us - (uint64_t)time.now_us;
            const uint64_t most_us = key->rates[r].period_ns / 1000;
            atomic_store(&key->meter->used[r], time.now_ns + (us < most_us ? us : most_us) * 1000);
        }
    }
}

tm_status tm__quota_load(const tm_home *home, const tm_keyring *keys, tm_quota_time time,
                         tm_err *err) {
    char *path = tm__fs_join(tm__home_path(home), FILE_NAME);
    if (path == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    tm_status st = TM_OK;
    tm_buf text;
    tm__buf_init(&text, FILE_BYTES_MAX);
    if (tm__fs_info(path).kind != TM_PATH_NONE) {
        st = tm__fs_read_all(path, &text, err);
    }
    tm_str rest = {(const char *)text.data, st == TM_OK ? text.len : 0};
    bool ok = rest.len == 0 || tm__str_is(tm__str_cut(&rest, '\n'), FIRST_LINE);
    while (ok && rest.len > 0) {
        take_line(keys, tm__str_cut(&rest, '\n'), time, &ok);
    }
    if (st == TM_OK && !ok) {
        st = TM_FAIL(err, TM_E_DATA, "'%s' is damaged: what keys have used is not known", path);
    }
    tm__buf_done(&text);
    tm__mem_free(path);
    return st;
}

static bool write_lines(const tm_keyring *keys, tm_quota_time time, tm_buf *out) {
    tm__buf_text(out, FIRST_LINE "\n");
    for (uint32_t i = 0; i < keys->n; i++) {
        const tm_known_key *key = &keys->keys[i];
        for (uint32_t r = 0; r < key->n_rates; r++) {
            const uint64_t us = is_kept(key, r) ? left_us(key, r, time.now_ns) : 0;
            if (us > 0) {
                tm__buf_printf(out, "%s %llu %llu %lld\n", key->id,
                               (unsigned long long)key->rates[r].n,
                               (unsigned long long)(key->rates[r].period_ns / 1000000000),
                               (long long)(time.now_us + (int64_t)us));
            }
        }
    }
    return !out->failed;
}

/* Grows by each request that a kept rate let in; the same when nothing was used. */
static uint64_t sum_of(const tm_keyring *keys) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < keys->n; i++) {
        for (uint32_t r = 0; r < keys->keys[i].n_rates; r++) {
            sum += is_kept(&keys->keys[i], r) ? atomic_load(&keys->keys[i].meter->used[r]) : 0;
        }
    }
    return sum;
}

tm_status tm__quota_save(const tm_home *home, const tm_keyring *keys, tm_quota_time time,
                         uint64_t *written, tm_err *err) {
    const uint64_t sum = sum_of(keys);
    if (sum == *written) {
        return TM_OK;
    }
    tm_buf text;
    tm__buf_init(&text, FILE_BYTES_MAX);
    char *path = tm__fs_join(tm__home_path(home), FILE_NAME);
    tm_status st = path != NULL && write_lines(keys, time, &text)
                       ? tm__fs_publish_secret(path, text.data, text.len, err)
                       : TM_FAIL(err, TM_E_NOMEM, "out of memory");
    *written = st == TM_OK ? sum : *written;
    tm__buf_done(&text);
    tm__mem_free(path);
    return st;
}
