/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an ONNX model. */
#include "import_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    import_fuzz(data, len);
    return 0;
}
