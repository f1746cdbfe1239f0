/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A learner in a module of its own: the k nearest of the training rows answer.
 *
 * Numbers are scaled to a standard deviation of 1 and compared by their squares, categories count 1
 * where they differ, and a value that one row has and the other has not counts 1. At most
 * `max_rows` rows are kept, evenly spaced: an answer looks at all of them.
 *
 * Source: Cover and Hart 1967, doi:10.1109/TIT.1967.1053964; weights by distance: Dudani 1976.
 */
#include <math.h>
#include <string.h>

#include <tidemill/module.h>

#define MAGIC 0x314e4e4bu /* "KNN1" */
#define NEIGHBOURS_MAX 64u
#define COLS_MAX 1024u  /* a row's cells stand on the stack: predict allocates nothing */
#define VALUE_MAX 1e100 /* of targets and weights: sums of them are finite */

enum { NEIGHBOURS, MAX_ROWS, WEIGHTING, N_PARAMS };

static const tm_module_param params[N_PARAMS] = {
    {"neighbours", TM_MODULE_INT, 15, 1, NEIGHBOURS_MAX, "Rows that answer together.", NULL},
    {"max_rows", TM_MODULE_INT, 20000, 1, 1000000, "Training rows that are kept at the most.",
     NULL},
    {"weighting", TM_MODULE_CHOICE, 1, 0, 1, "Whether near rows count more than far ones.",
     "uniform|distance"},
};

/* The model's bytes are its memory: a head, then doubles. So load only checks, and copies nothing.
 */
typedef struct head {
    uint32_t magic, task, n_outputs, n_cols;
    uint32_t n_neighbours, by_distance;
    uint64_t n_rows;
} head;

typedef struct knn {
    const head *head;
    const double *means;  /* [n_cols] */
    const double *scales; /* [n_cols] 1 / deviation; 0: a category */
    const double *x;      /* [n_rows x n_cols] scaled, row by row */
    const double *y;      /* [n_rows] */
    const double *w;      /* [n_rows] */
    void *own;            /* what fit made; NULL: bytes of the program */
} knn;

static size_t bytes_of(uint64_t n_rows, uint32_t n_cols) {
    return sizeof(head) + (size_t)(2 * (uint64_t)n_cols + n_rows * (n_cols + 2u)) * sizeof(double);
}

static knn *make(const tm_module_host *host, const void *data) {
    knn *self = host->alloc(sizeof(*self));
    if (self != NULL) {
        self->head = data;
        self->means = (const double *)(self->head + 1);
        self->scales = self->means + self->head->n_cols;
        self->x = self->scales + self->head->n_cols;
        self->y = self->x + self->head->n_rows * self->head->n_cols;
        self->w = self->y + self->head->n_rows;
        self->own = NULL;
    }
    return self;
}

/* ---- fit ---- */

static uint64_t row_of(uint64_t i, uint64_t n_kept, uint64_t n_rows) {
    return i * n_rows / n_kept; /* at most 1e6 times 4e9 */
}

/* Mean and 1 / deviation of a column's known values; in the order of rows, so the bits are one. */
static void measure(const tm_module_fit *in, uint32_t c, double *mean, double *scale) {
    const double *v = in->rows.cols[c];
    double sum = 0, squares = 0, n = 0, largest = 0;
    for (uint64_t i = 0; i < in->rows.n_rows; i++) {
        if (!isnan(v[i])) {
            largest = fabs(v[i]) > largest ? fabs(v[i]) : largest;
            n += 1;
        }
    }
    const double unit = largest > 0 ? largest : 1; /* so that squares cannot overflow */
    for (uint64_t i = 0; i < in->rows.n_rows; i++) {
        sum += isnan(v[i]) ? 0 : v[i] / unit;
    }
    sum = n > 0 ? sum / n : 0;
    for (uint64_t i = 0; i < in->rows.n_rows; i++) {
        const double off = isnan(v[i]) ? 0 : v[i] / unit - sum;
        squares += off * off;
    }
    const double deviation = n > 0 ? sqrt(squares / n) * unit : 0;
    *mean = sum * unit;
    *scale = deviation > 1e-150 ? 1 / deviation : 1;
}

/* Far values are cut, so that one of them cannot make a row nobody's neighbour. */
static double scaled(double value, double mean, double scale) {
    if (scale == 0 || isnan(value)) {
        return value;
    }
    const double z = (value / 2 - mean / 2) * scale * 2;
    return z > 1e6 ? 1e6 : z < -1e6 ? -1e6 : z;
}

static int32_t fill(const tm_module_call *call, const tm_module_fit *in, head *h) {
    double *means = (double *)(h + 1), *scales = means + h->n_cols, *x = scales + h->n_cols;
    double *y = x + h->n_rows * h->n_cols, *w = y + h->n_rows;
    for (uint32_t c = 0; c < h->n_cols; c++) {
        means[c] = scales[c] = 0;
        if (in->columns[c].n_levels == 0) {
            measure(in, c, &means[c], &scales[c]);
        }
        if (call->is_cancelled(call->self)) {
            return TM_MODULE_E_CANCELLED;
        }
    }
    for (uint64_t i = 0; i < h->n_rows; i++) {
        const uint64_t row = row_of(i, h->n_rows, in->rows.n_rows);
        for (uint32_t c = 0; c < h->n_cols; c++) {
            x[i * h->n_cols + c] = scaled(in->rows.cols[c][row], means[c], scales[c]);
        }
        y[i] = in->y[row];
        w[i] = in->weights == NULL ? 1 : in->weights[row];
        if (!(fabs(y[i]) <= VALUE_MAX) || !(w[i] <= VALUE_MAX)) {
            return call->refuse(call->self, TM_MODULE_E_DATA, "a target or a weight is over 1e100");
        }
    }
    return TM_MODULE_OK;
}

static int32_t fit(const tm_module_call *call, const tm_module_fit *in, void **out_model) {
    const tm_module_host *host = call->host;
    const uint64_t n_max = (uint64_t)in->params[MAX_ROWS];
    const uint64_t n_rows = in->rows.n_rows < n_max ? in->rows.n_rows : n_max;
    if (in->rows.n_cols > COLS_MAX) {
        return call->refuse(call->self, TM_MODULE_E_DATA, "there are more than 1024 columns");
    }
    head *h = host->alloc(bytes_of(n_rows, in->rows.n_cols));
    if (h == NULL) {
        return TM_MODULE_E_NOMEM;
    }
    *h = (head){MAGIC,
                in->task,
                in->n_outputs,
                in->rows.n_cols,
                (uint32_t)in->params[NEIGHBOURS],
                (uint32_t)in->params[WEIGHTING],
                n_rows};
    const int32_t status = fill(call, in, h);
    knn *self = status == TM_MODULE_OK ? make(host, h) : NULL;
    if (self == NULL) {
        host->free(h);
        return status == TM_MODULE_OK ? TM_MODULE_E_NOMEM : status;
    }
    self->own = h;
    (void)call->spend(call->self, in->rows.n_rows * in->rows.n_cols);
    *out_model = self;
    return TM_MODULE_OK;
}

/* ---- predict ---- */

typedef struct near {
    double distance;
    uint64_t row;
} near;

static double distance(const knn *self, const double *a, const double *q) {
    double sum = 0;
    for (uint32_t c = 0; c < self->head->n_cols; c++) {
        const double x = a[c], z = q[c];
        if (self->scales[c] == 0) {
            sum += x != z;
        } else if (isnan(x) || isnan(z)) {
            sum += isnan(x) != isnan(z);
        } else {
            sum += (x - z) * (x - z);
        }
    }
    return sum;
}

/* The nearest rows, nearest first; of equal ones the earlier. */
static uint32_t find(const knn *self, const double *q, near *best) {
    const head *h = self->head;
    uint32_t n = 0;
    for (uint64_t row = 0; row < h->n_rows; row++) {
        const double d = distance(self, self->x + row * h->n_cols, q);
        if (n == h->n_neighbours && d >= best[n - 1].distance) {
            continue;
        }
        uint32_t at = n < h->n_neighbours ? n++ : n - 1;
        for (; at > 0 && best[at - 1].distance > d; at--) {
            best[at] = best[at - 1];
        }
        best[at] = (near){d, row};
    }
    return n;
}

static double weight_of(const knn *self, const near *one) {
    const double w = self->w[one->row];
    return self->head->by_distance ? w / (1 + sqrt(one->distance)) : w;
}

/* What the rows say; one row's worth of doubt is shared alike, so that odds are finite. */
static void answer(const tm_module_host *host, const knn *self, const near *best, uint32_t n,
                   double *out) {
    const uint32_t k = self->head->n_outputs;
    double sum = 0, total = 0;
    for (uint32_t o = 0; o < k; o++) {
        out[o] = self->head->task == TM_MODULE_MULTICLASS ? 1.0 / k : 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        const double w = weight_of(self, &best[i]), y = self->y[best[i].row];
        total += w;
        sum += w * y;
        if (self->head->task == TM_MODULE_MULTICLASS) {
            out[(uint32_t)y] += w;
        }
    }
    if (self->head->task == TM_MODULE_REGRESSION) {
        out[0] = total > 0 ? sum / total : 0;
    } else if (self->head->task == TM_MODULE_BINARY) {
        out[0] = host->log((sum + 0.5) / (total - sum + 0.5));
    } else {
        for (uint32_t o = 0; o < k; o++) {
            out[o] = host->log(out[o]);
        }
    }
}

static void predict(const tm_module_host *host, const void *model, const tm_module_rows *rows,
                    double *out) {
    const knn *self = model;
    const head *h = self->head;
    near best[NEIGHBOURS_MAX];
    double query[COLS_MAX];
    for (uint64_t i = 0; i < rows->n_rows; i++) {
        for (uint32_t c = 0; c < h->n_cols; c++) {
            query[c] = scaled(rows->cols[c][i], self->means[c], self->scales[c]);
        }
        answer(host, self, best, find(self, query, best), out + i * h->n_outputs);
    }
}

/* ---- bytes ---- */

static int32_t save(const tm_module_call *call, const void *model) {
    const knn *self = model;
    return call->write(call->self, self->head, bytes_of(self->head->n_rows, self->head->n_cols));
}

static int32_t damaged(const tm_module_call *call, const char *why) {
    return call->refuse(call->self, TM_MODULE_E_DAMAGED, why);
}

static int32_t check(const tm_module_call *call, const head *h, size_t len,
                     const tm_module_shape *shape) {
    if (len < sizeof(*h) || h->magic != MAGIC) {
        return damaged(call, "not a model of nearest neighbours");
    }
    if (h->task != shape->task || h->n_outputs != shape->n_outputs || h->n_cols != shape->n_cols) {
        return damaged(call, "the model has another shape");
    }
    if (h->n_rows == 0 || h->n_rows > 1000000 || h->n_cols > COLS_MAX || h->n_neighbours == 0 ||
        h->n_neighbours > NEIGHBOURS_MAX || h->by_distance > 1 ||
        len != bytes_of(h->n_rows, h->n_cols)) {
        return damaged(call, "its length is not that of its rows");
    }
    const double *means = (const double *)(h + 1), *scales = means + h->n_cols;
    const double *x = scales + h->n_cols, *y = x + h->n_rows * h->n_cols, *w = y + h->n_rows;
    for (uint32_t c = 0; c < h->n_cols; c++) {
        if (!isfinite(means[c]) || !(scales[c] >= 0 && isfinite(scales[c]))) {
            return damaged(call, "a scale is no number");
        }
    }
    for (uint64_t i = 0; i < h->n_rows * h->n_cols; i++) {
        if (!(fabs(x[i]) <= 1e6) && !isnan(x[i])) {
            return damaged(call, "a value is out of range");
        }
    }
    for (uint64_t i = 0; i < h->n_rows; i++) {
        const int is_class =
            y[i] >= 0 && y[i] < (h->n_outputs > 1 ? h->n_outputs : 2) && floor(y[i]) == y[i];
        if (!(w[i] >= 0 && w[i] <= VALUE_MAX) || !(fabs(y[i]) <= VALUE_MAX) ||
            (h->task != TM_MODULE_REGRESSION && !is_class)) {
            return damaged(call, "a target or a weight is out of range");
        }
    }
    return TM_MODULE_OK;
}

static int32_t load(const tm_module_call *call, const void *data, size_t len,
                    const tm_module_shape *shape, void **out_model) {
    const int32_t status = check(call, data, len, shape);
    if (status != TM_MODULE_OK) {
        return status;
    }
    knn *self = make(call->host, data);
    if (self == NULL) {
        return TM_MODULE_E_NOMEM;
    }
    *out_model = self;
    return TM_MODULE_OK;
}

static void free_model(const tm_module_host *host, void *model) {
    knn *self = model;
    host->free(self->own);
    host->free(self);
}

/* ---- the module ---- */

static const tm_module_learner learner = {
    .size = sizeof(learner),
    .tasks = TM_MODULE_BINARY | TM_MODULE_MULTICLASS | TM_MODULE_REGRESSION,
    .params = params,
    .n_params = N_PARAMS,
    .fit = fit,
    .predict = predict,
    .save = save,
    .load = load,
    .free = free_model,
};

static const tm_module_table table = {
    .abi = TM_MODULE_ABI,
    .size = sizeof(table),
    .name = "knn",
    .version = "1.0",
    .licence = "Apache-2.0",
    .about = "The nearest of the training rows answer.",
    .learner = &learner,
};

const tm_module_table *tidemill_module(void) {
    return &table;
}
