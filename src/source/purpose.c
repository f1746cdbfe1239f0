/* SPDX-License-Identifier: Apache-2.0 */
#include "source/purpose.h"

#include "base/fs.h"
#include "source/intake_priv.h"
#include "source/sql_sources.h"

static tm_status refuse(const char *source, const char *declared, const char *purpose,
                        tm_err *err) {
    const tm_status st =
        purpose == NULL
            ? TM_FAIL(err, TM_E_NOT_ALLOWED,
                      "rows of '%s' are for declared purposes, and the run declares none", source)
            : TM_FAIL(err, TM_E_NOT_ALLOWED, "rows of '%s' are not for the purpose '%.80s'", source,
                      purpose);
    tm_err_hint(err, "They are for: %.120s.", declared);
    return st;
}

/* Whoever reads a source that is not there is told so then. */
static tm_status check_source(const tm_home *home, const char *name, const char *purpose,
                              tm_err *err) {
    tm_intake_place place = {0};
    tm_err own = {0};
    tm_status st = tm__intake_place_open(home, name, &place, &own);
    if (st != TM_OK) {
        return st == TM_E_NOT_FOUND ? TM_OK : TM_FAIL(err, st, "%s", own.message);
    }
    const char *const declared = tm__json_text(place.source.spec, "purpose", NULL);
    if (declared != NULL && (purpose == NULL || !tm__str_lists(tm__str(declared), ',', purpose))) {
        st = refuse(name, declared, purpose, err);
    }
    tm__intake_place_done(&place);
    return st;
}

static tm_status check_query(const tm_home *home, const char *sql, const char *purpose,
                             tm_err *err) {
    json_t *names = NULL;
    size_t i = 0;
    const json_t *name = NULL;
    TM_TRY(tm__sql_source_names(home, sql, &names, err));
    tm_status st = TM_OK;
    json_array_foreach(names, i, name) {
        st = st == TM_OK ? check_source(home, json_string_value(name), purpose, err) : st;
    }
    json_decref(names);
    return st;
}

tm_status tm__purpose_check(const tm_home *home, const json_t *from, const char *purpose,
                            tm_err *err) {
    const char *const source = tm__json_text(from, "source", NULL);
    const char *const sql = tm__json_text(from, "sql", NULL);
    if (home == NULL || tm__fs_info(tm__home_intake_db(home)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    return source != NULL ? check_source(home, source, purpose, err)
           : sql != NULL  ? check_query(home, sql, purpose, err)
                          : TM_OK;
}

tm_status tm__purpose_check_all(const tm_home *home, const json_t *events, const char *purpose,
                                tm_err *err) {
    const char *name = NULL;
    json_t *from = NULL;
    json_object_foreach((json_t *)(uintptr_t)events, name, from) {
        TM_TRY(tm__purpose_check(home, from, purpose, err));
    }
    return TM_OK;
}
