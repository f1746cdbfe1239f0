/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions behind tests and intervals: gamma, the normal distribution, chi-squared. Bits do
 * not depend on the CPU or the libc (base/fmath.h). Relative error below 1e-11 where the value is
 * over 1e-300, for arguments up to 1e9; NaN gives NaN. Any thread.
 */
#ifndef TM_METRIC_SPECIAL_H
#define TM_METRIC_SPECIAL_H

/** Log of gamma(a), a > 0. */
double tm__log_gamma(double a);
/** What Stirling's formula leaves out: log gamma(a) - ((a - 1/2) log a - a + log(2 pi) / 2). It
 * goes as 1 / (12 a), so differences of log gamma at large a keep their digits. */
double tm__log_gamma_rest(double a);
/** x - log(1 + x) for x > -1, also near 0, where the two cancel. */
double tm__log1p_gap(double x);

/** Regularised incomplete gamma: P(a, x), a > 0, x >= 0.
 * Cost: O(sqrt(a)) near x = a.  Source: DLMF 8.7.1 (series), 8.9.2 (continued fraction). */
double tm__gamma_below(double a, double x);
/** Q(a, x) = 1 - P(a, x), exact in the tail. */
double tm__gamma_above(double a, double x);

/** Chance that a standard normal is above z. */
double tm__normal_above(double z);
/** The z that a standard normal is above with chance p: infinite at 0 and 1, NaN outside. */
double tm__normal_upper(double p);
/** Chance that chi-squared of df degrees of freedom is above x. */
double tm__chi2_above(double x, double df);

#endif
