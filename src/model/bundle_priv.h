/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the bundle: bytes (bundle_file.c), state (bundle.c), answers
 * (bundle_predict.c). */
#ifndef TM_MODEL_BUNDLE_PRIV_H
#define TM_MODEL_BUNDLE_PRIV_H

#include <stdatomic.h>

#include "base/fs.h"
#include "guard/sign.h"
#include "model/bundle.h"
#include "model/calibration.h"

/* Numbers are stored in files: never reuse one. */
typedef enum tm_section {
    TM_SECTION_NONE = 0,
    TM_SECTION_INFO = 1,
    TM_SECTION_PROGRAM = 2,
    TM_SECTION_MODEL = 3,
    TM_SECTION_REFERENCE = 4,
    TM_SECTION_NOTES = 5,
    TM_SECTION_SIGNATURE = 6,
    TM_SECTION_GOLDEN = 7,
    TM_SECTION_CALIBRATION = 8,
    TM_SECTION_INTERVALS = 9,
    TM_SECTION_PRIVACY = 10,
    TM_SECTION_END = 11
} tm_section;

typedef struct tm_bytes {
    const uint8_t *data; /* NULL: the section is not there */
    size_t len;
} tm_bytes;

/* Checked bytes of a file. */
typedef struct tm_bundle_file {
    tm_bytes sections[TM_SECTION_END];
    tm_hash hash;
} tm_bundle_file;

/** Find and check every section; nothing is copied. */
TM_NODISCARD tm_status tm__bundle_file_check(const void *data, size_t len, tm_bundle_file *out,
                                             tm_err *err);

/** What 'info' says of policies of columns ("recipe.privacy"); NULL: nothing. */
const json_t *tm__bundle_privacy(const json_t *info);
/** Check that the section says the same, so that no reader goes past policies that it does not
 * know; bundle_columns.c. TM_E_INTEGRITY. */
TM_NODISCARD tm_status tm__bundle_privacy_check(const tm_bundle_file *file, const json_t *info,
                                                tm_err *err);

/** The first half of it: each section by its sum; the hash is what the header says. */
TM_NODISCARD tm_status tm__bundle_file_sums(const void *data, size_t len, tm_bundle_file *out,
                                            tm_err *err);
/** The other half, which reads all bytes once more. */
TM_NODISCARD tm_status tm__bundle_file_hash(const tm_bundle_file *file, tm_err *err);

/** Append a file of sections [TM_SECTION_END], those without data left out. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__bundle_file_write(const tm_bytes *sections, tm_buf *out, tm_err *err);

/* Whose file it is; bundle_sign.c. */
typedef struct tm_bundle_signer {
    bool is_signed;
    tm_public_key key;
} tm_bundle_signer;
/** Check the section, if it is there; TM_E_INTEGRITY for a signature that does not hold. */
TM_NODISCARD tm_status tm__bundle_signer_load(const tm_bundle_file *file, tm_bundle_signer *out,
                                              tm_err *err);

/* What info says of the answers; texts live in info. */
typedef struct tm_bundle_answers {
    tm_task task;
    uint32_t n_classes;
    const char **classes; /* [n_classes], owned */
    const char *target;
    double threshold;
} tm_bundle_answers;

/** Read and check info against the model it describes. */
TM_NODISCARD tm_status tm__bundle_answers_read(const json_t *info, const tm_model *model,
                                               tm_bundle_answers *out, tm_err *err);

/* Rows with the answers that they must give; checked bytes, in the layout of bundle_golden.c. */
typedef struct tm_golden {
    uint32_t n_rows; /* 0: the file has none */
    tm_bytes rows;
} tm_golden;

/** Append the section: rows made for the program, and what the bundle would answer. */
TM_NODISCARD tm_status tm__golden_write(const tm_bundle_parts *parts, tm_buf *out, tm_err *err);
/** Check the section but for its answers; nothing is copied. */
TM_NODISCARD tm_status tm__golden_load(tm_bytes bytes, const tm_program *program,
                                       const tm_model *model, tm_golden *out, tm_err *err);

/** Use the rules of its own recipe. bundle_columns.c */
TM_NODISCARD tm_status tm__bundle_columns_load(tm_bundle *bundle, tm_err *err);

/* bundle_modules.c */
/** Info with what the model needs of users' modules. New reference. */
TM_NODISCARD tm_status tm__bundle_modules_write(const tm_bundle_parts *parts, json_t **out,
                                                tm_err *err);
/** TM_E_UNSUPPORTED names a module that is not loaded, or has another hash. */
TM_NODISCARD tm_status tm__bundle_modules_check(const json_t *info, tm_err *err);
/** TM_E_INTEGRITY unless info names just what the model is made of. */
TM_NODISCARD tm_status tm__bundle_modules_match(const json_t *info, const tm_program *program,
                                                const tm_model *model, tm_err *err);

struct tm_bundle {
    atomic_uint n_refs;
    tm_map map;   /* of a file, or */
    uint8_t *own; /* a copy */
    tm_bundle_file file;
    json_t *info, *notes;
    tm_program *program;
    tm_model *model;
    tm_calibration calibration;
    tm_conformal conformal;
    tm_reference *reference; /* NULL: none */
    tm_bundle_answers answers;
    tm_golden golden;
    tm_bundle_signer signer;
    json_t *columns;     /* rules that hold; NULL: none */
    tm_renames *renames; /* these, bound; NULL: none */
    bool *may_lack;      /* [inputs] by the file alone; NULL: no rule was used */
    tm_hash privacy_key; /* of the pseudonyms of its recipe, once has_privacy_key */
    bool has_privacy_key;
    uint64_t heap_bytes;
};

#endif
