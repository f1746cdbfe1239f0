/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Made flights of five airports, one every two minutes: an airport is bad for twelve hours at a
 * time, and flights from a bad one are mostly late. Lateness is known on arrival, an hour and more
 * after a flight leaves.
 */
#ifndef TM_FLIGHTS_CASE_H
#define TM_FLIGHTS_CASE_H

#include "table/table.h"

/** Flights number first .. first + n - 1: leaves, from, arrives, delay, late. */
tm_table *flights_case_table(uint64_t first, uint64_t n);

#endif
