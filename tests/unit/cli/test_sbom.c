/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/json.h"
#include "cli/sbom.h"
#include "test.h"
#include "tidemill/bundle.h"

static const json_t *component(const json_t *bill, const char *name) {
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(json_object_get(bill, "components"), i, one) {
        if (strcmp(tm__json_text(one, "name", ""), name) == 0) {
            return one;
        }
    }
    fail_msg("no component '%s'", name);
    return NULL;
}

static const char *ref_of(const json_t *bill, size_t i) {
    return tm__json_text(json_array_get(json_object_get(bill, "components"), i), "bom-ref", "");
}

static const char *hash_of(const json_t *one) {
    const json_t *const hash = json_array_get(json_object_get(one, "hashes"), 0);
    assert_string_equal(tm__json_text(hash, "alg", ""), "BLAKE2b-256");
    return tm__json_text(hash, "content", "");
}

/* What the format asks for: its name, and that each thing that is named in a dependency is there.
 */
static const json_t *checked(const json_t *bill) {
    const json_t *const subject = json_object_get(json_object_get(bill, "metadata"), "component");
    const json_t *const needs = json_array_get(json_object_get(bill, "dependencies"), 0);
    size_t i = 0;
    const json_t *one = NULL;
    assert_string_equal(tm__json_text(bill, "bomFormat", ""), "CycloneDX");
    assert_string_equal(tm__json_text(bill, "specVersion", ""), "1.6");
    assert_string_equal(tm__json_text(needs, "ref", ""), tm__json_text(subject, "bom-ref", "-"));
    json_array_foreach(json_object_get(needs, "dependsOn"), i, one) {
        assert_string_equal(ref_of(bill, i), json_string_value(one));
    }
    assert_int_equal(i, json_array_size(json_object_get(bill, "components")));
    return subject;
}

static void a_program_names_its_libraries_with_their_versions(void **state) {
    (void)state;
    json_t *bill = NULL, *again = NULL;
    assert_int_equal(tm__sbom_program(&bill, NULL), TM_OK);
    assert_string_equal(tm__json_text(checked(bill), "version", ""), tm_version_text());
    const json_t *const sqlite = component(bill, "sqlite");
    assert_memory_equal(tm__json_text(sqlite, "version", ""), "3.", 2);
    assert_memory_equal(tm__json_text(sqlite, "purl", ""), "pkg:generic/sqlite@3.", 21);
    assert_memory_equal(tm__json_text(component(bill, "openssl"), "version", "3."), "3.", 2);
    assert_string_equal(tm__json_text(component(bill, "duckdb"), "scope", ""), "optional");
    assert_null(json_object_get(component(bill, "libpq"), "version"));
    assert_int_equal(tm__sbom_program(&again, NULL), TM_OK);
    assert_true(json_equal(bill, again));
    json_decref(again);
    json_decref(bill);
}

static void a_version_names_its_file_rows_recipe_and_program_by_hash(void **state) {
    (void)state;
    json_t *bill = NULL;
    json_t *const full = json_pack(
        "{s:s, s:i, s:s, s:{s:s, s:n, s:s, s:s}, s:[{s:s, s:s, s:s}]}", "model", "late", "version",
        3, "bundle_hash", "aa", "lineage", "snapshot", "bb", "test_snapshot", "recipe_hash", "cc",
        "code", "0.1.0", "modules", "name", "knn", "version", "1.0", "hash", "dd");
    assert_int_equal(tm__sbom_version(full, &bill, NULL), TM_OK);
    const json_t *const subject = checked(bill);
    assert_string_equal(tm__json_text(subject, "bom-ref", ""), "late@3");
    assert_string_equal(tm__json_text(subject, "type", ""), "machine-learning-model");
    assert_string_equal(hash_of(subject), "aa");
    assert_string_equal(hash_of(component(bill, "rows")), "bb");
    assert_string_equal(hash_of(component(bill, "recipe")), "cc");
    assert_string_equal(tm__json_text(component(bill, "tidemill"), "version", ""), "0.1.0");
    assert_int_equal(json_array_size(json_object_get(bill, "components")), 4);
    assert_string_equal(hash_of(component(bill, "knn")), "dd");
    json_decref(bill);
    json_decref(full);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_names_its_libraries_with_their_versions),
        cmocka_unit_test(a_version_names_its_file_rows_recipe_and_program_by_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
