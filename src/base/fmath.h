/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elementary functions whose bits do not depend on the CPU, the libc or the compiler: plain C with
 * a fixed order of operations, no FMA. Error at most 1 ulp for exp and log, 2 ulp for the others,
 * over all doubles. NaN gives the canonical NaN. Any thread.
 */
#ifndef TM_BASE_FMATH_H
#define TM_BASE_FMATH_H

#include <stddef.h>
#include <stdint.h>

double tm__exp(double x);
double tm__expm1(double x);
double tm__log(double x);
double tm__log1p(double x);
double tm__pow(double x, double y);
double tm__sin(double x);
double tm__cos(double x);
/** 1 / (1 + exp(-x)), without overflow. */
double tm__sigmoid(double x);
/** The same for n values, bit for bit; out may be x. */
void tm__exp_array(const double *x, double *out, size_t n);
void tm__sigmoid_array(const double *x, double *out, size_t n);
void tm__log_array(const double *x, double *out, size_t n);
void tm__log1p_array(const double *x, double *out, size_t n);
/** sqrt is exact in IEEE 754. */
double tm__sqrt(double x);
/** The one NaN that Tidemill stores: 0x7FF8000000000000. */
double tm__nan(void);
/** Bits of a double with every NaN made canonical and -0 kept. */
uint64_t tm__f64_bits(double x);
double tm__f64_from_bits(uint64_t bits);

#endif
