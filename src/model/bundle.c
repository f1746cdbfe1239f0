/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle in memory: mapped bytes, what was made from them, and a count of references.
 *
 * Invariants.
 * 1. Everything was checked before the first reference went out; nothing changes after.
 * 2. info, model and program agree: classes with outputs, the learner's name, columns with
 * features.
 * 3. The model may borrow the bytes, so they end last.
 */
#include "model/bundle.h"

#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pool.h"
#include "model/bundle_priv.h"
#include "store/vault.h"

#define NAME 64u                             /* see bundle_file.c */
#define HASHED_ASIDE_BYTES ((size_t)4 << 20) /* below, a thread costs more than it saves */

#define DAMAGE_HINT "Take the file from a backup or train again; nothing of it was used."

/* ---- what info says of the answers ---- */

static tm_status bad_info(const char *what, tm_err *err) {
    (void)TM_FAIL(err, TM_E_INTEGRITY, "bundle is damaged in section 'info': %s", what);
    tm_err_hint(err, DAMAGE_HINT);
    return TM_E_INTEGRITY;
}

static uint32_t classes_of(const tm_model *model) {
    if (model->task == TM_TASK_BINARY) {
        return 2;
    }
    return model->task == TM_TASK_MULTICLASS ? model->n_outputs : 0;
}

static tm_status read_classes(const json_t *info, tm_bundle_answers *out, tm_err *err) {
    const json_t *classes = json_object_get(info, "classes");
    if (json_array_size(classes) != out->n_classes) {
        return bad_info("'classes' do not have the model's number", err);
    }
    out->classes = tm__mem_zalloc(out->n_classes, sizeof(*out->classes));
    if (out->classes == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for %u classes", out->n_classes);
    }
    for (uint32_t k = 0; k < out->n_classes; k++) {
        out->classes[k] = json_string_value(json_array_get(classes, k));
        if (out->classes[k] == NULL) {
            tm__mem_free(out->classes);
            out->classes = NULL;
            return bad_info("'classes' are not texts", err);
        }
    }
    return TM_OK;
}

tm_status tm__bundle_answers_read(const json_t *info, const tm_model *model, tm_bundle_answers *out,
                                  tm_err *err) {
    tm_bundle_answers answers = {.task = model->task, .n_classes = classes_of(model)};
    const char *task = tm__json_text(info, "task", "");
    const char *learner = tm__json_text(info, "learner", model->ops->name);
    if (strcmp(task, tm__task_text(model->task)) != 0) {
        return bad_info("'task' is not the model's", err);
    }
    if (strcmp(learner, model->ops->name) != 0) {
        return bad_info("'learner' is not the model's", err);
    }
    answers.target = tm__json_text(info, "target", NULL);
    if (answers.target == NULL) {
        return bad_info("'target' is not a text", err);
    }
    answers.threshold = tm__json_f64(json_object_get(info, "threshold"), "value", 0.5);
    if (!(answers.threshold >= 0.0 && answers.threshold <= 1.0)) {
        return bad_info("'threshold' is not from 0 to 1", err);
    }
    TM_TRY(read_classes(info, &answers, err));
    *out = answers;
    return TM_OK;
}

/* ---- load ---- */

/* Say which section it was. What a section cannot be is damage, whatever its reader calls it. */
static tm_status fail_section(const char *section, const tm_err *cause, tm_err *err) {
    tm_status st = cause->status;
    if (st == TM_E_NOMEM || st == TM_E_UNSUPPORTED) {
        st = TM_FAIL(err, st, "bundle's section '%s' cannot be read: %.180s", section,
                     cause->message);
    } else {
        st = TM_FAIL(err, TM_E_INTEGRITY, "bundle is damaged in section '%s': %.180s", section,
                     cause->message);
    }
    if (st == TM_E_UNSUPPORTED) {
        tm_err_hint(err, "Use the release of tidemill that wrote it, or a later one.");
    } else if (st == TM_E_INTEGRITY) {
        tm_err_hint(err, DAMAGE_HINT);
    }
    return st;
}

static tm_status load_json(tm_bytes bytes, const char *what, json_t **out, tm_err *err) {
    json_t *value = NULL;
    tm_err cause = {0};
    const tm_status st = tm__json_parse(bytes.data, bytes.len, TM_MAX_JSON_DEPTH, &value, &cause);
    if (st != TM_OK) {
        return fail_section(what, &cause, err);
    }
    if (!json_is_object(value)) {
        json_decref(value);
        (void)TM_FAIL(&cause, TM_E_INTEGRITY, "not an object");
        return fail_section(what, &cause, err);
    }
    *out = value;
    return TM_OK;
}

static tm_status load_model(tm_bytes bytes, tm_model **out, tm_err *err) {
    if (bytes.len < NAME || bytes.data[NAME - 1] != 0) {
        return TM_FAIL(err, TM_E_INTEGRITY, "no name of a learner");
    }
    const char *name = (const char *)bytes.data;
    for (size_t i = strlen(name); i < NAME; i++) {
        if (bytes.data[i] != 0) {
            return TM_FAIL(err, TM_E_INTEGRITY, "a wrong name of a learner");
        }
    }
    const tm_model_ops *ops = tm__model_find(name);
    if (ops == NULL) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "there is no learner '%s'",
                       tm__str_is_utf8(tm__str(name)) ? name : "?");
    }
    return ops->load(bytes.data + NAME, bytes.len - NAME, out, err);
}

/* The features of a row are what the model reads. One row without values shows it. */
static tm_status check_shapes(const tm_bundle *self, tm_err *err) {
    const uint32_t n_inputs = tm__program_inputs(self->program);
    tm_row_scratch *scratch = tm__row_scratch_create(self->program);
    tm_cell *cells = tm__mem_zalloc(n_inputs, sizeof(*cells));
    tm_status st = TM_OK;
    if (scratch == NULL || cells == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for a row");
    } else {
        const tm_view *row = tm__program_apply_row(self->program, scratch, cells);
        const uint32_t n_terms = row->sparse == NULL ? 0 : row->sparse->n_terms;
        if (row->n_cols != self->model->n_cols ||
            (self->model->n_terms != 0 && self->model->n_terms != n_terms)) {
            const tm_err cause = {.status = TM_E_INTEGRITY,
                                  .message = "its columns are not the program's features"};
            st = fail_section("model", &cause, err);
        }
    }
    tm__row_scratch_free(scratch);
    tm__mem_free(cells);
    return st;
}

/* Probabilities alone are calibrated. */
static tm_status load_calibration(tm_bundle *self, tm_err *err) {
    const tm_bytes bytes = self->file.sections[TM_SECTION_CALIBRATION];
    const tm_link link = tm__model_link_of(self->model);
    tm_err cause = {0};
    if (bytes.data == NULL) {
        return TM_OK;
    }
    if ((self->model->task != TM_TASK_BINARY || link != TM_LINK_SIGMOID) &&
        (self->model->task != TM_TASK_MULTICLASS || link != TM_LINK_SOFTMAX)) {
        (void)TM_FAIL(&cause, TM_E_INTEGRITY, "the model gives no probabilities");
        return fail_section("calibration", &cause, err);
    }
    if (tm__calibration_load(bytes.data, bytes.len, self->model->n_outputs, &self->calibration,
                             &cause) != TM_OK) {
        return fail_section("calibration", &cause, err);
    }
    return TM_OK;
}

/* Intervals of numbers belong to a regression, sets to classes. */
static tm_status load_intervals(tm_bundle *self, tm_err *err) {
    const tm_bytes bytes = self->file.sections[TM_SECTION_INTERVALS];
    const tm_task task = self->model->task;
    tm_err cause = {0};
    if (bytes.data == NULL) {
        return TM_OK;
    }
    if (tm__conformal_load(bytes.data, bytes.len, &self->conformal, &cause) != TM_OK) {
        return fail_section("intervals", &cause, err);
    }
    if (self->conformal.kind == TM_CONFORMAL_NUMBER
            ? task != TM_TASK_REGRESSION
            : task == TM_TASK_REGRESSION || task == TM_TASK_RANKING) {
        (void)TM_FAIL(&cause, TM_E_INTEGRITY, "they are not of the model's task");
        return fail_section("intervals", &cause, err);
    }
    return TM_OK;
}

/* Texts have levels or lengths, other columns bins; classes are those of the answers. */
static bool reference_fits(const tm_bundle *self, const tm_reference *reference) {
    const tm_schema *const schema = tm__program_schema(self->program);
    const bool has_classes = self->model->task == TM_TASK_MULTICLASS;
    bool fits = reference->n_columns == schema->n_cols;
    for (uint32_t i = 0; fits && i < schema->n_cols; i++) {
        const tm_ref_kind kind = reference->columns[i].kind;
        const bool is_text = schema->cols[i].type == TM_TYPE_TEXT;
        fits = kind == TM_REF_PRESENCE || is_text == (kind != TM_REF_NUMBERS);
    }
    if (fits && reference->has_output) {
        const tm_ref_column *const answers = &reference->columns[schema->n_cols];
        fits = answers->kind == (has_classes ? TM_REF_CLASSES : TM_REF_NUMBERS) &&
               answers->n_classes <= self->model->n_outputs;
    }
    return fits;
}

static tm_status load_reference(tm_bundle *self, tm_err *err) {
    const tm_bytes bytes = self->file.sections[TM_SECTION_REFERENCE];
    tm_err cause = {0};
    if (bytes.data == NULL) {
        return TM_OK;
    }
    if (tm__reference_load(bytes.data, bytes.len, &self->reference, &cause) != TM_OK) {
        return fail_section("reference", &cause, err);
    }
    if (!reference_fits(self, self->reference)) {
        (void)TM_FAIL(&cause, TM_E_INTEGRITY, "it is not of these columns and answers");
        return fail_section("reference", &cause, err);
    }
    return TM_OK;
}

static tm_status load_sections(tm_bundle *self, tm_err *err) {
    TM_TRY(tm__bundle_signer_load(&self->file, &self->signer, err));
    const tm_bytes *sections = self->file.sections;
    TM_TRY(load_json(sections[TM_SECTION_INFO], "info", &self->info, err));
    if (sections[TM_SECTION_NOTES].data != NULL) {
        TM_TRY(load_json(sections[TM_SECTION_NOTES], "notes", &self->notes, err));
    }
    TM_TRY(tm__bundle_modules_check(self->info, err));
    tm_err cause = {0};
    if (tm__program_load(sections[TM_SECTION_PROGRAM].data, sections[TM_SECTION_PROGRAM].len,
                         &self->program, &cause) != TM_OK) {
        return fail_section("program", &cause, err);
    }
    if (load_model(sections[TM_SECTION_MODEL], &self->model, &cause) != TM_OK) {
        return fail_section("model", &cause, err);
    }
    TM_TRY(load_calibration(self, err));
    TM_TRY(load_intervals(self, err));
    TM_TRY(load_reference(self, err));
    TM_TRY(tm__bundle_modules_match(self->info, self->program, self->model, err));
    TM_TRY(tm__bundle_answers_read(self->info, self->model, &self->answers, err));
    TM_TRY(check_shapes(self, err));
    if (sections[TM_SECTION_GOLDEN].data != NULL &&
        tm__golden_load(sections[TM_SECTION_GOLDEN], self->program, self->model, &self->golden,
                        &cause) != TM_OK) {
        return fail_section("golden", &cause, err);
    }
    if (tm__bundle_privacy_check(&self->file, self->info, &cause) != TM_OK) {
        return fail_section("privacy", &cause, err);
    }
    if (tm__bundle_columns_load(self, &cause) != TM_OK) {
        return fail_section("info", &cause, err);
    }
    return TM_OK;
}

typedef struct hashing {
    const tm_bundle_file *file;
    tm_status st;
    tm_err err;
} hashing;

static void hash_main(void *arg) {
    hashing *h = arg;
    h->st = tm__bundle_file_hash(h->file, &h->err);
}

/* A large file is hashed by a second thread while the first makes something of its sections, whose
 * sums were right; it is not given out before both are done. */
static tm_status load_parts(tm_bundle *self, const void *data, size_t len, tm_err *err) {
    TM_TRY(tm__bundle_file_sums(data, len, &self->file, err));
    hashing h = {.file = &self->file};
    tm_thread *const thread =
        len < HASHED_ASIDE_BYTES ? NULL : tm__thread_create(hash_main, &h, "tm-hash");
    if (thread == NULL) {
        TM_TRY(tm__bundle_file_hash(&self->file, err));
    }
    const tm_status st = load_sections(self, err);
    tm__thread_join(thread);
    if (h.st != TM_OK && err != NULL) {
        *err = h.err;
    }
    return h.st != TM_OK ? h.st : st;
}

static void bundle_free(tm_bundle *self) {
    if (self != NULL) {
        tm__mem_free(self->answers.classes);
        tm__calibration_done(&self->calibration);
        tm__conformal_done(&self->conformal);
        tm__reference_free(self->reference);
        tm__model_free(self->model);
        tm__program_free(self->program);
        tm__renames_free(self->renames);
        tm__hash_reset(&self->privacy_key);
        tm__mem_free(self->may_lack);
        json_decref(self->columns);
        json_decref(self->info);
        json_decref(self->notes);
        tm__mem_free(self->own);
        tm__map_close(&self->map);
        tm__mem_free(self);
    }
}

static uint64_t held_since(int64_t before) {
    const int64_t held = tm__mem_thread_bytes() - before;
    return held > 0 ? (uint64_t)held : 0;
}

tm_status tm__bundle_open(const char *path, tm_bundle **out, tm_err *err) {
    tm_bundle *self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a bundle");
    }
    atomic_init(&self->n_refs, 1);
    const int64_t before = tm__mem_thread_bytes();
    tm_status st = tm__vault_map_open(path, &self->map, err);
    if (st == TM_OK) {
        tm__map_populate(&self->map); /* its check reads every byte: one call, not a fault a page */
        st = load_parts(self, self->map.data, self->map.len, err);
        if (st != TM_OK) {
            tm_err_at(err, path, 0, 0);
        }
    }
    if (st != TM_OK) {
        bundle_free(self);
        return st;
    }
    self->heap_bytes = held_since(before);
    *out = self;
    return TM_OK;
}

tm_status tm__bundle_check(const char *path, tm_hash *out_hash, tm_err *err) {
    tm_map map = {0};
    tm_bundle_file file;
    json_t *info = NULL;
    TM_TRY(tm__vault_map_open(path, &map, err));
    tm__map_populate(&map);
    tm_status st = tm__bundle_file_check(map.data, map.len, &file, err);
    st = st == TM_OK ? load_json(file.sections[TM_SECTION_INFO], "info", &info, err) : st;
    st = st == TM_OK ? tm__bundle_modules_check(info, err) : st;
    if (st == TM_OK) {
        *out_hash = file.hash;
    } else {
        tm_err_at(err, path, 0, 0);
    }
    json_decref(info);
    tm__map_close(&map);
    return st;
}

bool tm__bundle_is_file(const tm_bundle *bundle, const char *path) {
    return bundle->own == NULL && tm__fs_is_same(path, &bundle->map.id);
}

tm_status tm__bundle_load(const void *data, size_t len, tm_bundle **out, tm_err *err) {
    if (len > TM_MAX_BUNDLE_BYTES) {
        return TM_FAIL(err, TM_E_LIMIT, "a bundle of %zu bytes is too large", len);
    }
    tm_bundle *self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a bundle");
    }
    atomic_init(&self->n_refs, 1);
    const int64_t before = tm__mem_thread_bytes();
    self->own = tm__mem_alloc(len, 1);
    tm_status st = TM_OK;
    if (self->own == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for a bundle of %zu bytes", len);
    } else {
        memcpy(self->own, data, len);
        st = load_parts(self, self->own, len, err);
    }
    if (st != TM_OK) {
        bundle_free(self);
        return st;
    }
    self->heap_bytes = held_since(before);
    *out = self;
    return TM_OK;
}

tm_bundle *tm__bundle_ref(tm_bundle *bundle) {
    const unsigned before = atomic_fetch_add_explicit(&bundle->n_refs, 1, memory_order_relaxed);
    TM_ASSERT(before > 0);
    return bundle;
}

void tm__bundle_unref(tm_bundle *bundle) {
    if (bundle == NULL) {
        return;
    }
    const unsigned before = atomic_fetch_sub_explicit(&bundle->n_refs, 1, memory_order_acq_rel);
    TM_ASSERT(before > 0);
    if (before == 1) {
        bundle_free(bundle);
    }
}

/* ---- what is in it ---- */

const tm_hash *tm__bundle_hash(const tm_bundle *bundle) {
    return &bundle->file.hash;
}

uint64_t tm__bundle_bytes(const tm_bundle *bundle) {
    return bundle->map.len + bundle->heap_bytes;
}

const json_t *tm__bundle_info(const tm_bundle *bundle) {
    return bundle->info;
}

const json_t *tm__bundle_notes(const tm_bundle *bundle) {
    return bundle->notes;
}

const tm_program *tm__bundle_program(const tm_bundle *bundle) {
    return bundle->program;
}

const tm_model *tm__bundle_model(const tm_bundle *bundle) {
    return bundle->model;
}

const tm_calibration *tm__bundle_calibration(const tm_bundle *bundle) {
    return &bundle->calibration;
}

const tm_conformal *tm__bundle_conformal(const tm_bundle *bundle) {
    return &bundle->conformal;
}

const tm_schema *tm__bundle_schema(const tm_bundle *bundle) {
    return tm__program_schema(bundle->program);
}

tm_task tm__bundle_task(const tm_bundle *bundle) {
    return bundle->answers.task;
}

uint32_t tm__bundle_classes(const tm_bundle *bundle) {
    return bundle->answers.n_classes;
}

const char *tm__bundle_class(const tm_bundle *bundle, uint32_t index) {
    return index < bundle->answers.n_classes ? bundle->answers.classes[index] : NULL;
}

const char *tm__bundle_target(const tm_bundle *bundle) {
    return bundle->answers.target;
}

double tm__bundle_threshold(const tm_bundle *bundle) {
    return bundle->answers.threshold;
}

void tm__bundle_call_from(tm_bundle *bundle, double threshold) {
    bundle->answers.threshold = threshold;
}

uint32_t tm__bundle_outputs(const tm_bundle *bundle) {
    return bundle->model->n_outputs;
}

const tm_reference *tm__bundle_reference(const tm_bundle *bundle) {
    return bundle->reference;
}

const tm_public_key *tm__bundle_signer(const tm_bundle *bundle) {
    return bundle->signer.is_signed ? &bundle->signer.key : NULL;
}
