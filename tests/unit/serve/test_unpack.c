/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <zstd.h>

#include "base/mem.h"
#include "serve/unpack.h"
#include "test.h"

static const char text[] = "{\"rows\":[{\"x\":1.5,\"c\":\"red\",\"day\":\"1970-01-05\"}]}";

/* What zlib makes of `text` as gzip and as its own form. */
#define GZIP                                                                                       \
    "\037\213\010\000\000\000\000\000\002\003\253\126\052\312\057\057\126\262\212\256\126\252\120" \
    "\262\062\324\063\325\121\112\126\262\122\052\112\115\121\322\121\112\111\254\004\262\015\055" \
    "\315\015\164\015\014\165\015\114\225\152\143\153\001\160\057\300\260\061\000\000\000"
#define ZLIB                                                                                       \
    "\170\234\253\126\052\312\057\057\126\262\212\256\126\252\120\262\062\324\063\325\121\112\126" \
    "\262\122\052\112\115\121\322\121\112\111\254\004\262\015\055\315\015\164\015\014\165\015\114" \
    "\225\152\143\153\001\131\024\015\045"

typedef struct scene {
    const char *coding;
    const void *bytes;
    size_t len;
    tm_exchange x;
    tm_http http;
    tm_serve_limits limits;
} scene;

static void open_scene(scene *s) {
    const tm_serve_limits limits = {.body_bytes_max = 100000};
    s->limits = limits;
    s->http = (tm_http){.limits = &s->limits, .has_body = true};
    s->http.fields[TM_HTTP_CONTENT_ENCODING] = tm__str(s->coding);
    s->x = (tm_exchange){.limits = &s->limits, .http = &s->http};
    tm__buf_init(&s->http.body, 200000);
    tm__buf_init(&s->x.reply, 200000);
    assert_true(tm__buf_append(&s->http.body, s->bytes, s->len));
}

static void close_scene(scene *s) {
    tm__buf_done(&s->http.body);
    tm__buf_done(&s->x.reply);
}

static void bodies_are_what_was_packed(void **state) {
    (void)state;
    char packed[256];
    const size_t n = ZSTD_compress(packed, sizeof packed, text, strlen(text), 3);
    const scene scenes[] = {
        {.coding = "gzip", .bytes = GZIP, .len = sizeof GZIP - 1},
        {.coding = "X-GZip", .bytes = GZIP, .len = sizeof GZIP - 1},
        {.coding = "deflate", .bytes = ZLIB, .len = sizeof ZLIB - 1},
        {.coding = "zstd", .bytes = packed, .len = n},
        {.coding = "identity", .bytes = text, .len = sizeof text - 1},
        {.coding = "", .bytes = text, .len = sizeof text - 1},
    };
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        scene s = scenes[i];
        open_scene(&s);
        assert_true(tm__unpack_body(&s.x));
        assert_int_equal(s.http.body.len, strlen(text));
        assert_string_equal((const char *)s.http.body.data, text);
        close_scene(&s);
    }
}

static void damage_and_other_codings_are_refused(void **state) {
    (void)state;
    char packed[256];
    const size_t n = ZSTD_compress(packed, sizeof packed, text, strlen(text), 3);
    const struct {
        scene scene;
        unsigned status;
    } cases[] = {
        {{.coding = "br", .bytes = text, .len = 9}, 415},
        {{.coding = "gzip, gzip", .bytes = GZIP, .len = sizeof GZIP - 1}, 415},
        {{.coding = "gzip", .bytes = text, .len = sizeof text - 1}, 400},
        {{.coding = "gzip", .bytes = GZIP, .len = sizeof GZIP - 2}, 400},
        {{.coding = "gzip", .bytes = GZIP "more", .len = sizeof GZIP + 3}, 400},
        {{.coding = "gzip", .bytes = "", .len = 0}, 400},
        {{.coding = "zstd", .bytes = packed, .len = n - 1}, 400},
        {{.coding = "zstd", .bytes = text, .len = sizeof text - 1}, 400},
        {{.coding = "zstd", .bytes = "", .len = 0}, 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scene s = cases[i].scene;
        open_scene(&s);
        assert_false(tm__unpack_body(&s.x));
        if (s.x.status != cases[i].status) {
            fail_msg("case %zu: %u", i, s.x.status);
        }
        close_scene(&s);
    }
}

/* Bodies of n zeros, packed by zstd. */
static void what_grows_too_much_is_refused(void **state) {
    (void)state;
    static const struct {
        size_t n;
        unsigned status; /* 0: taken */
    } cases[] = {{65536, 0}, {65537, 413}, {99999, 413}, {10u << 20, 413}};
    char *zeros = tm__mem_zalloc(10u << 20, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char packed[4096];
        const size_t n = ZSTD_compress(packed, sizeof packed, zeros, cases[i].n, 3);
        assert_false(ZSTD_isError(n));
        scene s = {.coding = "zstd", .bytes = packed, .len = n};
        open_scene(&s);
        const uint64_t before = tm__mem_bytes();
        tm__mem_bytes_reset();
        assert_int_equal(tm__unpack_body(&s.x), cases[i].status == 0);
        assert_int_equal(s.x.status, cases[i].status);
        assert_true(tm__mem_bytes_peak() - before < 400000);
        assert_true(cases[i].status != 0 || s.http.body.len == cases[i].n);
        close_scene(&s);
    }
    tm__mem_free(zeros);
    /* A body that hardly packs may grow to the limit and no further. */
    char *noise = tm__mem_alloc(120000, 1);
    char *packed = tm__mem_alloc(200000, 1);
    uint64_t key = 1;
    for (size_t i = 0; i < 120000; i++) {
        key = key * UINT64_C(6364136223846793005) + 1442695040888963407u;
        noise[i] = (char)(key >> 56);
    }
    for (size_t n = 100000; n <= 100001; n++) {
        scene s = {.coding = "zstd", .bytes = packed};
        s.len = ZSTD_compress(packed, 200000, noise, n, 3);
        open_scene(&s);
        assert_int_equal(tm__unpack_body(&s.x), n == 100000);
        close_scene(&s);
    }
    tm__mem_free(noise);
    tm__mem_free(packed);
}

static void running_out_of_memory_is_told_and_leaks_nothing(void **state) {
    (void)state;
    const uint64_t alive = tm__mem_alive();
    bool ok = false;
    for (uint64_t nth = 1; !ok; nth++) {
        scene s = {.coding = "gzip", .bytes = GZIP, .len = sizeof GZIP - 1};
        open_scene(&s);
        assert_non_null(tm__buf_reserve(&s.x.reply, 1000)); /* as a server has it */
        tm__mem_fail_at(nth, false);
        ok = tm__unpack_body(&s.x);
        tm__mem_fail_at(0, false);
        assert_true(ok || s.x.status == 503);
        close_scene(&s);
        assert_true(tm__mem_alive() == alive);
        assert_true(nth < 50);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_what_was_packed),
        cmocka_unit_test(damage_and_other_codings_are_refused),
        cmocka_unit_test(what_grows_too_much_is_refused),
        cmocka_unit_test(running_out_of_memory_is_told_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
