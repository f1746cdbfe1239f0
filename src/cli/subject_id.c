/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   ID, or a line each ──> set of ids ──> where the home has pseudonyms: which of both it knows
 */
#include "cli/subject_id.h"

#include <sodium.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "loop/subject.h"
#include "loop/subject_ids.h"
#include "store/privacy_key.h"

#define FILE_BYTES_MAX ((size_t)(TM_SUBJECT_ID_BYTES_MAX + 2) * TM_SUBJECTS_MAX)

static tm_status id_check(tm_str id, tm_err *err) {
    if (id.len == 0 || id.len > TM_SUBJECT_ID_BYTES_MAX || !tm__str_is_utf8(id) ||
        memchr(id.ptr, '\0', id.len) != NULL) {
        return TM_FAIL(err, TM_E_USAGE, "the id of a subject is a text of 1 to %u bytes",
                       TM_SUBJECT_ID_BYTES_MAX);
    }
    return TM_OK;
}

static tm_status copy(tm_str id, char **out, tm_err *err) {
    TM_TRY(id_check(id, err));
    char *text = tm__mem_alloc(id.len + 1, 1);
    if (text == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    memcpy(text, id.ptr, id.len);
    text[id.len] = '\0';
    *out = text;
    return TM_OK;
}

tm_status tm__cli_subject_read(const char *text, char **out, tm_err *err) {
    tm_buf input;
    if (strcmp(text, "-") != 0) {
        return copy(tm__str(text), out, err);
    }
    tm__buf_init(&input, TM_SUBJECT_ID_BYTES_MAX + 2);
    tm_status st = tm__fs_read_all("/dev/stdin", &input, err);
    if (st == TM_OK) {
        tm_str rest = {(const char *)input.data, input.len};
        st = copy(tm__str_trim(tm__str_cut(&rest, '\n')), out, err);
    }
    if (input.len > 0) {
        sodium_memzero(input.data, input.len);
    }
    tm__buf_done(&input);
    return st;
}

void tm__cli_subject_done(char *id) {
    if (id != NULL) {
        sodium_memzero(id, strlen(id));
        tm__mem_free(id);
    }
}

/* ---- Several ---- */

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static tm_status add(tm_dict *ids, tm_str id, tm_err *err) {
    return tm__dict_add(ids, id) == TM_CODE_MISSING ? no_memory(err) : TM_OK;
}

static tm_status add_one(const char *text, tm_dict *ids, tm_err *err) {
    char *id = NULL;
    TM_TRY(tm__cli_subject_read(text, &id, err));
    const tm_status st = add(ids, tm__str(id), err);
    tm__cli_subject_done(id);
    return st;
}

static tm_status add_lines(tm_str text, tm_dict *ids, tm_err *err) {
    for (uint64_t line = 1; text.len > 0; line++) {
        const tm_str id = tm__str_trim(tm__str_cut(&text, '\n'));
        if (id.len == 0) {
            continue;
        }
        const tm_status st = id_check(id, err);
        if (st != TM_OK) {
            tm_err_hint(err, "It is the one of line %llu.", (unsigned long long)line);
            return st;
        }
        if (tm__dict_count(ids) == TM_SUBJECTS_MAX) {
            return TM_FAIL(err, TM_E_LIMIT, "there are more than %u ids", TM_SUBJECTS_MAX);
        }
        TM_TRY(add(ids, id, err));
    }
    return tm__dict_count(ids) > 0 ? TM_OK : TM_FAIL(err, TM_E_USAGE, "the file holds no id");
}

static tm_status add_file(const char *path, tm_dict *ids, tm_err *err) {
    tm_buf text;
    tm__buf_init(&text, FILE_BYTES_MAX);
    tm_status st = tm__fs_read_all(strcmp(path, "-") == 0 ? "/dev/stdin" : path, &text, err);
    st = st == TM_OK ? add_lines((tm_str){(const char *)text.data, text.len}, ids, err) : st;
    if (text.len > 0) {
        sodium_memzero(text.data, text.len);
    }
    tm__buf_done(&text);
    return st;
}

tm_status tm__cli_subjects_read(const char *id, const char *path, tm_cli_subjects *out,
                                tm_err *err) {
    if ((id == NULL) == (path == NULL)) {
        return TM_FAIL(err, TM_E_USAGE, "give the id of a subject, or a file of ids");
    }
    out->ids = tm__dict_create();
    if (out->ids == NULL) {
        return no_memory(err);
    }
    return path == NULL ? add_one(id, out->ids, err) : add_file(path, out->ids, err);
}

/* Pseudonyms of ids: of each one, in their order. */
static tm_status name_all(const tm_place *place, const tm_dict *ids, char (*names)[TM_PRIVACY_ROOM],
                          tm_err *err) {
    tm_hash key;
    TM_TRY(tm__privacy_key_read(place->home, &key, err));
    for (uint32_t i = 0; i < tm__dict_count(ids); i++) {
        tm__privacy_pseudonym(&key, tm__dict_get(ids, i), names[i]);
    }
    tm__hash_reset(&key);
    return TM_OK;
}

/* Which ids the home knows: [n]. */
static tm_status ask_known(tm_ctx *ctx, const tm_place *place, const tm_dict *ids, uint64_t *known,
                           tm_err *err) {
    const tm_subject_ask ask = {.ids = ids, .counts_only = true, .counts = {known, known, known}};
    json_t *found = NULL;
    const tm_status st = tm__subject_find(ctx, place->home, place->registry, &ask, &found, err);
    json_decref(found);
    return st;
}

typedef struct renaming {
    tm_dict *names; /* the pseudonyms as a set; owned */
    tm_cli_subjects to;
    char (*name)[TM_PRIVACY_ROOM];  /* [n ids] */
    uint64_t *plain, *pseudonymous; /* [n ids], [names]: known */
} renaming;

static tm_status rename_one(renaming *r, const tm_dict *ids, uint32_t i, tm_err *err) {
    const tm_str id = tm__dict_get(ids, i);
    const char *const name = r->name[i];
    const bool is_other = !tm__str_is(id, name);
    if (is_other && r->plain[i] > 0 &&
        r->pseudonymous[tm__dict_find(r->names, tm__str(name))] > 0) {
        const tm_status st = TM_FAIL(
            err, TM_E_CONFLICT, "the home holds the subject twice: by the id and as '%s'", name);
        tm_err_hint(err, "Give '%s' first; when it is erased, give the id.", name);
        return st;
    }
    if (!is_other || r->plain[i] > 0) {
        return add(r->to.ids, id, err);
    }
    TM_TRY(add(r->to.before, id, err));
    return add(r->to.ids, tm__str(name), err);
}

static tm_status rename_all(tm_ctx *ctx, const tm_place *place, renaming *r, const tm_dict *ids,
                            tm_err *err) {
    const uint32_t n = tm__dict_count(ids);
    TM_TRY(name_all(place, ids, r->name, err));
    for (uint32_t i = 0; i < n; i++) {
        TM_TRY(add(r->names, tm__str(r->name[i]), err));
    }
    TM_TRY(ask_known(ctx, place, ids, r->plain, err));
    TM_TRY(ask_known(ctx, place, r->names, r->pseudonymous, err));
    for (uint32_t i = 0; i < n; i++) {
        TM_TRY(rename_one(r, ids, i, err));
    }
    return TM_OK;
}

static void say_names(tm_cli *cli, const tm_cli_subjects *subjects) {
    const uint32_t n = tm__dict_count(subjects->before);
    if (n == 1 && tm__dict_count(subjects->ids) == 1) {
        const tm_str name = tm__dict_get(subjects->ids, 0);
        tm__cli_print(cli, "rows hold the pseudonym '%.*s' in place of the id\n", (int)name.len,
                      name.ptr);
    } else if (n > 0) {
        tm__cli_print(cli, "rows hold pseudonyms in place of %u ids\n", n);
    }
}

tm_status tm__cli_subjects_find(tm_cli *cli, tm_ctx *ctx, const tm_place *place,
                                tm_cli_subjects *subjects, tm_err *err) {
    const size_t n = tm__dict_count(subjects->ids);
    bool has = false;
    TM_TRY(tm__subject_has_pseudonyms(place->home, place->registry, &has, err));
    if (!has) {
        return TM_OK;
    }
    renaming r = {.names = tm__dict_create(),
                  .to = {tm__dict_create(), tm__dict_create()},
                  .name = tm__mem_zalloc(n, TM_PRIVACY_ROOM),
                  .plain = tm__mem_zalloc(n, sizeof(uint64_t)),
                  .pseudonymous = tm__mem_zalloc(n, sizeof(uint64_t))};
    const bool has_all = r.names != NULL && r.to.ids != NULL && r.to.before != NULL &&
                         r.name != NULL && r.plain != NULL && r.pseudonymous != NULL;
    const tm_status st = has_all ? rename_all(ctx, place, &r, subjects->ids, err) : no_memory(err);
    if (st == TM_OK) {
        const tm_cli_subjects given = *subjects;
        *subjects = r.to;
        r.to = given;
        say_names(cli, subjects);
    }
    tm__cli_subjects_done(&r.to);
    tm__dict_free(r.names);
    tm__mem_free(r.name);
    tm__mem_free(r.plain);
    tm__mem_free(r.pseudonymous);
    return st;
}

void tm__cli_subjects_done(tm_cli_subjects *subjects) {
    tm__dict_free(subjects->ids);
    tm__dict_free(subjects->before);
    *subjects = (tm_cli_subjects){0};
}

int64_t tm__cli_subject_rows(const json_t *sources) {
    int64_t n = 0;
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(sources, i, one) {
        n += tm__json_i64(one, "n", 0);
    }
    return n;
}
