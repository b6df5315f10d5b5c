/* Errors as values: a status and a sentence that names what is wrong. */
#ifndef FM_BASE_ERROR_H
#define FM_BASE_ERROR_H

#include "flashmoe.h"

#if defined(__GNUC__)
#define FM_PRINTF(a, b) __attribute__((format(printf, a, b)))
#else
#define FM_PRINTF(a, b)
#endif

/* Fills err (may be NULL) and returns status, so that a failure reads `return fm_fail(err, FM_IO, "…");`. */
fm_status fm_fail(fm_error *err, fm_status status, const char *format, ...) FM_PRINTF(3, 4);

#endif
