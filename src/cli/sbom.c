/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sbom.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/doctor.h"
#include "tidemill/bundle.h"

/* Of the libraries that doctor looks at by these names, and of those that modules of the program
 * open when a source or a sink asks for them. */
typedef struct library {
    const char *name, *license; /* SPDX */
    bool is_optional;
} library;

static const library libraries[] = {
    {"duckdb", "MIT", true},
    {"sqlite", "blessing", false},
    {"lmdb", "OLDAP-2.8", false},
    {"zstd", "BSD-3-Clause", false},
    {"libsodium", "ISC", false},
    {"openssl", "Apache-2.0", true},
    {"libyaml", "MIT", false},
    {"jansson", "MIT", false},
    {"llhttp", "MIT", false},
    {"libc", "LGPL-2.1-or-later", false},
    {"libseccomp", "LGPL-2.1-only", true},
    {"libpq", "PostgreSQL", true},
    {"unixodbc", "LGPL-2.1-or-later", true},
    {"librdkafka", "BSD-2-Clause", true},
    {"libcurl", "curl", true},
    {"zlib", "Zlib", true},
};

/* The version in what doctor found: "OpenSSL 3.0.19 27 Jan 2026" and "v1.4.4, PATH" have one. */
void tm__library_version(const tm_checks *checks, const char *name, char out[64]) {
    out[0] = '\0';
    for (uint32_t i = 0; i < checks->n; i++) {
        const tm_check *const check = &checks->list[i];
        const char *at = check->found + strcspn(check->found, "0123456789");
        const size_t len = strcspn(at, ", ");
        if (strcmp(check->name, name) == 0 && (check->state == TM_CHECK_OK || len == strlen(at) ||
                                               strstr(at, "built against") != NULL)) {
            (void)snprintf(out, 64, "%.*s", (int)len, at);
        }
    }
}

static json_t *library_json(const library *lib, const char *version) {
    json_t *const value =
        json_pack("{s:s, s:s, s:s, s:s, s:[{s:{s:s}}]}", "type", "library", "bom-ref", lib->name,
                  "name", lib->name, "scope", lib->is_optional ? "optional" : "required",
                  "licenses", "license", "id", lib->license);
    if (version[0] != '\0') {
        json_object_set_new(value, "version", json_string(version));
        json_object_set_new(value, "purl", json_sprintf("pkg:generic/%s@%s", lib->name, version));
    }
    return value;
}

static json_t *program_json(const char *version) {
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:[{s:{s:s}}]}", "type", "application", "bom-ref",
                     "tidemill", "name", "tidemill", "version", version, "purl",
                     "pkg:generic/tidemill", "licenses", "license", "id", "Apache-2.0");
}

/* Takes what it is given; subject is what the bill is of. */
static tm_status bill(json_t *subject, json_t *components, json_t *needs, json_t **out,
                      tm_err *err) {
    json_t *const ref = json_incref(json_object_get(subject, "bom-ref"));
    json_t *const value =
        json_pack("{s:s, s:s, s:i, s:{s:o}, s:o, s:[{s:o, s:o}]}", "bomFormat", "CycloneDX",
                  "specVersion", "1.6", "version", 1, "metadata", "component", subject,
                  "components", components, "dependencies", "ref", ref, "dependsOn", needs);
    const tm_status st =
        value == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory for a bill") : tm__json_check(err);
    return tm__json_give(st, value, out, err);
}

tm_status tm__sbom_program(json_t **out, tm_err *err) {
    tm_checks checks = {.n = 0};
    char version[64];
    json_t *const components = json_array(), *const needs = json_array();
    tm__check_libraries(&checks);
    for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
        tm__library_version(&checks, libraries[i].name, version);
        json_array_append_new(components, library_json(&libraries[i], version));
        json_array_append_new(needs, json_string(libraries[i].name));
    }
    return bill(program_json(tm_version_text()), components, needs, out, err);
}

/* A file or a text that is known by its BLAKE2b-256. */
static void add_hashed(json_t *components, json_t *needs, const char *name, const char *hash) {
    if (hash[0] != '\0') {
        json_array_append_new(components, json_pack("{s:s, s:s, s:s, s:[{s:s, s:s}]}", "type",
                                                    "data", "bom-ref", name, "name", name, "hashes",
                                                    "alg", "BLAKE2b-256", "content", hash));
        json_array_append_new(needs, json_string(name));
    }
}

static void add_modules(json_t *components, json_t *needs, const json_t *modules) {
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(modules, i, one) {
        json_t *const ref = json_sprintf("module %s", tm__json_text(one, "name", ""));
        json_array_append_new(
            components, json_pack("{s:s, s:O, s:s, s:s, s:[{s:s, s:s}]}", "type", "library",
                                  "bom-ref", ref, "name", tm__json_text(one, "name", ""), "version",
                                  tm__json_text(one, "version", ""), "hashes", "alg", "BLAKE2b-256",
                                  "content", tm__json_text(one, "hash", "")));
        json_array_append_new(needs, ref);
    }
}

tm_status tm__sbom_version(const json_t *full, json_t **out, tm_err *err) {
    const json_t *const lineage = json_object_get(full, "lineage");
    const char *const model = tm__json_text(full, "model", "");
    const long long number = (long long)tm__json_i64(full, "version", 0);
    json_t *const components = json_array(), *const needs = json_array();
    json_t *const subject =
        json_pack("{s:s, s:o, s:s, s:o, s:[{s:s, s:s}]}", "type", "machine-learning-model",
                  "bom-ref", json_sprintf("%s@%lld", model, number), "name", model, "version",
                  json_sprintf("%lld", number), "hashes", "alg", "BLAKE2b-256", "content",
                  tm__json_text(full, "bundle_hash", ""));
    add_hashed(components, needs, "rows", tm__json_text(lineage, "snapshot", ""));
    add_hashed(components, needs, "test rows", tm__json_text(lineage, "test_snapshot", ""));
    add_hashed(components, needs, "recipe", tm__json_text(lineage, "recipe_hash", ""));
    add_modules(components, needs, json_object_get(full, "modules"));
    const char *const code = tm__json_text(lineage, "code", "");
    if (code[0] != '\0') {
        json_array_append_new(components, program_json(code));
        json_array_append_new(needs, json_string("tidemill"));
    }
    return bill(subject, components, needs, out, err);
}
