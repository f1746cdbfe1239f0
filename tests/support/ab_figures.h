/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of the package confseq (tests/golden/metric/confseq.csv), made again. */
#ifndef TM_SUPPORT_AB_FIGURES_H
#define TM_SUPPORT_AB_FIGURES_H

#include <stdint.h>

/** Largest distance of what this program makes from the figures of a name, over the larger of the
 * two; *out_n is how many there are. Fails the test when there is no such file. */
double ab_figures_worst(const char *name, uint32_t *out_n);

#endif
