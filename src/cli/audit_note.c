/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit_note.h"

#include <stdio.h>

#include "cli/model_args.h"

#define OBJECT_BYTES (TM_MAX_NAME + 64)

static tm_status append(tm_registry *registry, const tm_cli_deed *deed, const tm_actor *actor,
                        tm_err *err) {
    char object[OBJECT_BYTES];
    tm_hash subject;
    tm_audit_note note = {
        .event = deed->event, .object = object, .model = deed->model, .details = deed->details};
    (void)snprintf(object, sizeof(object), "%s%s%.*s", deed->kind, deed->name == NULL ? "" : ":",
                   (int)TM_MAX_NAME, deed->name == NULL ? "" : deed->name);
    TM_TRY(tm__json_check(err));
    if (deed->subject_id.len > 0) {
        TM_TRY(tm__audit_subject_make(registry, deed->subject_id, &subject, err));
        note.subject = &subject;
    }
    return tm__audit_append(registry, &note, actor, err);
}

tm_status tm__cli_audit(const tm_home *home, const tm_cli_deed *deed, tm_err *err) {
    char user[80];
    tm_registry *registry = NULL;
    const tm_actor actor = tm__cli_actor(NULL, user, sizeof(user));
    tm_status st = tm__registry_open(home, &registry, err);
    st = st == TM_OK ? append(registry, deed, &actor, err) : st;
    tm__registry_close(registry);
    json_decref(deed->details);
    return st;
}
