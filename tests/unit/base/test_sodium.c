/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/hash.h"
#include "base/pool.h"
#include "base/sodium_priv.h"

static void start(void *arg, uint64_t item, uint32_t worker) {
    (void)arg;
    (void)item;
    (void)worker;
    tm__sodium_init();
}

static void it_starts_once_from_any_thread(void **state) {
    (void)state;
    tm_pool *pool = tm__pool_create(4);
    tm__pool_run(pool, 64, start, NULL);
    tm__pool_free(pool);
    tm_hash a, b;
    tm__hash_bytes("a", 1, &a);
    tm__sodium_init();
    tm__hash_bytes("a", 1, &b);
    assert_true(tm__hash_eq(&a, &b));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_starts_once_from_any_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
