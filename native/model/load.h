/* Reading dense tensors: what every backend does with them before they are laid out its way. */
#ifndef FM_MODEL_LOAD_H
#define FM_MODEL_LOAD_H

#include "../stream/file.h"
#include "spec.h"

/* Reads go in pieces of this size, after each of which the page cache is freed of it and progress is reported. */
enum { FM_LOAD_PIECE = 4 << 20 };

typedef struct fm_loader {
    const fm_table *table;
    const fm_file *files;
    fm_progress progress;
    void *progress_context;
    uint64_t total, done; /* bytes */
} fm_loader;

/* Norms, biases, the convolution: kept as float32, whatever the file has. The others are matrices. */
bool fm_role_is_vector(fm_role role);
/* Bytes of a tensor in memory, each part rounded up to `align`; 0 where the model has none. */
uint64_t fm_tensor_bytes(const fm_tensor *tensor, uint64_t align);

/* n bytes of an extent from `at`. FM_IO, FM_CANCELLED. */
fm_status fm_load_bytes(fm_loader *loader, const fm_extent *extent, uint64_t at, uint64_t n, uint8_t *dst,
                        fm_error *err);
/* A vector as float32 with `shift` added. A value that is not finite is FM_BAD_MODEL. */
fm_status fm_load_vector(fm_loader *loader, const fm_tensor *tensor, float shift, float *values, fm_error *err);
/* The decay of the delta rule from its logarithm: -exp(x), in place. */
void fm_decay_of_logarithm(float *values, uint64_t count);

#endif
