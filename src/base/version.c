/* SPDX-License-Identifier: Apache-2.0 */
#include "tidemill/bundle.h"

/* The build gives TM_VERSION from the one place that states it, meson.build. */
const char *tm_version_text(void) {
    return TM_VERSION;
}
