/* SPDX-License-Identifier: Apache-2.0 */
/* `doctor` on a home with a bucket: whether it answers, and what goes there. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cli/doctor.h"
#include "store/bucket.h"

static bool stop_at_one(void *arg, const char *name) {
    (void)arg;
    (void)name;
    return false;
}

static tm_status look(tm_bucket *bucket, const char *bundles, const char *segment, bool *takes,
                      tm_err *err) {
    TM_TRY(tm__bucket_takes(bucket, segment, takes, err));
    return tm__bucket_list(bucket, bundles, stop_at_one, NULL, err);
}

void tm__check_bucket(tm_checks *checks, const char *home) {
    tm_err err = {0};
    tm_bucket bucket = {0};
    bool takes = false;
    if (!tm__bucket_is_used(home)) {
        return;
    }
    char *const bundles = tm__fs_join(home, "bundles");
    char *const segment = tm__fs_join(home, "segments/x");
    const uint64_t start_ns = tm__mono_ns();
    tm_status st = bundles == NULL || segment == NULL ? TM_E_NOMEM : TM_OK;
    st = tm__check_note(st == TM_OK ? look(&bucket, bundles, segment, &takes, &err) : st);
    const double ms = (double)(tm__mono_ns() - start_ns) / 1e6;
    if (st == TM_OK) {
        tm__check_add(checks, "bucket", TM_CHECK_OK, NULL, "answers in %.0f ms; segments %s", ms,
                      takes ? "go there, too" : "stay here");
    } else {
        tm__check_add(checks, "bucket", TM_CHECK_BAD,
                      "Until it answers, models that are loaded and rows that are here are all "
                      "there is: look at bucket.json and its file of credentials.",
                      "%s", err.message);
    }
    tm__bucket_done(&bucket);
    tm__mem_free(segment);
    tm__mem_free(bundles);
}
