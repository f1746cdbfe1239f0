/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "bundle_bytes.h"
#include "model/bundle_priv.h"
#include "serve/prepare.h"
#include "serve_case.h"
#include "support.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

static const tm_log quiet = {.level = TM_ERROR, .fd = -1};
static const tm_actor actor = {.name = "test"};

static tm_registry *open_two_versions(tm_home *home, tm_hash hashes[2]) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    for (uint32_t i = 0; i < 2; i++) {
        const tm_tiny_bundle options = {.auc = 0.7 + 0.1 * i};
        tm_version version = {0};
        tm_bundle *bundle = tm__tiny_bundle_create(home, &options);
        hashes[i] = *tm__bundle_hash(bundle);
        assert_int_equal(tm__registry_add(registry, "tiny", bundle, NULL, &actor, &version, NULL),
                         TM_OK);
        tm__version_done(&version);
        tm__bundle_unref(bundle);
    }
    return registry;
}

static tm_current *load(tm_registry *registry, const tm_current *latest) {
    const tm_current_past past = {.latest = latest};
    tm_current *out = NULL;
    tm_err err = {0};
    if (tm__current_load(registry, &past, &quiet, &out, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return out;
}

static void what_stays_is_shared_and_a_rollback_loads_nothing(void **state) {
    tm_hash hashes[2];
    tm_registry *registry = open_two_versions(*state, hashes);
    uint32_t from = 0;
    uint32_t to = 0;
    tm_current *one = load(registry, NULL);
    assert_int_equal(one->n, 1);
    assert_int_equal(one->routes[0]->version, 1);
    assert_non_null(one->routes[0]->bundle);
    assert_int_equal(one->routes[0]->class_kind, TM_CLASS_TEXT);
    tm_current *same = load(registry, one);
    assert_ptr_equal(same->routes[0], one->routes[0]);
    const tm_promotion promotion = {.version = 2};
    assert_int_equal(tm__registry_promote(registry, "tiny", &promotion, &actor, &from, NULL),
                     TM_OK);
    tm_current *two = load(registry, one);
    assert_int_equal(two->routes[0]->version, 2);
    assert_int_equal(tm__registry_rollback(registry, "tiny", &actor, &from, &to, NULL), TM_OK);
    tm_current *back = load(registry, two);
    assert_ptr_equal(back->routes[0], one->routes[0]);
    assert_ptr_equal(tm__current_find(back, "tiny"), back->routes[0]);
    assert_null(tm__current_find(back, "nobody"));
    tm__current_unref(one);
    tm__current_unref(same);
    tm__current_unref(two);
    tm__current_unref(back);
    tm__registry_close(registry);
}

static void break_file(const tm_home *home, const tm_hash *hash) {
    char *path = tm__home_bundle_path(home, hash);
    assert_int_equal(tm__fs_publish(path, "not a bundle", 12, NULL), TM_OK);
    tm__mem_free(path);
}

static void a_broken_file_keeps_the_version_before(void **state) {
    tm_hash hashes[2];
    tm_registry *registry = open_two_versions(*state, hashes);
    uint32_t from = 0;
    tm_current *one = load(registry, NULL);
    const tm_promotion promotion = {.version = 2, .force = true};
    assert_int_equal(tm__registry_promote(registry, "tiny", &promotion, &actor, &from, NULL),
                     TM_OK);
    break_file(*state, &hashes[1]);
    tm_current *two = load(registry, one);
    assert_int_equal(two->routes[0]->version, 1);
    assert_true(two->routes[0]->is_stale);
    assert_ptr_equal(two->routes[0]->bundle, one->routes[0]->bundle);
    tm_current *fresh =
        load(registry, NULL); /* as after a restart: the champion before is opened */
    assert_non_null(fresh->routes[0]->bundle);
    assert_int_equal(fresh->routes[0]->version, 1);
    assert_true(fresh->routes[0]->is_stale);
    break_file(*state, &hashes[0]);
    tm_current *none = load(registry, NULL);
    assert_null(none->routes[0]->bundle);
    tm__current_unref(one);
    tm__current_unref(two);
    tm__current_unref(fresh);
    tm__current_unref(none);
    tm__registry_close(registry);
}

static uint32_t promote(tm_registry *registry, uint32_t version) {
    uint32_t from = 0;
    const tm_promotion promotion = {.version = version, .force = true};
    assert_int_equal(tm__registry_promote(registry, "tiny", &promotion, &actor, &from, NULL),
                     TM_OK);
    return from;
}

static tm_current *load_with(tm_registry *registry, const tm_current_past *past) {
    tm_current *out = NULL;
    assert_int_equal(tm__current_load(registry, past, &quiet, &out, NULL), TM_OK);
    return out;
}

/* What a load gives when what is to be kept is opened besides, as the server does. */
static tm_status load_and_keep(tm_registry *registry, tm_current_past past, tm_current **out) {
    uint32_t next = 0;
    tm_current *now = NULL;
    tm_status st = tm__current_load(registry, &past, &quiet, &now, NULL);
    for (tm_served *opened = now == NULL ? NULL : now->routes[0]; st == TM_OK && opened != NULL;) {
        past.latest = now;
        past.opened = NULL;
        st = tm__current_keep(registry, &past, &quiet, &next, &opened, NULL);
        if (st == TM_OK && opened != NULL) {
            tm_current *full = NULL;
            past.opened = opened;
            st = tm__current_load(registry, &past, &quiet, &full, NULL);
            tm__served_unref(opened);
            if (st == TM_OK) {
                tm__current_unref(now);
                now = full;
            }
        }
    }
    if (st != TM_OK) {
        tm__current_unref(now);
        return st;
    }
    *out = now;
    return TM_OK;
}

static tm_current *load_kept(tm_registry *registry, tm_current_past past) {
    tm_current *out = NULL;
    assert_int_equal(load_and_keep(registry, past, &out), TM_OK);
    return out;
}

static void what_may_be_asked_for_is_kept_ready(void **state) {
    tm_hash hashes[2];
    tm_registry *registry = open_two_versions(*state, hashes);
    tm_current *start = load(registry, NULL);
    tm_served *one = start->routes[0];
    assert_int_equal(start->n_kept, 0); /* at the start only what is served is opened */
    assert_ptr_equal(tm__current_version(start, one, 0), one);
    assert_ptr_equal(tm__current_version(start, one, 1), one);
    assert_null(tm__current_version(start, one, 2));
    tm_current *full = load_kept(registry, (tm_current_past){.latest = start});
    assert_ptr_equal(full->routes[0], one);
    assert_int_equal(full->n_kept, 1); /* the challenger */
    tm_served *two = tm__current_version(full, one, 2);
    assert_int_equal(two->version, 2);
    assert_true(full->bytes > start->bytes && start->bytes == one->bytes);
    promote(registry, 2);
    tm_current *moved = load(registry, full); /* nothing is opened: pointers change places */
    assert_ptr_equal(moved->routes[0], two);
    assert_ptr_equal(tm__current_version(moved, two, 1), one);
    tm_current *again = load_kept(registry, (tm_current_past){.latest = moved});
    assert_int_equal(again->n_kept, 1);
    /* After a start, what a rollback would bring back is opened. */
    tm_current *fresh = load(registry, NULL);
    tm_current *ready = load_kept(registry, (tm_current_past){.latest = fresh});
    assert_int_equal(ready->n_kept, 1);
    assert_int_equal(ready->kept[0]->version, 1);
    tm_current *const all[] = {start, full, moved, again, fresh, ready};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        tm__current_unref(all[i]);
    }
    tm__registry_close(registry);
}

static void what_does_not_fit_is_refused_with_numbers_and_the_old_goes_on(void **state) {
    tm_hash hashes[2];
    tm_registry *registry = open_two_versions(*state, hashes);
    tm_current *one = load(registry, NULL);
    const uint64_t bytes = one->bytes;
    assert_true(bytes > 1000);
    promote(registry, 2);
    tm_current_past past = {.latest = one, .memory_max = bytes + bytes / 2};
    tm_current *tight = load_with(registry, &past);
    const tm_served *route = tight->routes[0];
    assert_int_equal(route->version, 1);
    assert_true(route->is_stale);
    assert_ptr_equal(route->bundle, one->routes[0]->bundle);
    assert_non_null(strstr(route->problem, "version 2 of 'tiny' needs 0.0 MiB beside the 0.0 MiB"));
    assert_true(tight->bytes <= past.memory_max);
    past.latest = tight;
    tm_current *same = load_with(registry, &past); /* the same refusal is nothing new */
    assert_ptr_equal(same->routes[0], route);
    past.memory_max = 3 * bytes; /* there is room now */
    tm_current *wide = load_with(registry, &past);
    assert_int_equal(wide->routes[0]->version, 2);
    assert_false(wide->routes[0]->is_stale);
    /* What is only kept goes first. */
    past = (tm_current_past){.latest = wide, .memory_max = 3 * bytes};
    tm_current *kept = load_kept(registry, past);
    assert_int_equal(kept->n_kept, 1);
    past = (tm_current_past){.latest = kept, .memory_max = bytes + bytes / 2};
    tm_current *shed = load_kept(registry, past);
    assert_int_equal(shed->routes[0]->version, 2);
    assert_int_equal(shed->n_kept, 0);
    /* Not even the first fits: the route is there and cannot answer. */
    tm_current *none = load_with(registry, &(tm_current_past){.memory_max = bytes / 2});
    assert_null(none->routes[0]->bundle);
    assert_non_null(strstr(none->routes[0]->problem, "--memory-limit"));
    tm_current *const all[] = {one, tight, same, wide, kept, shed, none};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        tm__current_unref(all[i]);
    }
    tm__registry_close(registry);
}

/* A file that is whole, and says that its golden rows were answered otherwise. */
static void break_golden_row(const tm_home *home, const tm_hash *hash) {
    char *path = tm__home_bundle_path(home, hash);
    tm_buf bytes;
    tm_bundle_file file;
    tm__buf_init(&bytes, 1u << 24);
    assert_int_equal(tm__fs_read_all(path, &bytes, NULL), TM_OK);
    assert_int_equal(tm__bundle_file_check(bytes.data, bytes.len, &file, NULL), TM_OK);
    const tm_bytes golden = file.sections[TM_SECTION_GOLDEN];
    bytes.data[golden.data - bytes.data + (ptrdiff_t)golden.len - 8] ^= 1;
    bundle_bytes_mend(bytes.data, bytes.len);
    assert_int_equal(tm__fs_publish(path, bytes.data, bytes.len, NULL), TM_OK);
    tm__buf_done(&bytes);
    tm__mem_free(path);
}

static void other_answers_to_golden_rows_are_not_served(void **state) {
    tm_hash hashes[2];
    tm_registry *registry = open_two_versions(*state, hashes);
    tm_current *one = load(registry, NULL);
    break_golden_row(*state, &hashes[1]);
    promote(registry, 2);
    tm_current *two = load(registry, one);
    assert_int_equal(two->routes[0]->version, 1);
    assert_true(two->routes[0]->is_stale);
    assert_non_null(strstr(two->routes[0]->problem, "golden row 16"));
    /* Nor is it made ready for a move. */
    tm_version wanted = {0};
    tm_served *served = NULL;
    tm_err err = {0};
    const tm_current_past past = {.latest = one};
    assert_int_equal(tm__registry_find(registry, "tiny@2", &wanted, NULL), TM_OK);
    assert_int_equal(tm__current_prepare(registry, &past, &wanted, &served, &err), TM_E_INTEGRITY);
    assert_null(served);
    tm__version_done(&wanted);
    tm__current_unref(one);
    tm__current_unref(two);
    tm__registry_close(registry);
}

static void what_was_prepared_is_served_as_it_is(void **state) {
    tm_hash hashes[2];
    tm_registry *registry = open_two_versions(*state, hashes);
    tm_current *one = load(registry, NULL);
    tm_version wanted = {0};
    tm_served *served = NULL;
    tm_current_past past = {.latest = one, .n_desks = 3};
    assert_int_equal(tm__registry_find(registry, "tiny@2", &wanted, NULL), TM_OK);
    assert_int_equal(tm__current_prepare(registry, &past, &wanted, &served, NULL), TM_OK);
    assert_int_equal(served->n_scratches, 3);
    promote(registry, 2);
    past.prepared = served;
    tm_current *two = load_with(registry, &past);
    assert_ptr_equal(two->routes[0], served);
    /* For one that fails inside the champion answers, for that the one before, for that nobody. */
    assert_int_equal(two->n_kept, 1);
    assert_ptr_equal(tm__current_spare(two, served, served), two->kept[0]);
    assert_ptr_equal(tm__current_spare(two, served, two->kept[0]), served);
    assert_null(tm__current_spare(one, one->routes[0], one->routes[0]));
    tm__served_unref(served);
    served = NULL;
    past.latest = two;
    past.prepared = NULL;
    assert_int_equal(tm__current_prepare(registry, &past, &wanted, &served, NULL), TM_OK);
    assert_null(served); /* it is ready */
    tm__version_done(&wanted);
    tm__current_unref(one);
    tm__current_unref(two);
    tm__registry_close(registry);
}

static void keys_count_also_when_they_are_revoked(void **state) {
    tm_hash hashes[2];
    tm_registry *registry = open_two_versions(*state, hashes);
    tm_current *c = load(registry, NULL);
    assert_false(c->keyring.ever);
    tm__current_unref(c);
    tm_key key;
    tm__key_create(&key);
    assert_int_equal(tm__registry_key_add(registry, &key, &(tm_key_terms){.role = TM_GUARD_VIEWER},
                                          &actor, NULL),
                     TM_OK);
    c = load(registry, NULL);
    assert_true(c->keyring.ever);
    assert_int_equal(c->keyring.n, 1);
    assert_string_equal(c->keyring.keys[0].id, key.id);
    assert_int_equal(c->keyring.keys[0].role, TM_GUARD_VIEWER);
    tm__current_unref(c);
    assert_int_equal(tm__registry_key_revoke(registry, key.id, &actor, NULL), TM_OK);
    c = load(registry, NULL);
    assert_true(c->keyring.ever);
    assert_int_equal(c->keyring.n, 0);
    tm__current_unref(c);
    tm__registry_close(registry);
}

static bool load_all(void *home) {
    tm_registry *registry = NULL;
    tm_current *out = NULL;
    tm_status st = tm__registry_open(home, &registry, NULL);
    if (st == TM_OK) {
        st = load_and_keep(registry, (tm_current_past){0}, &out);
    }
    assert_true(st == TM_OK || st == TM_E_NOMEM);
    assert_true(st != TM_OK || out->routes[0]->bundle != NULL);
    tm__current_unref(out);
    tm__registry_close(registry);
    return st == TM_OK;
}

/* A model that there was no memory for is not served as broken. */
static void without_memory_nothing_leaks_and_all_is_loaded_or_nothing(void **state) {
    tm_hash hashes[2];
    tm__registry_close(open_two_versions(*state, hashes));
    test_each_mem_fault(load_all, *state);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_HOME(what_stays_is_shared_and_a_rollback_loads_nothing),
        IN_HOME(a_broken_file_keeps_the_version_before),
        IN_HOME(what_may_be_asked_for_is_kept_ready),
        IN_HOME(what_does_not_fit_is_refused_with_numbers_and_the_old_goes_on),
        IN_HOME(other_answers_to_golden_rows_are_not_served),
        IN_HOME(what_was_prepared_is_served_as_it_is),
        IN_HOME(keys_count_also_when_they_are_revoked),
        IN_HOME(without_memory_nothing_leaks_and_all_is_loaded_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
