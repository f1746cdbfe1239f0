/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transform in a module of its own: kilometres between two places on the earth,
 *
 *   --feature 'km = great_circle(from_lat, from_lon, to_lat, to_lon)'
 *
 * in degrees, on a sphere of the mean radius (haversine; Sinnott 1984). What is no place on the
 * earth has no distance.
 */
#include <math.h>

#include <tidemill/module.h>

#define RADIUS_KM 6371.0088
#define RADIANS 0.017453292519943295
#define QUARTER 1.5707963267948966

static const uint32_t inputs[] = {TM_MODULE_NUMBER, TM_MODULE_NUMBER, TM_MODULE_NUMBER,
                                  TM_MODULE_NUMBER};

/* The angle of a sine from 0 to 1, with the host's sine alone: its bits are the same everywhere.
 * Halving a range of a quarter turn 60 times leaves nothing to halve. */
static double angle_of(const tm_module_host *host, double sine) {
    double low = 0, high = QUARTER;
    for (int i = 0; i < 60; i++) {
        const double middle = low + (high - low) / 2;
        if (host->sin(middle) < sine) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return high;
}

static int is_place(double lat, double lon) {
    return fabs(lat) <= 90 && fabs(lon) <= 360; /* not of NaN */
}

static void apply(const tm_module_host *host, const tm_module_cell *cells, char *room,
                  tm_module_cell *out) {
    const double lat_a = cells[0].number, lon_a = cells[1].number;
    const double lat_b = cells[2].number, lon_b = cells[3].number;
    (void)room;
    out->number = NAN;
    if (!is_place(lat_a, lon_a) || !is_place(lat_b, lon_b)) {
        return;
    }
    const double north = host->sin((lat_b - lat_a) * RADIANS / 2);
    const double east = host->sin((lon_b - lon_a) * RADIANS / 2);
    const double h =
        north * north + host->cos(lat_a * RADIANS) * host->cos(lat_b * RADIANS) * east * east;
    out->number = 2 * RADIUS_KM * angle_of(host, sqrt(h < 1 ? h : 1));
}

static const tm_module_transform transform = {
    .size = sizeof(transform),
    .n_inputs = 4,
    .inputs = inputs,
    .output = TM_MODULE_NUMBER,
    .apply = apply,
};

static const tm_module_table table = {
    .abi = TM_MODULE_ABI,
    .size = sizeof(table),
    .name = "great_circle",
    .version = "1.0",
    .licence = "Apache-2.0",
    .about = "Kilometres between two places given as latitudes and longitudes.",
    .transform = &transform,
};

const tm_module_table *tidemill_module(void) {
    return &table;
}
