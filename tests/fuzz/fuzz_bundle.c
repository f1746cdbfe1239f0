/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a model file: nothing is read past its end, and a refusal says why. */
#include <stdlib.h>

#include "model/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    tm_bundle *bundle = NULL;
    tm_err err = {0};
    if (tm__bundle_load(data, len, &bundle, &err) == TM_OK) {
        tm_bundle_scratch *scratch = tm__bundle_scratch_create(bundle);
        tm__bundle_scratch_free(scratch);
        tm__bundle_unref(bundle);
    } else if (err.message[0] == '\0') {
        abort();
    }
    return 0;
}
