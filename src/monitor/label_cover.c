/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/label_cover.h"

static tm_status read_one(const tm_bundle *bundle, const char *column, tm_privacy *out,
                          tm_err *err) {
    const char *const text =
        column == NULL ? NULL : tm__json_text(tm__bundle_policies(bundle), column, NULL);
    return text == NULL ? TM_OK : tm__privacy_parse(column, text, TM_TYPE_NONE, out, err);
}

tm_status tm__label_cover_init(const tm_bundle *bundle, tm_label_cover *out, tm_err *err) {
    const json_t *const info = tm__bundle_info(bundle);
    *out = (tm_label_cover){.key = tm__bundle_key(bundle)};
    TM_TRY(read_one(bundle, tm__json_text(info, "entity", NULL), &out->entity, err));
    TM_TRY(read_one(bundle, tm__json_text(info, "time", NULL), &out->time, err));
    return read_one(bundle, tm__bundle_target(bundle), &out->value, err);
}

/* A text after a policy; NULL in *io: nothing is left of it. False when it must not be kept. */
static bool cover_text(const tm_privacy *privacy, const tm_hash *key, tm_arena *arena,
                       const char **io) {
    char room[TM_PRIVACY_ROOM];
    tm_cell cell = {.type = TM_TYPE_TEXT, .text = tm__str(*io == NULL ? "" : *io)};
    if (*io == NULL || !tm__privacy_changes(privacy)) {
        return true;
    }
    if (!tm__privacy_cell(privacy, key, &cell, room)) {
        return false;
    }
    *io = cell.type == TM_TYPE_TEXT ? tm__arena_strndup(arena, cell.text.ptr, cell.text.len) : NULL;
    return cell.type != TM_TYPE_TEXT || *io != NULL;
}

static bool cover_time(const tm_privacy *privacy, int64_t *io_us) {
    char room[TM_PRIVACY_ROOM];
    const bool is_band = privacy->kind == TM_PRIVACY_BAND;
    tm_cell cell = {.type = is_band ? TM_TYPE_INT : TM_TYPE_TIME, .i64 = *io_us};
    if (*io_us == TM_INT_MISSING || !tm__privacy_changes(privacy)) {
        return true;
    }
    if (!tm__privacy_cell(privacy, NULL, &cell, room)) {
        return false;
    }
    *io_us = cell.type == TM_TYPE_NONE ? TM_INT_MISSING : cell.i64;
    return true;
}

const char *tm__label_cover(const tm_label_cover *cover, tm_arena *arena, tm_label *label) {
    const bool is_by_entity = label->prediction_id == NULL;
    if (!cover_text(&cover->value, cover->key, arena, &label->value) || label->value == NULL) {
        return "has a value that the policy of its column does not leave";
    }
    if (!cover_text(&cover->entity, cover->key, arena, &label->entity)) {
        return cover->entity.kind == TM_PRIVACY_PSEUDONYM && cover->key == NULL
                   ? "must name its entity by the pseudonym here"
                   : "names an entity that the policy of its column cannot be applied to";
    }
    if (is_by_entity && label->entity == NULL) {
        return "names an entity, of which the policy of its column leaves nothing";
    }
    return cover_time(&cover->time, &label->event_us)
               ? NULL
               : "has a time that the policy of its column cannot be applied to";
}
