/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "capture.h"
#include "cli/import_bundle.h"
#include "registry/trust.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test"};

/* Bytes of a small bundle, signed or not (key NULL). */
static void make_file(const tm_home *home, const tm_signing_key *key, tm_buf *out) {
    tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.7});
    char *path = tm__home_bundle_path(home, tm__bundle_hash(bundle));
    tm_buf plain;
    tm__buf_init(&plain, 1u << 24);
    tm__buf_init(out, 1u << 24);
    assert_int_equal(tm__fs_read_all(path, &plain, NULL), TM_OK);
    if (key != NULL) {
        assert_int_equal(tm__bundle_sign(plain.data, plain.len, key, out, NULL), TM_OK);
    } else {
        assert_true(tm__buf_append(out, plain.data, plain.len));
    }
    tm__buf_done(&plain);
    tm__mem_free(path);
    tm__bundle_unref(bundle);
}

static tm_status import(const tm_home *home, const tm_buf *file, const char *option, tm_err *err) {
    const char *const argv[] = {"tidemill",          "model", "import", "x.tmb", "--home",
                                tm__home_path(home), "-q",    option,   NULL};
    tm_cli cli = {0};
    assert_int_equal(tm__cli_parse(&cli, option == NULL ? 7 : 8, argv, NULL), TM_OK);
    capture_begin(1);
    const tm_status st = tm__import_bundle(&cli, file, err);
    (void)capture_end(1);
    tm__cli_done(&cli);
    return st;
}

static size_t n_models(const tm_home *home) {
    tm_registry *registry = NULL;
    json_t *models = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    assert_int_equal(tm__registry_models(registry, &models, NULL), TM_OK);
    const size_t n = json_array_size(models);
    json_decref(models);
    tm__registry_close(registry);
    return n;
}

static void trust(const tm_home *home, const tm_signing_key *key) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    assert_int_equal(tm__trust_add(registry, &key->public_key, "them", &actor, NULL), TM_OK);
    tm__registry_close(registry);
}

static void a_bundle_is_told_from_other_files(void **state) {
    (void)state;
    tm_buf file;
    tm__buf_init(&file, 64);
    assert_false(tm__import_is_bundle(&file));
    tm__buf_text(&file, "TMBUNDL");
    assert_false(tm__import_is_bundle(&file));
    tm__buf_byte(&file, 'E');
    assert_true(tm__import_is_bundle(&file));
    tm__buf_done(&file);
}

static void only_a_trusted_signer_comes_in(void **state) {
    tm_signing_key key;
    tm_buf plain, by_them;
    tm_err err = {0};
    tm__signing_key_create(&key);
    make_file(*state, NULL, &plain);
    make_file(*state, &key, &by_them);
    assert_int_equal(import(*state, &plain, NULL, &err), TM_E_NOT_ALLOWED);
    assert_int_equal(import(*state, &by_them, NULL, &err), TM_E_NOT_ALLOWED);
    assert_int_equal(n_models(*state), 0);
    trust(*state, &key);
    assert_int_equal(import(*state, &plain, NULL, &err), TM_E_NOT_ALLOWED);
    assert_int_equal(import(*state, &by_them, "--raw", &err), TM_E_USAGE);
    assert_int_equal(n_models(*state), 0);
    if (import(*state, &by_them, NULL, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(n_models(*state), 1);
    tm__buf_done(&plain);
    tm__buf_done(&by_them);
}

static void a_changed_file_does_not(void **state) {
    tm_signing_key key;
    tm_buf file;
    tm__signing_key_create(&key);
    make_file(*state, &key, &file);
    trust(*state, &key);
    for (size_t at = 8; at < file.len; at += 97) {
        tm_err err = {0};
        file.data[at] ^= 4;
        const tm_status st = import(*state, &file, NULL, &err);
        assert_true(st == TM_E_INTEGRITY || st == TM_E_UNSUPPORTED);
        file.data[at] ^= 4;
    }
    assert_int_equal(n_models(*state), 0);
    tm__buf_done(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bundle_is_told_from_other_files),
        cmocka_unit_test_setup_teardown(only_a_trusted_signer_comes_in, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_changed_file_does_not, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
