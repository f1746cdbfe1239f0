/* SPDX-License-Identifier: Apache-2.0 */
#include "store/vault_command.h"

#include <stdio.h>
#include <string.h>

#include "base/kept_secret.h"
#include "base/mem.h"
#include "store/vault.h"

#define PREFIX "command:"
#define WORDS_MAX 16u

static bool is_words(const json_t *words) {
    size_t i = 0;
    const json_t *word = NULL;
    const size_t n = json_array_size(words);
    if (n == 0 || n > WORDS_MAX) {
        return false;
    }
    json_array_foreach(words, i, word) {
        if (!json_is_string(word) || json_string_length(word) != strlen(json_string_value(word))) {
            return false;
        }
    }
    return json_string_value(json_array_get(words, 0))[0] == '/';
}

/* The words of a source; NULL: it is none, or memory is out. New reference. */
static json_t *words_of(const char *source) {
    json_t *words = NULL;
    const size_t len = strlen(PREFIX);
    if (strncmp(source, PREFIX, len) != 0 || strlen(source + len) >= TM_KEPT_TEXT ||
        tm__json_parse(source + len, strlen(source + len), 2, &words, NULL) != TM_OK) {
        return NULL;
    }
    if (!is_words(words)) {
        json_decref(words);
        return NULL;
    }
    return words;
}

bool tm__vault_is_command(const char *source) {
    json_t *const words = words_of(source);
    json_decref(words);
    return words != NULL;
}

tm_status tm__vault_command_source(const json_t *words, char **out, tm_err *err) {
    tm_buf text;
    *out = NULL;
    if (!is_words(words)) {
        return TM_OK;
    }
    tm__buf_init(&text, 2 * TM_KEPT_TEXT);
    tm__buf_text(&text, PREFIX);
    const bool is_whole = tm__json_write(&text, words, 0);
    *out = is_whole ? tm__mem_strdup((const char *)text.data) : NULL;
    const tm_status st = tm__buf_status(&text);
    tm__buf_done(&text);
    return st == TM_E_LIMIT
               ? TM_FAIL(err, TM_E_LIMIT, "a command is longer than %u bytes", TM_KEPT_TEXT - 1)
           : *out == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory for a command")
                          : TM_OK;
}

static tm_status not_keys(const char *program, tm_err *err) {
    (void)TM_FAIL(err, TM_E_DATA, "what '%.200s' says is no list of keys", program);
    tm_err_hint(err, "It prints keys of 64 hexadecimal digits, one a line: first the one that "
                     "seals, then earlier ones.");
    return TM_E_DATA;
}

/* Of lines of keys the one of an id; *out_has false: there is none. */
static tm_status pick(const char *program, const char *text, const char *id, tm_envelope_key *out,
                      bool *out_has, tm_err *err) {
    tm_str rest = tm__str_trim(tm__str(text));
    uint32_t n = 0;
    *out_has = false;
    while (rest.len > 0) {
        const char *const end = memchr(rest.ptr, '\n', rest.len);
        const size_t len = end == NULL ? rest.len : (size_t)(end - rest.ptr);
        tm_envelope_key key;
        char its[TM_ENVELOPE_ID_TEXT];
        if (n++ == TM_ENVELOPE_KEYS_MAX ||
            !tm__envelope_key_from_text(tm__str_trim((tm_str){rest.ptr, len}), &key)) {
            return not_keys(program, err);
        }
        tm__envelope_id_to_text(key.id, its);
        if (!*out_has && (id == NULL || strcmp(id, its) == 0)) {
            *out = key;
            *out_has = true;
        }
        explicit_bzero(&key, sizeof(key));
        rest = tm__str_trim((tm_str){rest.ptr + len, rest.len - len});
    }
    return n == 0 ? not_keys(program, err) : TM_OK;
}

static tm_status look(const json_t *words, const char *name, const char *id, bool renews,
                      tm_envelope_key *out, bool *out_has, tm_err *err) {
    tm_kept_argv argv = {NULL};
    char text[TM_KEPT_TEXT] = "";
    for (size_t i = 0; i < json_array_size(words); i++) {
        argv[i] = json_string_value(json_array_get(words, i));
    }
    tm_status st = tm__kept_secret(name, argv, renews, text, err);
    st = st == TM_OK ? pick(argv[0], text, id, out, out_has, err) : st;
    explicit_bzero(text, sizeof(text));
    return st;
}

tm_status tm__vault_command_key(const char *source, const tm_command_ask *ask, tm_envelope_key *out,
                                tm_err *err) {
    const char *const id = ask->id;
    bool has = false;
    json_t *const words = words_of(source);
    if (words == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a command");
    }
    const char *const name = source + strlen(PREFIX);
    tm_status st = look(words, name, id, false, out, &has, err);
    if (st == TM_OK && !has && ask->renews) {
        st = look(words, name, id, true, out, &has, err);
    }
    if (st == TM_OK && !has) {
        st = TM_FAIL(err, TM_E_NOT_FOUND, "'%.200s' does not say the key %.16s",
                     json_string_value(json_array_get(words, 0)), id);
        tm_err_hint(err, "It prints the key that seals first, and earlier ones behind it.");
    }
    json_decref(words);
    return st;
}

tm_status tm__vault_run_commands(const tm_home *home, tm_err *err) {
    json_t *keys = NULL;
    size_t i = 0;
    const json_t *one = NULL;
    TM_TRY(tm__vault_keys(home, &keys, err));
    tm_status st = TM_OK;
    json_array_foreach(keys, i, one) {
        const char *const source = tm__json_text(one, "from", "");
        const tm_command_ask ask = {0};
        tm_envelope_key key = {0};
        if (st == TM_OK && tm__vault_is_command(source)) {
            st = tm__vault_command_key(source, &ask, &key, err);
        }
        explicit_bzero(&key, sizeof(key));
    }
    json_decref(keys);
    return st;
}
