// What the files of the binding share.
#ifndef FM_PYTHON_BINDING_H
#define FM_PYTHON_BINDING_H

#include "flashmoe.h"

#include <pybind11/pybind11.h>

namespace py = pybind11;

[[noreturn]] void raise(const fm_error &err); // as the exception of flashmoe.errors for its status
void bind_device(py::module_ &m);

#endif
