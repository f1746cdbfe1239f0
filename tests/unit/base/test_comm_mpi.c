/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks that speak to each other are in tools/mpi, which starts them by mpirun. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/comm.h"

static void open_as(const char *n_ranks, tm_status wanted) {
    tm_comm *comm = NULL;
    tm_err err = {0};
    assert_int_equal(setenv("OMPI_COMM_WORLD_SIZE", n_ranks, 1), 0);
    assert_int_equal(setenv("TIDEMILL_LIBMPI", "/nowhere/libmpi.so", 1), 0);
    assert_int_equal(tm__comm_open(&(tm_comm_wait){0}, &comm, &err), wanted);
    assert_null(comm);
    if (wanted != TM_OK) {
        assert_non_null(strstr(err.message, "ranks of mpirun need Open MPI"));
        assert_non_null(strstr(err.hint, "openmpi-bin"));
    }
}

static void only_one_of_several_ranks_opens_the_library(void **state) {
    (void)state;
    open_as("1", TM_OK);
    assert_false(tm__comm_is_rank());
    open_as("2", TM_E_UNSUPPORTED);
    assert_true(tm__comm_is_rank());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_one_of_several_ranks_opens_the_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
