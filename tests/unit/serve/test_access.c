/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/serve_priv.h"
#include "test.h"

static const char address[] = "127.0.0.1:8080";

/* A server key of zeros, as in a keyring that names none. */
static tm_hash sealed(const tm_key *key) {
    static const tm_server_key zero;
    tm_hash out;
    tm__key_seal(&zero, &key->hash, &out);
    return out;
}

static tm_access ask(const tm_keyring *keys, tm_permission permission, const char *key) {
    char bearer[128];
    (void)snprintf(bearer, sizeof bearer, "Bearer %s", key != NULL ? key : "");
    const tm_access_request r = {
        .permission = permission,
        .authorization = key != NULL ? tm__str(bearer) : (tm_str){NULL, 0},
        .host = TM_STR("localhost:8080"),
        .peer_is_loopback = true,
        .place.address = address,
    };
    tm_access out;
    tm__access_check(keys, &r, &out);
    return out;
}

static int by_id(const void *a, const void *b) {
    return strcmp(((const tm_known_key *)a)->id, ((const tm_known_key *)b)->id);
}

/* Every endpoint of the table with every role, without a key, with a wrong one and with a revoked
 * one: what is allowed is exactly what the role's permissions say. */
static void every_endpoint_and_every_role(void **state) {
    (void)state;
    tm_key keys[TM_GUARD_AUDITOR];
    tm_key revoked;
    tm_known_key known[TM_GUARD_AUDITOR];
    for (uint32_t i = 0; i < TM_GUARD_AUDITOR; i++) {
        tm__key_create(&keys[i]);
        known[i] = (tm_known_key){.role = (tm_guard_role)(i + 1), .hash = sealed(&keys[i])};
        memcpy(known[i].id, keys[i].id, sizeof known[i].id);
    }
    tm__key_create(&revoked);
    qsort(known, TM_GUARD_AUDITOR, sizeof known[0], by_id);
    const tm_keyring ring = {.ever = true, .n = TM_GUARD_AUDITOR, .keys = known};
    const tm_keyring all_revoked = {.ever = true};
    for (uint32_t e = 0; e < tm__endpoint_count(); e++) {
        const tm_permission permission = tm__endpoint_get(e)->permission;
        const bool is_public =
            permission == TM_PERMISSION_PUBLIC || permission == TM_PERMISSION_LOGIN;
        for (uint32_t i = 0; i < TM_GUARD_AUDITOR; i++) {
            const tm_guard_role role = (tm_guard_role)(i + 1);
            const bool can = is_public || tm__guard_role_can(role, permission);
            const tm_access a = ask(&ring, permission, keys[i].text);
            assert_int_equal(a.status, can ? 200 : 403);
            if (can && !is_public) {
                assert_int_equal(a.role, role);
                assert_memory_equal(a.actor, "key:", 4);
                assert_string_equal(a.actor + 4, keys[i].id);
            }
        }
        assert_int_equal(ask(&ring, permission, NULL).status, is_public ? 200 : 401);
        assert_int_equal(ask(&ring, permission, "wrong").status, is_public ? 200 : 401);
        assert_int_equal(ask(&ring, permission, revoked.text).status, is_public ? 200 : 401);
        assert_int_equal(ask(&all_revoked, permission, NULL).status, is_public ? 200 : 401);
    }
}

static tm_access ask_about(const tm_keyring *ring, const char *key, const char *model,
                           bool is_general, int64_t now_us) {
    const tm_access_request r = {
        .permission = TM_PERMISSION_PREDICT,
        .api_key = tm__str(key),
        .place.address = address,
        .model = model == NULL ? (tm_str){NULL, 0} : tm__str(model),
        .is_general = is_general,
        .now_us = now_us,
        .now_ns = 1,
    };
    tm_access out;
    tm__access_check(ring, &r, &out);
    return out;
}

static void a_key_of_one_model_is_for_that_model(void **state) {
    (void)state;
    tm_key key;
    tm__key_create(&key);
    char models[] = "late,churn";
    tm_known_key known = {.role = TM_GUARD_CLIENT, .hash = sealed(&key), .models = models};
    memcpy(known.id, key.id, sizeof known.id);
    const tm_keyring ring = {.ever = true, .n = 1, .keys = &known};
    assert_int_equal(ask_about(&ring, key.text, "late", false, 0).status, 200);
    assert_int_equal(ask_about(&ring, key.text, "churn", false, 0).status, 200);
    assert_int_equal(ask_about(&ring, key.text, "other", false, 0).status, 403);
    assert_int_equal(ask_about(&ring, key.text, "", false, 0).status, 403);
    assert_int_equal(ask_about(&ring, key.text, NULL, false, 0).status, 403);
    assert_int_equal(ask_about(&ring, key.text, NULL, true, 0).status, 200);
}

static void a_key_ends_when_it_says(void **state) {
    (void)state;
    tm_key key;
    tm__key_create(&key);
    tm_known_key known = {.role = TM_GUARD_CLIENT, .hash = sealed(&key), .expires_us = 1000};
    memcpy(known.id, key.id, sizeof known.id);
    const tm_keyring ring = {.ever = true, .n = 1, .keys = &known};
    assert_int_equal(ask_about(&ring, key.text, "late", false, 999).status, 200);
    assert_int_equal(ask_about(&ring, key.text, "late", false, 1000).status, 401);
}

static void a_rate_that_is_used_up_says_when_to_come_again(void **state) {
    (void)state;
    tm_key key;
    tm__key_create(&key);
    tm_key_meter meter = {.refs = 1};
    tm_known_key known = {.role = TM_GUARD_CLIENT,
                          .hash = sealed(&key),
                          .n_rates = 2,
                          .rates = {{100, UINT64_C(1000000000)}, {2, UINT64_C(10000000000)}},
                          .meter = &meter};
    memcpy(known.id, key.id, sizeof known.id);
    const tm_keyring ring = {.ever = true, .n = 1, .keys = &known};
    assert_int_equal(ask_about(&ring, key.text, "late", false, 0).status, 200);
    assert_int_equal(ask_about(&ring, key.text, "late", false, 0).status, 200);
    const tm_access a = ask_about(&ring, key.text, "late", false, 0);
    assert_int_equal(a.status, 429);
    assert_int_equal(a.retry_after_s, 5);
}

static unsigned ask_again(const tm_keyring *keys, tm_key_memory *memory, const char *text,
                          int64_t now_us) {
    const tm_access_request r = {.permission = TM_PERMISSION_PREDICT,
                                 .api_key = tm__str(text),
                                 .memory = memory,
                                 .host = TM_STR("localhost:8080"),
                                 .peer_is_loopback = true,
                                 .place.address = address,
                                 .is_general = true,
                                 .now_us = now_us};
    tm_access out;
    tm__access_check(keys, &r, &out);
    return out.status;
}

/* A connection that remembers its key is still held to all that may change about it. */
static void a_remembered_key_is_checked_like_any_other(void **state) {
    (void)state;
    tm_key key, other;
    tm__key_create(&key);
    tm__key_create(&other);
    tm_known_key known = {.role = TM_GUARD_CLIENT, .hash = sealed(&key), .expires_us = 1000};
    memcpy(known.id, key.id, sizeof known.id);
    tm_keyring ring = {.number = 7, .ever = true, .n = 1, .keys = &known};
    tm_key_memory memory = {0};
    assert_int_equal(ask_again(&ring, &memory, other.text, 0), 401);
    assert_int_equal(memory.ring, 0);
    assert_int_equal(ask_again(&ring, &memory, key.text, 0), 200);
    assert_int_equal(memory.ring, 7);
    memset(&known.hash, 0, sizeof known.hash); /* so that who is let in was remembered */
    assert_int_equal(ask_again(&ring, &memory, key.text, 999), 200);
    assert_int_equal(ask_again(&ring, &memory, key.text, 1000), 401); /* expired */
    char near[TM_KEY_TEXT];
    for (size_t i = 0; i < TM_KEY_TEXT - 1; i++) {
        memcpy(near, key.text, sizeof near);
        near[i] = near[i] == 'A' ? 'B' : 'A';
        assert_int_equal(ask_again(&ring, &memory, near, 0), 401);
    }
    near[TM_KEY_TEXT - 2] = '\0';
    assert_int_equal(ask_again(&ring, &memory, near, 0), 401);
    known.role = TM_GUARD_NOBODY;
    assert_int_equal(ask_again(&ring, &memory, key.text, 0), 403);
    known.role = TM_GUARD_CLIENT;
    ring.number = 8; /* another keyring: nothing is remembered */
    assert_int_equal(ask_again(&ring, &memory, key.text, 0), 401);
    const tm_keyring revoked = {.number = 9, .ever = true};
    assert_int_equal(ask_again(&revoked, &memory, key.text, 0), 401);
    tm__key_forget(&memory);
    assert_int_equal(memory.text[5], 0);
}

static void without_keys_only_what_changes_nothing_is_open(void **state) {
    (void)state;
    const tm_keyring none = {0};
    assert_int_equal(ask(&none, TM_PERMISSION_PREDICT, NULL).status, 200);
    assert_int_equal(ask(&none, TM_PERMISSION_LABEL, NULL).status, 200);
    assert_int_equal(ask(&none, TM_PERMISSION_READ, NULL).status, 200);
    assert_int_equal(ask(&none, TM_PERMISSION_PROMOTE, NULL).status, 403);
    assert_int_equal(ask(&none, TM_PERMISSION_TRAIN, NULL).status, 403);
    assert_int_equal(ask(&none, TM_PERMISSION_ADMIN, NULL).status, 403);
    assert_int_equal(ask(&none, TM_PERMISSION_INGEST, NULL).status, 403);
    assert_int_equal(ask(&none, TM_PERMISSION_NONE, NULL).status, 403);
    assert_int_equal(ask(&none, TM_PERMISSION_READ, "anything").status, 401);
}

typedef struct host_case {
    const char *host;
    bool ok;
} host_case;

static const host_case hosts[] = {
    {"localhost", true},
    {"LOCALHOST:1", true},
    {"127.0.0.1:8080", true},
    {"[::1]:8080", true},
    {"[::1]", true},
    {"evil.example", false},
    {"localhost.evil", false},
    {"127.0.0.1.evil:80", false},
    {"", false},
    {"127.0.0.2", false},
    {"[::1].evil", false},
};

static unsigned ask_from(const tm_keyring *keys, const tm_access_request *about) {
    tm_access_request r = *about;
    r.permission = TM_PERMISSION_PREDICT;
    r.peer_is_loopback = true;
    r.place.address = address;
    tm_access out;
    tm__access_check(keys, &r, &out);
    return out.status;
}

static void strange_hosts_are_refused_while_there_is_no_key(void **state) {
    (void)state;
    const tm_keyring none = {0};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        const tm_access_request r = {.host = tm__str(hosts[i].host)};
        assert_int_equal(tm__access_host_is_ours(tm__str(hosts[i].host), address), hosts[i].ok);
        assert_int_equal(ask_from(&none, &r), hosts[i].ok ? 200 : 403);
    }
    assert_int_equal(ask_from(&none, &(tm_access_request){0}), 200);
    const tm_access_request far = {.permission = TM_PERMISSION_PREDICT,
                                   .host = TM_STR("localhost"),
                                   .peer_is_loopback = false,
                                   .place.address = address};
    tm_access out;
    tm__access_check(&none, &far, &out);
    assert_int_equal(out.status, 403);
}

static void with_a_key_names_need_leave_and_addresses_do_not(void **state) {
    (void)state;
    static const struct {
        const char *host;
        unsigned status;
    } cases[] = {
        {"localhost:8080", 200},
        {"10.0.0.7:8443", 200},
        {"[2001:db8::1]:8443", 200},
        {"[2001:db8::1]", 200},
        {"ml.example", 200},
        {"ML.example:8443", 200},
        {"second.example", 200},
        {"evil.example", 403},
        {"ml.example.evil", 403},
        {"evil-ml.example", 403},
        {"10.0.0.7.evil", 403},
        {"1.2.3", 403},
        {"ml.example,second.example", 403},
        {"[2001:db8::1].evil", 403},
        {"", 403},
    };
    tm_key key;
    tm__key_create(&key);
    tm_known_key known = {.role = TM_GUARD_CLIENT, .hash = sealed(&key)};
    memcpy(known.id, key.id, sizeof known.id);
    const tm_keyring ring = {.ever = true, .n = 1, .keys = &known};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_access_request r = {.host = tm__str(cases[i].host),
                               .api_key = tm__str(key.text),
                               .place.hosts = "ml.example, second.example"};
        const unsigned status = ask_from(&ring, &r);
        if (status != cases[i].status) {
            fail_msg("'%s': %u", cases[i].host, status);
        }
    }
}

typedef struct origin_case {
    const char *host, *origin;
    bool is_tls;
    unsigned status;
} origin_case;

static const origin_case origins[] = {
    {"localhost:8080", "http://localhost:8080", false, 200},
    {"LOCALHOST:8080", "http://localhost:8080", false, 200},
    {"127.0.0.1:8080", "http://127.0.0.1:8080", false, 200},
    {"localhost:8080", "http://localhost:3000", false, 403}, /* another program's page */
    {"localhost:8080", "http://127.0.0.1:8080", false, 403},
    {"localhost:8080", "http://localhost", false, 403},
    {"localhost:8080", "https://localhost:8080", false, 200}, /* a proxy may do TLS */
    {"localhost:8080", "https://localhost:8080", true, 200},
    {"localhost:8080", "http://localhost:8080", true, 403},
    {"localhost:8080", "https://evil.example", false, 403},
    {"localhost:8080", "null", false, 403},
    {"localhost:8080", "", false, 403},
    {"localhost:8080", "http://", false, 403},
    {"localhost:8080", "ftp://localhost:8080", false, 403},
    {"localhost:8080", "localhost:8080", false, 403},
    {"localhost:8080", "https://app.example", false, 200},
    {"localhost:8080", "http://app.example", false, 403},
    {"localhost:8080", "https://app.example:444", false, 403},
    {"localhost:8080", "https://app.example/", false, 403},
    {NULL, "http://localhost:8080", false, 403},
};

static void pages_of_other_sites_are_refused_with_a_key_and_without(void **state) {
    (void)state;
    const tm_keyring none = {0};
    tm_key key;
    tm__key_create(&key);
    tm_known_key known = {.role = TM_GUARD_CLIENT, .hash = sealed(&key)};
    memcpy(known.id, key.id, sizeof known.id);
    const tm_keyring ring = {.ever = true, .n = 1, .keys = &known};
    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++) {
        tm_access_request r = {.origin = tm__str(origins[i].origin),
                               .is_tls = origins[i].is_tls,
                               .place.origins = "http://localhost:9, https://app.example"};
        if (origins[i].host != NULL) {
            r.host = tm__str(origins[i].host);
        }
        const unsigned without = ask_from(&none, &r);
        r.api_key = tm__str(key.text);
        const unsigned with = ask_from(&ring, &r);
        if (without != origins[i].status || with != origins[i].status) {
            fail_msg("'%s': %u without a key, %u with one", origins[i].origin, without, with);
        }
    }
}

static void a_key_may_stand_in_either_header(void **state) {
    (void)state;
    tm_key key;
    tm__key_create(&key);
    tm_known_key known = {.role = TM_GUARD_ADMIN, .hash = sealed(&key)};
    memcpy(known.id, key.id, sizeof known.id);
    const tm_keyring ring = {.ever = true, .n = 1, .keys = &known};
    tm_access_request r = {.permission = TM_PERMISSION_ADMIN,
                           .api_key = tm__str(key.text),
                           .host = TM_STR("10.1.2.3"),
                           .place.address = address};
    tm_access out;
    tm__access_check(&ring, &r, &out);
    assert_int_equal(out.status, 200);
    char text[128];
    (void)snprintf(text, sizeof text, "bearer  %s ", key.text);
    r.authorization = tm__str(text);
    r.api_key = (tm_str){NULL, 0};
    tm__access_check(&ring, &r, &out);
    assert_int_equal(out.status, 200);
    (void)snprintf(text, sizeof text, "Basic %s", key.text);
    r.authorization = tm__str(text);
    tm__access_check(&ring, &r, &out);
    assert_int_equal(out.status, 401);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_endpoint_and_every_role),
        cmocka_unit_test(a_key_of_one_model_is_for_that_model),
        cmocka_unit_test(a_key_ends_when_it_says),
        cmocka_unit_test(a_rate_that_is_used_up_says_when_to_come_again),
        cmocka_unit_test(without_keys_only_what_changes_nothing_is_open),
        cmocka_unit_test(strange_hosts_are_refused_while_there_is_no_key),
        cmocka_unit_test(with_a_key_names_need_leave_and_addresses_do_not),
        cmocka_unit_test(pages_of_other_sites_are_refused_with_a_key_and_without),
        cmocka_unit_test(a_remembered_key_is_checked_like_any_other),
        cmocka_unit_test(a_key_may_stand_in_either_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
