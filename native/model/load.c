#include "load.h"

#include "../base/convert.h"
#include "../base/error.h"
#include "../base/system.h"

#include <math.h>
#include <stdlib.h>

bool fm_role_is_vector(fm_role role) {
    switch (role) {
    case FM_NORM:
    case FM_INPUT_NORM:
    case FM_POST_NORM:
    case FM_Q_NORM:
    case FM_K_NORM:
    case FM_CONV:
    case FM_A_LOG:
    case FM_DT_BIAS:
    case FM_LINEAR_NORM: return true;
    default: return false;
    }
}

uint64_t fm_tensor_bytes(const fm_tensor *t, uint64_t align) {
    if (!t->weight.length)
        return 0;
    if (fm_role_is_vector(t->role))
        return fm_round_up((uint64_t)t->format.rows * t->format.cols * sizeof(float), align);
    return fm_round_up(t->weight.length, align) + fm_round_up(t->scales.length, align) +
           fm_round_up(t->biases.length, align);
}

fm_status fm_load_bytes(fm_loader *l, const fm_extent *e, uint64_t at, uint64_t n, uint8_t *dst, fm_error *err) {
    const fm_file *file = &l->files[e->file];
    for (uint64_t end = at + n; at < end;) {
        uint64_t piece = end - at < FM_LOAD_PIECE ? end - at : FM_LOAD_PIECE;
        fm_status status = fm_file_read(file, e->offset + at, (size_t)piece, dst, err);
        if (status != FM_OK)
            return status;
        /* The bytes are in our memory now; a second copy in the page cache would count against the same machine. */
        fm_file_drop_cache(file, e->offset + at, piece);
        at += piece;
        dst += piece;
        l->done += piece;
        if (l->progress && l->progress(l->progress_context, l->done, l->total))
            return fm_fail(err, FM_CANCELLED, "loading was cancelled");
    }
    return FM_OK;
}

fm_status fm_load_vector(fm_loader *l, const fm_tensor *t, float shift, float *values, fm_error *err) {
    uint64_t n = (uint64_t)t->format.rows * t->format.cols;
    uint8_t *raw = malloc((size_t)t->weight.length);
    if (!raw)
        return fm_fail(err, FM_NO_MEMORY, "out of memory while loading %s", t->name);
    fm_status status = fm_load_bytes(l, &t->weight, 0, t->weight.length, raw, err);
    for (uint64_t i = 0; i < n && status == FM_OK; i++) {
        values[i] = fm_load_float(t->format.dtype, raw, i) + shift;
        if (!isfinite(values[i]))
            status = fm_fail(err, FM_BAD_MODEL, "%s: %s holds a value that is not a number at index %llu",
                             l->files[t->weight.file].path, t->name, (unsigned long long)i);
    }
    free(raw);
    return status;
}

void fm_decay_of_logarithm(float *values, uint64_t count) {
    for (uint64_t i = 0; i < count; i++)
        values[i] = -expf(values[i]);
}
