/* SPDX-License-Identifier: Apache-2.0 */
/* Everything public. */
#ifndef TM_TIDEMILL_TIDEMILL_H
#define TM_TIDEMILL_TIDEMILL_H

#include "tidemill/bundle.h"
#include "tidemill/err.h"
#include "tidemill/log.h"

#endif
