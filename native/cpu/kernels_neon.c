/* NEON kernels: not written yet. */
#include "kernels.h"

const fm_kernels *const fm_kernels_neon = NULL;
