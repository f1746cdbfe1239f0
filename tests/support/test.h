/* SPDX-License-Identifier: Apache-2.0 */
/* What tests share. */
#ifndef TM_SUPPORT_TEST_H
#define TM_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
