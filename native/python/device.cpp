// One kernel on one GPU device, for `flashmoe doctor --self-test`: memory in, memory out, and the time it took.
#include "binding.h"

extern "C" {
#include "../gpu/device.h"
}

#include <array>
#include <cstdio>
#include <cstring>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <memory>
#include <tuple>
#include <vector>

using namespace py::literals;

namespace {

void check(fm_status status, const fm_error &err) {
    if (status != FM_OK)
        raise(err);
}

using Buffer = std::unique_ptr<fm_buffer, void (*)(fm_buffer *)>;
using Address = std::tuple<size_t, size_t, size_t>; // of a table, byte offset in it, of a memory

class Device {
  public:
    Device(const std::string &name, const std::string &kernels, uint32_t order) {
        const fm_device_ops *ops = fm_device_find(name.c_str());
        fm_error err{};
        if (!ops) {
            err.status = FM_UNSUPPORTED;
            snprintf(err.message, sizeof err.message, "this build has no device %s", name.c_str());
            raise(err);
        }
        const fm_device_options options{kernels.c_str(), order, false};
        fm_device *opened = nullptr;
        check(fm_device_open(ops, &options, &opened, &err), err);
        device.reset(opened);
    }

    py::dict limits() const {
        const fm_device_limits &l = device->limits;
        return py::dict("name"_a = l.name, "buffer_most"_a = l.buffer_most, "memory"_a = l.memory,
                        "threads_most"_a = l.threads_most, "group_memory"_a = l.group_memory, "unified"_a = l.unified);
    }

    // The arrays of `args` after the kernel ran `repeat` times, each after the other, and the seconds of all of them
    // (negative: unknown). bytes are small constants. memories are reached through addresses.
    std::pair<py::list, double> run(const std::string &name, const std::vector<std::pair<std::string, int>> &constants,
                                    const py::list &args, const std::array<uint32_t, 3> &groups, uint32_t threads,
                                    const std::vector<py::array> &memories, const std::vector<Address> &addresses,
                                    uint32_t repeat) {
        fm_error err{};
        std::vector<Buffer> reached, bound;
        for (const py::array &memory : memories)
            reached.push_back(upload(memory.data(), size_t(memory.nbytes()), true));
        std::vector<std::string> contents;
        for (py::handle arg : args)
            contents.push_back(bytes_of(arg));
        for (const auto &[table, offset, memory] : addresses)
            memcpy(&contents.at(table).at(offset), &reached.at(memory)->address, 8);
        std::vector<fm_arg> given;
        for (size_t i = 0; i < args.size(); i++) {
            const std::string &content = contents[i];
            if (py::isinstance<py::bytes>(args[i])) {
                bound.emplace_back(nullptr, fm_buffer_free);
                given.push_back({nullptr, 0, content.size(), content.data()});
            } else {
                bound.push_back(upload(content.data(), content.size(), false));
                given.push_back({bound.back().get(), 0, content.size(), nullptr});
            }
        }
        std::vector<fm_constant> values;
        for (const auto &[constant, value] : constants)
            values.push_back({constant.c_str(), value});
        fm_kernel *kernel = nullptr;
        check(fm_kernel_get(device.get(), name.c_str(), values.data(), uint32_t(values.size()), threads, &kernel, &err),
              err);
        double seconds;
        fm_status status;
        {
            py::gil_scoped_release released;
            fm_commands *list = fm_commands_begin(device.get());
            for (uint32_t i = 0; i < repeat; i++) {
                fm_dispatch(device.get(), list, kernel, given.data(), uint32_t(given.size()),
                            {groups[0], groups[1], groups[2]}, threads);
                fm_barrier(device.get(), list);
            }
            fm_ticket ticket = fm_commit(device.get(), list);
            status = fm_wait(device.get(), ticket, &err);
            seconds = fm_seconds(device.get(), ticket);
        }
        check(status, err);
        py::list out;
        for (size_t i = 0; i < args.size(); i++) {
            if (!bound[i]) {
                out.append(args[i]);
                continue;
            }
            py::array like = py::reinterpret_borrow<py::array>(args[i]);
            py::array result(like.dtype(), std::vector<py::ssize_t>(like.shape(), like.shape() + like.ndim()));
            check(fm_download(bound[i].get(), 0, result.mutable_data(), size_t(result.nbytes()), &err), err);
            out.append(result);
        }
        return {out, seconds};
    }

  private:
    struct Close {
        void operator()(fm_device *d) const { fm_device_close(d); }
    };
    std::unique_ptr<fm_device, Close> device;

    Buffer upload(const void *data, size_t bytes, bool by_address) {
        fm_error err{};
        fm_buffer *made = nullptr;
        check(fm_buffer_new(device.get(), bytes, FM_PRIVATE, by_address, &made, &err), err);
        Buffer buffer(made, fm_buffer_free);
        check(fm_upload(made, 0, data, bytes, &err), err);
        return buffer;
    }

    static std::string bytes_of(py::handle arg) {
        if (py::isinstance<py::bytes>(arg))
            return arg.cast<std::string>();
        py::array array = py::array::ensure(arg, py::array::c_style);
        return {static_cast<const char *>(array.data()), size_t(array.nbytes())};
    }
};

std::vector<std::string> device_names() {
    std::vector<std::string> names;
    for (const fm_device_ops *const *ops = fm_devices(); *ops; ops++)
        names.push_back((*ops)->name);
    return names;
}

} // namespace

void bind_device(py::module_ &m) {
    m.def("device_names", &device_names);
    py::class_<Device>(m, "Device")
        .def(py::init<const std::string &, const std::string &, uint32_t>(), "name"_a, "kernels"_a, "order"_a = 0)
        .def("limits", &Device::limits)
        .def("run", &Device::run, "name"_a, "constants"_a, "args"_a, "groups"_a, "threads"_a, "memories"_a,
             "addresses"_a, "repeat"_a = 1);
}
