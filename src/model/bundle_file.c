/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a bundle; docs/formats/bundle.md is the reference.
 *
 *   0     header, 64 bytes: magic, version, number of sections, length, sums, hash
 *   64    directory: 32 bytes a section, zeros to a multiple of 64
 *   ...   sections in rising order of type, each from a multiple of 64, zeros between
 *
 * Invariants.
 * 1. A file has one layout only: every byte is either covered by a checksum, or a zero that is
 *    checked, or a number that the length of the file fixes. So no byte can change unnoticed.
 * 2. Checks run from the outside in: nothing is trusted before its sum was right, and no size is
 *    used before it was held against the length of the file.
 */
#include <string.h>

#include "base/le.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/bundle_priv.h"

#define MAGIC "TMBUNDLE"
#define VERSION 1u
#define HEADER 64u
#define ENTRY 32u
#define ALIGN 64u
#define NAME 64u /* the learner's name before its bytes, filled with zeros */
#define HASH_AT 32u

static const char *const section_names[TM_SECTION_END] = {
    "none",      "info",   "program",     "model",     "reference", "notes",
    "signature", "golden", "calibration", "intervals", "privacy",
};

static uint64_t aligned(uint64_t n) {
    return (n + (ALIGN - 1)) & ~(uint64_t)(ALIGN - 1);
}

/* ---- hash ---- */

static bool is_hashed(unsigned type) {
    return type <= TM_SECTION_REFERENCE || type >= TM_SECTION_CALIBRATION;
}

/* Type and length go in too, so that bytes cannot move from one section to another. */
static void hash_sections(const tm_bytes *sections, tm_hash *out) {
    tm_hasher hasher;
    tm__hasher_init(&hasher);
    for (unsigned type = 1; type < TM_SECTION_END; type++) {
        const uint64_t len = sections[type].len;
        uint8_t head[12];
        if (sections[type].data == NULL || !is_hashed(type)) {
            continue;
        }
        for (unsigned i = 0; i < 12; i++) {
            head[i] = (uint8_t)(i < 4 ? type >> (8 * i) : len >> (8 * (i - 4)));
        }
        tm__hasher_update(&hasher, head, sizeof(head));
        tm__hasher_update(&hasher, sections[type].data, sections[type].len);
    }
    tm__hasher_final(&hasher, out);
}

/* ---- write ---- */

/* Sum of the header but for the sum itself. */
static uint32_t header_crc(const uint8_t *header) {
    return tm__crc32c(tm__crc32c(0, header, 28), header + HASH_AT, HEADER - HASH_AT);
}

static void write_header(uint8_t *base, const tm_bytes *sections, uint32_t n_sections, uint64_t len,
                         const tm_hash *hash) {
    uint8_t *entry = base + HEADER;
    for (unsigned type = 1; type < TM_SECTION_END; type++) {
        if (sections[type].data == NULL) {
            continue;
        }
        tm__le_put_u32(entry, type);
        tm__le_put_u32(entry + 4, tm__crc32c(0, sections[type].data, sections[type].len));
        tm__le_put_u64(entry + 8, (uint64_t)(sections[type].data - base));
        tm__le_put_u64(entry + 16, sections[type].len);
        entry += ENTRY;
    }
    memcpy(base, MAGIC, 8);
    tm__le_put_u32(base + 8, VERSION);
    tm__le_put_u32(base + 12, n_sections);
    tm__le_put_u64(base + 16, len);
    tm__le_put_u32(base + 24, tm__crc32c(0, base + HEADER, (size_t)n_sections * ENTRY));
    memcpy(base + HASH_AT, hash->bytes, TM_HASH_BYTES);
    tm__le_put_u32(base + 28, header_crc(base));
}

static tm_status write_section(const tm_bundle_parts *parts, unsigned type, tm_buf *out,
                               tm_err *err) {
    char name[NAME] = {0};
    switch (type) {
    case TM_SECTION_INFO:
        (void)tm__json_write(out, parts->info, TM_JSON_SORTED);
        return TM_OK;
    case TM_SECTION_PROGRAM:
        return tm__program_save(parts->program, out, err);
    case TM_SECTION_MODEL:
        (void)tm__str_copy(name, sizeof(name), tm__str(parts->model->ops->name));
        (void)tm__buf_append(out, name, sizeof(name));
        return parts->model->ops->save(parts->model, out, err);
    case TM_SECTION_REFERENCE:
        tm__reference_save(parts->reference, out);
        return TM_OK;
    case TM_SECTION_GOLDEN:
        return tm__golden_write(parts, out, err);
    case TM_SECTION_CALIBRATION:
        tm__calibration_save(parts->calibration, out);
        return TM_OK;
    case TM_SECTION_INTERVALS:
        tm__conformal_save(parts->conformal, out);
        return TM_OK;
    case TM_SECTION_PRIVACY:
        (void)tm__json_write(out, tm__bundle_privacy(parts->info), TM_JSON_SORTED);
        return TM_OK;
    default:
        (void)tm__json_write(out, parts->notes, TM_JSON_SORTED);
        return TM_OK;
    }
}

static bool has_calibration(const tm_bundle_parts *parts) {
    return parts->calibration != NULL && parts->calibration->kind != TM_CALIBRATION_NONE;
}

static bool has_section(const tm_bundle_parts *parts, unsigned type) {
    return type <= TM_SECTION_MODEL || (type == TM_SECTION_REFERENCE && parts->reference != NULL) ||
           (type == TM_SECTION_NOTES && parts->notes != NULL) || type == TM_SECTION_GOLDEN ||
           (type == TM_SECTION_CALIBRATION && has_calibration(parts)) ||
           (type == TM_SECTION_INTERVALS && parts->conformal != NULL &&
            parts->conformal->kind != TM_CONFORMAL_NONE) ||
           (type == TM_SECTION_PRIVACY && tm__bundle_privacy(parts->info) != NULL);
}

static tm_status write_parts(const tm_bundle_parts *parts, tm_buf *out, tm_hash *out_hash,
                             tm_err *err) {
    uint64_t starts[TM_SECTION_END] = {0}, ends[TM_SECTION_END] = {0};
    tm_bytes sections[TM_SECTION_END] = {{NULL, 0}};
    uint32_t n_sections = 0;
    tm_bundle_answers answers = {0};
    tm_buf buf;
    TM_TRY(tm__bundle_answers_read(parts->info, parts->model, &answers, err));
    tm__mem_free(answers.classes);
    tm__buf_init(&buf, TM_MAX_BUNDLE_BYTES);
    for (unsigned type = 1; type < TM_SECTION_END; type++) {
        n_sections += has_section(parts, type) ? 1 : 0;
    }
    const uint8_t zeros[ALIGN] = {0};
    while (buf.len < aligned(HEADER + (uint64_t)n_sections * ENTRY) && !buf.failed) {
        (void)tm__buf_append(&buf, zeros, ALIGN);
    }
    tm_status st = TM_OK;
    for (unsigned type = 1; st == TM_OK && type < TM_SECTION_END; type++) {
        if (has_section(parts, type)) {
            starts[type] = buf.len;
            st = write_section(parts, type, &buf, err);
            ends[type] = buf.len;
            (void)tm__buf_align(&buf, ALIGN);
        }
    }
    if (st == TM_OK && buf.failed) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for a bundle of more than %zu bytes", buf.len);
    }
    if (st == TM_OK) {
        tm_hash hash;
        for (unsigned type = 1; type < TM_SECTION_END; type++) {
            if (has_section(parts, type)) {
                sections[type] =
                    (tm_bytes){buf.data + starts[type], (size_t)(ends[type] - starts[type])};
            }
        }
        hash_sections(sections, &hash);
        write_header(buf.data, sections, n_sections, buf.len, &hash);
        if (tm__buf_append(out, buf.data, buf.len)) {
            *out_hash = hash;
        } else {
            st = TM_FAIL(err, TM_E_NOMEM, "out of memory for a bundle of %zu bytes", buf.len);
        }
    }
    tm__buf_done(&buf);
    return st;
}

tm_status tm__bundle_write(const tm_bundle_parts *parts, tm_buf *out, tm_hash *out_hash,
                           tm_err *err) {
    tm_bundle_parts with = *parts;
    json_t *info = NULL;
    TM_TRY(tm__bundle_modules_write(parts, &info, err));
    with.info = info;
    const tm_status st = write_parts(&with, out, out_hash, err);
    json_decref(info);
    return st;
}

tm_status tm__bundle_file_write(const tm_bytes *sections, tm_buf *out, tm_err *err) {
    tm_bytes placed[TM_SECTION_END] = {{NULL, 0}};
    uint64_t starts[TM_SECTION_END] = {0};
    const uint8_t zeros[ALIGN] = {0};
    uint32_t n_sections = 0;
    tm_hash hash;
    tm_buf buf;
    tm__buf_init(&buf, TM_MAX_BUNDLE_BYTES);
    for (unsigned type = 1; type < TM_SECTION_END; type++) {
        n_sections += sections[type].data != NULL ? 1 : 0;
    }
    while (buf.len < aligned(HEADER + (uint64_t)n_sections * ENTRY) && !buf.failed) {
        (void)tm__buf_append(&buf, zeros, ALIGN);
    }
    for (unsigned type = 1; type < TM_SECTION_END; type++) {
        if (sections[type].data != NULL) {
            starts[type] = buf.len;
            (void)tm__buf_append(&buf, sections[type].data, sections[type].len);
            (void)tm__buf_align(&buf, ALIGN);
        }
    }
    for (unsigned type = 1; !buf.failed && type < TM_SECTION_END; type++) {
        if (sections[type].data != NULL) {
            placed[type] = (tm_bytes){buf.data + starts[type], sections[type].len};
        }
    }
    if (!buf.failed) {
        hash_sections(placed, &hash);
        write_header(buf.data, placed, n_sections, buf.len, &hash);
        (void)tm__buf_append(out, buf.data, buf.len);
    }
    const bool is_done = !buf.failed && !out->failed;
    tm__buf_done(&buf);
    return is_done ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory for a bundle");
}

/* ---- check ---- */

static tm_status damaged(const char *where, const char *why, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_INTEGRITY, "bundle is damaged in section '%s': %s", where, why);
    tm_err_hint(err, "Take the file from a backup or train again; nothing of it was used.");
    return st;
}

static bool is_zero(const uint8_t *data, uint64_t from, uint64_t to) {
    for (uint64_t i = from; i < to; i++) {
        if (data[i] != 0) {
            return false;
        }
    }
    return true;
}

static tm_status check_header(const uint8_t *data, size_t len, tm_err *err) {
    if (len < HEADER || memcmp(data, MAGIC, 8) != 0) {
        const tm_status st = TM_FAIL(err, TM_E_INTEGRITY, "not a bundle: no header");
        tm_err_hint(err, "Give a .tmb file that tidemill wrote.");
        return st;
    }
    /* The header and its sum have one layout in every version, so that a damaged version is told
     * from a newer one. */
    if (tm__le_u32(data + 28) != header_crc(data)) {
        return damaged("header", "checksum", err);
    }
    if (tm__le_u32(data + 8) != VERSION) {
        const tm_status st = TM_FAIL(err, TM_E_UNSUPPORTED, "bundle has format version %u, not %u",
                                     tm__le_u32(data + 8), VERSION);
        tm_err_hint(err, "Use the release of tidemill that wrote it, or a later one.");
        return st;
    }
    if (tm__le_u64(data + 16) != len) {
        return damaged(
            "header",
            tm__le_u64(data + 16) > len ? "the file is cut short" : "the file is too long", err);
    }
    return TM_OK;
}

/* One entry: its section must start where the one before ended, rounded up. */
static tm_status check_section(const uint8_t *data, size_t len, const uint8_t *entry,
                               uint64_t *io_at, tm_bundle_file *file, tm_err *err) {
    const uint32_t type = tm__le_u32(entry);
    const uint64_t offset = tm__le_u64(entry + 8), size = tm__le_u64(entry + 16);
    if (type >= TM_SECTION_END) {
        const tm_status st = TM_FAIL(err, TM_E_UNSUPPORTED,
                                     "bundle has a section of type %u, which is not known", type);
        tm_err_hint(err, "Use the release of tidemill that wrote it, or a later one.");
        return st;
    }
    if (type == TM_SECTION_NONE || file->sections[type].data != NULL) {
        return damaged("directory", "type", err);
    }
    if (offset != *io_at || size > len - offset || aligned(offset + size) > len) {
        return damaged(section_names[type], "place", err);
    }
    if (tm__crc32c(0, data + offset, (size_t)size) != tm__le_u32(entry + 4)) {
        return damaged(section_names[type], "checksum", err);
    }
    if (!is_zero(data, offset + size, aligned(offset + size))) {
        return damaged(section_names[type], "bytes after its end", err);
    }
    file->sections[type] = (tm_bytes){data + offset, (size_t)size};
    *io_at = aligned(offset + size);
    return TM_OK;
}

tm_status tm__bundle_file_sums(const void *bytes, size_t len, tm_bundle_file *out, tm_err *err) {
    const uint8_t *data = bytes;
    tm_bundle_file file = {.sections = {{NULL, 0}}};
    uint32_t last = 0;
    TM_TRY(check_header(data, len, err));
    const uint32_t n_sections = tm__le_u32(data + 12);
    const uint64_t end = HEADER + (uint64_t)n_sections * ENTRY;
    uint64_t at = aligned(end);
    if (n_sections >= 64 || at > len) {
        return damaged("directory", "length", err);
    }
    if (tm__crc32c(0, data + HEADER, (size_t)(end - HEADER)) != tm__le_u32(data + 24) ||
        !is_zero(data, end, at)) {
        return damaged("directory", "checksum", err);
    }
    for (uint32_t i = 0; i < n_sections; i++) {
        const uint8_t *entry = data + HEADER + (size_t)i * ENTRY;
        if (tm__le_u32(entry) <= last || tm__le_u64(entry + 24) != 0) {
            return damaged("directory", "order", err);
        }
        last = tm__le_u32(entry);
        TM_TRY(check_section(data, len, entry, &at, &file, err));
    }
    if (at != len) {
        return damaged("directory", "the file is too long", err);
    }
    for (unsigned type = TM_SECTION_INFO; type <= TM_SECTION_MODEL; type++) {
        if (file.sections[type].data == NULL) {
            return damaged(section_names[type], "not there", err);
        }
    }
    memcpy(file.hash.bytes, data + HASH_AT, TM_HASH_BYTES);
    *out = file;
    return TM_OK;
}

tm_status tm__bundle_file_hash(const tm_bundle_file *file, tm_err *err) {
    tm_hash hash;
    hash_sections(file->sections, &hash);
    return tm__hash_eq(&hash, &file->hash) ? TM_OK : damaged("header", "hash", err);
}

tm_status tm__bundle_file_check(const void *data, size_t len, tm_bundle_file *out, tm_err *err) {
    tm_bundle_file file;
    TM_TRY(tm__bundle_file_sums(data, len, &file, err));
    TM_TRY(tm__bundle_file_hash(&file, err));
    *out = file;
    return TM_OK;
}
