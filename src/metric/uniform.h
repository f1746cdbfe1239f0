/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uniform boundaries: curves u(v) that a sum S with intrinsic time (variance process) V stays below
 * at all times at once but with chance alpha. An interval from one holds however often one looks
 * and whenever one stops: a confidence sequence. Definitions and parameters are those of the
 * package confseq, with which tests/golden/metric/confseq.csv was made.
 *
 * Source: Howard, Ramdas, McAuliffe, Sekhon 2021, "Time-uniform, nonparametric, nonasymptotic
 *         confidence sequences", Annals of Statistics 49(2), arXiv:1810.08240: "HRMS" below.
 *
 * Units of s are those of the sum, of v their square, of c those of the sum. Any thread.
 */
#ifndef TM_METRIC_UNIFORM_H
#define TM_METRIC_UNIFORM_H

/** What the normal mixture adds to v so that its boundary at level alpha is lowest near v: HRMS
 * sec. 3.5, the closed form near its optimum. v > 0, 0 < alpha < 1. */
double tm__mixture_rho(double v, double alpha);

/** |S| of a sub-Gaussian sum stays below it: the two-sided normal mixture, HRMS sec. 3.2, prop. 5.
 * v >= 0, rho > 0. */
double tm__normal_mixture(double v, double alpha, double rho);

/* The gamma-exponential mixture for sub-exponential sums with scale c, HRMS sec. 3.2, prop. 9: S
stays below it on one side. */
typedef struct tm_gamma_mixture {
    double rho, c;
    double log_start; /* log of what the mixture is scaled by */
} tm_gamma_mixture;
/** Lowest near v_opt at level alpha; c > 0. */
tm_gamma_mixture tm__gamma_mixture(double v_opt, double alpha, double c);
/** Log of the supermartingale that starts at 1: at least log(1 / alpha) where S has crossed. */
double tm__gamma_mixture_log(const tm_gamma_mixture *mixture, double s, double v);
/** Not less than that, for the price of one logarithm: where it is below log(1 / alpha), S has not
 * crossed. A mixture is at most the largest of what it mixes, exp(l s - psi(l) v). */
double tm__gamma_mixture_log_most(const tm_gamma_mixture *mixture, double s, double v);
/** The boundary: the s at which tm__gamma_mixture_log() is log(1 / alpha).
 * Cost: some sixty times that, which is O(sqrt(v) / c) itself. */
double tm__gamma_mixture_bound(const tm_gamma_mixture *mixture, double v, double alpha);

#endif
