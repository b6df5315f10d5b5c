#include "error.h"

#include <stdarg.h>
#include <stdio.h>

fm_status fm_fail(fm_error *err, fm_status status, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
        err->status = status;
    }
    return status;
}
