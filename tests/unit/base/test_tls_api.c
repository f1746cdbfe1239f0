/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"
#include "base/tls_priv.h"
#include "test.h"

#define N_THREADS 8u

static void load_main(void *arg) {
    const tm_tls_api **out = arg;
    assert_int_equal(tm__tls_api_load(out, NULL), TM_OK);
}

static void all_threads_get_the_same_whole_table(void **state) {
    (void)state;
    const tm_tls_api *found[N_THREADS] = {NULL};
    tm_thread *threads[N_THREADS];
    for (unsigned i = 0; i < N_THREADS; i++) {
        threads[i] = tm__thread_create(load_main, (void *)&found[i], "loader");
    }
    for (unsigned i = 0; i < N_THREADS; i++) {
        tm__thread_join(threads[i]);
    }
    for (unsigned i = 0; i < N_THREADS; i++) {
        assert_ptr_equal(found[i], tm__tls_api_get());
    }
#define X(name) assert_true(found[0]->name != NULL);
    TM_TLS_FUNCTIONS(X)
#undef X
    SSL_CTX *ctx = found[0]->SSL_CTX_new(found[0]->TLS_server_method());
    assert_non_null(ctx);
    found[0]->SSL_CTX_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_threads_get_the_same_whole_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
