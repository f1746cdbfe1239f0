/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model file: schema + feature program + model + what a server and a person must know, in one
 * artifact that is mapped, checked and never executed. docs/formats/bundle.md has the bytes. A
 * bundle is immutable and shared by reference; predict from any thread.
 *
 * info is a canonical JSON object inside the hash:
 * {"model","task","target","positive","classes",[..],"metric","learner","params",
 * "threshold":{"value","reason"},"recipe":{..},"snapshot","split","validation":{..},"test":{..},"baseline":{..},"importance":[..],
 * "leaderboard":[..],"program":[..],"columns":n,"rows":n,"seed":n}. notes is outside the hash:
 * {"created","host","compiler","threads","seconds":{..}}.
 */
#ifndef TM_MODEL_BUNDLE_H
#define TM_MODEL_BUNDLE_H

#include <stdint.h>

#include "base/hash.h"
#include "model/calibration.h"
#include "model/conformal.h"
#include "model/model.h"
#include "model/reference.h"
#include "table/renames.h"

typedef struct tm_bundle tm_bundle;
struct tm_public_key;  /* guard/sign.h */
struct tm_signing_key; /* guard/sign.h */

typedef struct tm_bundle_parts {
    const tm_program *program;
    const tm_model *model;
    const tm_calibration *calibration; /* of the model's outputs; NULL: none */
    const tm_conformal *conformal;     /* of its answers; NULL: none */
    const json_t *info;                /* canonicalised when written; the caller keeps it */
    const json_t *notes;
    const tm_reference *reference; /* of the rows and the answers; NULL: none */
} tm_bundle_parts;

/** Bytes of a bundle and its hash. */
TM_NODISCARD tm_status tm__bundle_write(const tm_bundle_parts *parts, tm_buf *out,
                                        tm_hash *out_hash, tm_err *err);
/** Map and check a file: magic, version, lengths, CRC32C of each section, BLAKE2b over all;
 * TM_E_INTEGRITY says which section. */
TM_NODISCARD tm_status tm__bundle_open(const char *path, tm_bundle **out, tm_err *err);
/** The same checks of the bytes, and that the modules it names are here, without making anything of
 * them: a third of the time. */
TM_NODISCARD tm_status tm__bundle_check(const char *path, tm_hash *out_hash, tm_err *err);
/** Same as tm__bundle_open() from memory (copied). */
TM_NODISCARD tm_status tm__bundle_load(const void *data, size_t len, tm_bundle **out, tm_err *err);

const tm_hash *tm__bundle_hash(const tm_bundle *bundle);
const json_t *tm__bundle_info(const tm_bundle *bundle); /* borrowed */
const json_t *tm__bundle_notes(const tm_bundle *bundle);
const tm_program *tm__bundle_program(const tm_bundle *bundle);
const tm_model *tm__bundle_model(const tm_bundle *bundle);
const tm_calibration *tm__bundle_calibration(const tm_bundle *bundle); /* its kind may be none */
const tm_conformal *tm__bundle_conformal(const tm_bundle *bundle);     /* its kind may be none */
/** Raw scores of its model [n_rows x outputs] to answers, in place: calibrated, then linked. */
void tm__bundle_link(const tm_bundle *bundle, uint64_t n_rows, double *raw);
const tm_schema *tm__bundle_schema(const tm_bundle *bundle); /* input columns in order */
tm_task tm__bundle_task(const tm_bundle *bundle);
uint32_t tm__bundle_classes(const tm_bundle *bundle); /* BINARY 2, REGRESSION 0 */
const char *tm__bundle_class(const tm_bundle *bundle,
                             uint32_t index); /* BINARY: 0 negative, 1 positive */
/** The class that a text means: its name, the same number written another way, or, where two
 * classes say yes and no, one of true, yes, 1 beside false, no, 0. n_classes: none. */
uint32_t tm__bundle_class_meant(const tm_bundle *bundle, tm_str label);
/** How all of its classes look in JSON: true and false, whole numbers, or texts. */
typedef enum tm_class_kind { TM_CLASS_TEXT, TM_CLASS_BOOL, TM_CLASS_INT } tm_class_kind;
tm_class_kind tm__bundle_class_kind(const tm_bundle *bundle);
/** One of its classes as that; NULL when out of memory. The caller owns it. */
json_t *tm__bundle_class_json(const tm_bundle *bundle, uint32_t index);
const char *tm__bundle_target(const tm_bundle *bundle);
double tm__bundle_threshold(const tm_bundle *bundle); /* its own, or what it was told since */
/** Call the positive class from another probability on; the file stays as it is. Before others have
 * the bundle. */
void tm__bundle_call_from(tm_bundle *bundle, double threshold);
/**
 * Rules of columns (table/renames.h): those of its recipe when it is opened, and others that hold
 * in their place; the file stays as it is. Before others have the bundle.
 *
 * Errors: TM_E_DATA for what are no rules, TM_E_NOMEM; the bundle is as it was then.
 */
TM_NODISCARD tm_status tm__bundle_use_columns(tm_bundle *bundle, const json_t *rules, tm_err *err);
const json_t *tm__bundle_columns(const tm_bundle *bundle);     /* rules that hold; NULL: none */
const tm_renames *tm__bundle_renames(const tm_bundle *bundle); /* NULL: none */
/**
 * Policies of the columns that it learned from (table/privacy.h), {COLUMN: POLICY}; NULL: none.
 * Rows are brought to them before they are answered, and pass when they were before.
 */
const json_t *tm__bundle_policies(const tm_bundle *bundle);
/** Whether it makes pseudonyms; the key is a home's, never the file's. */
bool tm__bundle_needs_key(const tm_bundle *bundle);
/** Take a copy of the key when it is the one that its rows' pseudonyms were made with. Without it
 * rows must hold pseudonyms already. Before others have the bundle. */
void tm__bundle_use_key(tm_bundle *bundle, const tm_hash *key);
const tm_hash *tm__bundle_key(const tm_bundle *bundle); /* NULL: it has none */
/** Rows with the names that it reads (tm__renames_table()) and the policies of their columns
 * (tm__privacy_table()). Of rows that have them, the same. */
TM_NODISCARD tm_status tm__bundle_rename(const tm_bundle *bundle, tm_table *table, tm_table **out,
                                         tm_err *err);
uint32_t tm__bundle_outputs(const tm_bundle *bundle); /* answers a row: BINARY 1 (probability of
                                                         class 1), MULTICLASS k, REGRESSION 1 */
const tm_reference *tm__bundle_reference(const tm_bundle *bundle); /* NULL: it has none */

/** Who signed the file: the signature holds. NULL: nobody did. Whether that signer is trusted is
 * for the caller to ask. */
const struct tm_public_key *tm__bundle_signer(const tm_bundle *bundle);
/** Append the bytes of a whole bundle as signed by a key, in place of who signed it before; its
 * hash stays. Errors: those of tm__bundle_load()'s checks of bytes, TM_E_NOMEM. */
TM_NODISCARD tm_status tm__bundle_sign(const void *data, size_t len,
                                       const struct tm_signing_key *key, tm_buf *out, tm_err *err);

/** Memory that it holds: the file, and large blocks that were made from it when it was opened. */
uint64_t tm__bundle_bytes(const tm_bundle *bundle);
/** True when the file of that path is the one that it was opened from, and as it was then. */
bool tm__bundle_is_file(const tm_bundle *bundle, const char *path);
/** Rows with known answers that the file carries; 0: it was written without. */
uint32_t tm__bundle_golden_rows(const tm_bundle *bundle);

/** Append the golden rows, without their answers, as lines of JSON objects. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__bundle_golden_lines(const tm_bundle *bundle, tm_buf *out, tm_err *err);

/** Answers for rows of a table (NULL rows: all): out [n_rows x outputs]. Table columns are found by
 * name. */
TM_NODISCARD tm_status tm__bundle_predict(tm_ctx *ctx, const tm_bundle *bundle,
                                          const tm_table *table, const uint32_t *rows,
                                          uint64_t n_rows, double *out, tm_err *err);

/** The class that an answer names: BINARY 1 when out[0] >= the threshold, MULTICLASS the first
 * largest; REGRESSION 0. */
uint32_t tm__bundle_decide(const tm_bundle *bundle, const double *out);

/* One row, same bits, no allocation after the scratch is made; a scratch belongs to one thread and
 * one bundle. */
typedef struct tm_bundle_scratch tm_bundle_scratch;
tm_bundle_scratch *tm__bundle_scratch_create(const tm_bundle *bundle);
void tm__bundle_predict_row(const tm_bundle *bundle, tm_bundle_scratch *scratch,
                            const tm_cell *cells, double *out);
/** Cells of a row of the public interface, [n inputs]; the row's. */
typedef struct tm_row tm_row;
const tm_cell *tm__row_cells(const tm_row *row);
/** Contribution of each input column (schema order) to the raw score of one output as it is
 * calibrated, and *out_base: sums to *out_raw. */
TM_NODISCARD tm_status tm__bundle_explain_row(const tm_bundle *bundle, tm_bundle_scratch *scratch,
                                              const tm_cell *cells, uint32_t output,
                                              double *out_contributions, double *out_base,
                                              double *out_raw, tm_err *err);
/** Predict the golden rows (without any: one of missing values), which warms the scratch too;
 * TM_E_INTEGRITY unless each gives the bits that it gave where the bundle was written. */
TM_NODISCARD tm_status tm__bundle_golden_check(const tm_bundle *bundle, tm_bundle_scratch *scratch,
                                               tm_err *err);
void tm__bundle_scratch_free(tm_bundle_scratch *scratch);

tm_bundle *tm__bundle_ref(tm_bundle *bundle);
void tm__bundle_unref(tm_bundle *bundle);

#endif
