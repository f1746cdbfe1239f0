/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/subject_consent.h"

#include "source/consent.h"

typedef struct asking {
    tm_ctx *ctx;
    const tm_home *home;
    const char *source, *id;
    json_t *out;
} asking;

/* purpose empty: whatever it is for. */
static tm_status ask(const asking *a, tm_str purpose, tm_err *err) {
    char word[TM_MAX_NAME + 1] = "";
    tm_consent *consent = NULL;
    (void)tm__str_copy(word, sizeof(word), purpose);
    TM_TRY(
        tm__consent_open(a->ctx, a->home, a->source, word[0] == '\0' ? NULL : word, &consent, err));
    const int said = consent == NULL ? -1 : tm__consent_of(consent, a->id);
    tm__consent_free(consent);
    json_array_append_new(a->out, json_pack("{s:s?, s:o}", "for", word[0] == '\0' ? NULL : word,
                                            "given", said < 0 ? json_null() : json_boolean(said)));
    return tm__json_check(err);
}

tm_status tm__subject_consent(tm_ctx *ctx, const tm_home *home, const json_t *source,
                              const char *id, json_t **out, tm_err *err) {
    const json_t *const spec = json_object_get(source, "spec");
    const json_t *const declared = json_object_get(spec, "consent");
    tm_str words = tm__str(tm__json_text(declared, "for", tm__json_text(spec, "purpose", "")));
    const asking a = {ctx, home, tm__json_text(source, "source", ""), id, json_array()};
    tm_status st = TM_OK;
    if (declared == NULL) {
        json_decref(a.out);
        *out = NULL;
        return TM_OK;
    }
    if (words.len == 0) {
        st = ask(&a, (tm_str){0}, err);
    }
    while (st == TM_OK && words.len > 0) {
        st = ask(&a, tm__str_trim(tm__str_cut(&words, ',')), err);
    }
    if (st != TM_OK) {
        json_decref(a.out);
        return st;
    }
    *out = a.out;
    return TM_OK;
}
