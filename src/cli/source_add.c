/* SPDX-License-Identifier: Apache-2.0 */
/* A source is added with what it reads, or not at all. */
#include "cli/source_add.h"

#include <string.h>

#include "base/json.h"
#include "source/feed.h"

/* A source of files without a row is a mistake: say which. */
static tm_status no_row(const tm_home *home, const tm_intake_add *add, const tm_feed_pull *pulled,
                        tm_err *err) {
    json_t *list = NULL;
    const char *const what = tm__json_text(add->spec, "files", "query");
    if (pulled->quarantined == 0) {
        (void)TM_FAIL(err, TM_E_DATA, "there is a header but no rows in what was read");
        tm_err_at(err, what, 0, 0);
        tm_err_hint(err, "Give files with rows; --watch waits for those that come.");
        return TM_E_DATA;
    }
    TM_TRY(tm__intake_quarantine(home, add->name, &(tm_intake_choice){0}, 1, &list, err));
    const json_t *const bad = json_array_get(list, 0);
    const tm_status st = TM_FAIL(err, TM_E_DATA, "none of %llu rows was accepted; the first: %s",
                                 (unsigned long long)pulled->quarantined,
                                 tm__json_text(bad, "detail", "quarantined"));
    tm_err_at(err, tm__json_text(bad, "origin", ""), (uint64_t)tm__json_i64(bad, "row", 0), 0);
    tm_err_hint(err, "Mend the rows, or name the columns right: --key, --no-header.");
    json_decref(list);
    return st;
}

/* Messages that came cannot be given back: a group counts them as read. */
static bool has_messages(const tm_intake_add *add, const tm_feed_pull *pulled) {
    return strcmp(add->feed, "kafka") == 0 && pulled->blocks > 0;
}

/* All of it, or no source. */
tm_status tm__source_add_and_pull(tm_ctx *ctx, const tm_home *home, const tm_intake_add *add,
                                  tm_err *err) {
    tm_feed_pull pulled = {0};
    TM_TRY(tm__intake_add(home, add, err));
    if (strcmp(add->feed, "push") == 0) {
        return TM_OK;
    }
    tm_status st = tm__feed_pull(ctx, home, add->name, false, &pulled, err);
    if (st == TM_OK && pulled.accepted == 0 && strcmp(add->feed, "watch") != 0 &&
        strcmp(add->feed, "kafka") != 0) {
        st = no_row(home, add, &pulled, err);
    }
    if (st != TM_OK && has_messages(add, &pulled)) {
        tm_err_hint(err, "The source stays with what came: 'tidemill data pull %s' goes on.",
                    add->name);
        return st;
    }
    if (st == TM_E_CONFLICT && json_object_get(add->spec, "expect") != NULL) {
        tm_err_hint(err, "The source was not added: mend the rule or the rows, and add it then.");
    }
    if (st != TM_OK) {
        /* What cannot be removed now is there with its error, and says so itself. */
        const tm_status removed = tm__intake_remove(home, add->name, NULL);
        (void)removed;
    }
    return st;
}
