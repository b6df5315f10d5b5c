// The Python binding: it turns a ModelSpec into the core's table, statuses into exceptions, and lets go of the GIL
// while the core works. No logic of its own; python/flashmoe/model.py is the API.
#include "binding.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

using namespace py::literals;

[[noreturn]] void raise(const fm_error &err) {
    const char *name = "FlashMoeError";
    switch (err.status) {
    case FM_BAD_ARGUMENT: name = "UsageError"; break;
    case FM_BAD_MODEL: name = "CheckpointError"; break;
    case FM_OVER_BUDGET:
    case FM_NO_MEMORY: name = "MemoryBudgetError"; break;
    case FM_IO: name = "ReadError"; break;
    case FM_CONTEXT_FULL: name = "ContextFullError"; break;
    case FM_CANCELLED: name = "Cancelled"; break;
    default: break;
    }
    py::object type = py::module_::import("flashmoe.errors").attr(name);
    PyErr_SetString(type.ptr(), err.message);
    throw py::error_already_set();
}

namespace {

// ---- ModelSpec -> fm_spec ----------------------------------------------------------------------------------------

fm_dtype dtype_of(const std::string &name) {
    if (name == "f32")
        return FM_F32;
    if (name == "f16")
        return FM_F16;
    if (name == "bf16")
        return FM_BF16;
    if (name == "affine")
        return FM_AFFINE;
    throw py::value_error("unknown dtype '" + name + "'");
}

fm_format format_of(py::handle f) {
    fm_format format{};
    format.dtype = dtype_of(f.attr("dtype").cast<std::string>());
    format.rows = f.attr("rows").cast<uint32_t>();
    format.cols = f.attr("cols").cast<uint32_t>();
    if (format.dtype == FM_AFFINE) {
        format.bits = f.attr("bits").cast<uint32_t>();
        format.group = f.attr("group").cast<uint32_t>();
        format.scale_dtype = dtype_of(f.attr("scale_dtype").cast<std::string>());
    }
    return format;
}

fm_extent extent_of(py::handle e) {
    return {e.attr("file").cast<int32_t>(), e.attr("offset").cast<uint64_t>(), e.attr("length").cast<uint64_t>()};
}

// Names of spec.py in the order of the roles of flashmoe.h.
const char *const role_names[FM_ROLES] = {
    "embed",  "norm",        "head",      "input_norm",  "post_norm",
    "router", "shared_gate", "shared_up", "shared_down", "shared_expert_gate",
    "q",      "k",           "v",         "o",           "q_norm",
    "k_norm", "in_qkv",      "in_z",      "in_a",        "in_b",
    "conv",   "A_log",       "dt_bias",   "linear_norm", "out",
};

fm_role role_of(const std::string &name) {
    for (int r = 0; r < FM_ROLES; r++)
        if (name == role_names[r])
            return static_cast<fm_role>(r);
    throw py::value_error("unknown role '" + name + "'");
}

// Owns what an fm_spec points to.
struct Spec {
    fm_spec spec{};
    std::vector<uint8_t> full_attention;
    std::vector<std::string> names;
    std::vector<const char *> files;
    std::vector<fm_tensor> tensors;
    std::vector<fm_expert_table> experts;
    std::vector<std::vector<fm_extent>> extents;

    explicit Spec(py::handle source) {
        py::object c = source.attr("config");
        fm_config &config = spec.config;
        auto number = [&](const char *field) { return c.attr(field).cast<uint32_t>(); };
        for (py::handle type : c.attr("layer_types"))
            full_attention.push_back(type.cast<std::string>() == "full_attention");
        config.vocab = number("vocab");
        config.hidden = number("hidden");
        config.layers = static_cast<uint32_t>(full_attention.size());
        config.full_attention = full_attention.data();
        config.heads = number("heads");
        config.kv_heads = number("kv_heads");
        config.head_dim = number("head_dim");
        config.rope_dim = number("rope_dim");
        config.rope_theta = c.attr("rope_theta").cast<double>();
        config.linear_key_heads = number("linear_key_heads");
        config.linear_value_heads = number("linear_value_heads");
        config.linear_key_dim = number("linear_key_dim");
        config.linear_value_dim = number("linear_value_dim");
        config.conv_kernel = number("conv_kernel");
        config.experts = number("experts");
        config.experts_per_token = number("experts_per_token");
        config.moe_inner = number("moe_inner");
        config.shared_inner = number("shared_inner");
        config.norm_eps = c.attr("norm_eps").cast<float>();
        config.norm_shift = source.attr("norm_shift").cast<float>();
        config.tied_head = c.attr("tied_head").cast<bool>();
        config.max_context = number("max_context");

        py::dict table = source.attr("tensors");
        py::tuple paths = source.attr("files"), layers = source.attr("experts");
        if (layers.size() != config.layers)
            throw py::value_error("one expert table for each layer is needed");
        names.reserve(paths.size() + table.size() + layers.size()); // c_str() must not move
        auto keep = [&](py::handle text) { return names.emplace_back(py::str(text)).c_str(); };
        for (py::handle path : paths)
            files.push_back(keep(path));
        for (auto [key, tensor] : table) {
            auto [role, layer] = key.cast<std::pair<std::string, int32_t>>();
            tensors.push_back({role_of(role), layer, keep(tensor.attr("name")), format_of(tensor.attr("format")),
                               extent_of(tensor.attr("weight")), extent_of(tensor.attr("scales")),
                               extent_of(tensor.attr("biases"))});
        }
        for (py::handle layer : layers) {
            auto array = py::array_t < int64_t,
                 py::array::c_style | py::array::forcecast > ::ensure(layer.attr("extents"));
            if (!array || array.ndim() != 3 || array.shape(0) != static_cast<py::ssize_t>(config.experts) ||
                array.shape(1) != FM_EXPERT_PARTS || array.shape(2) != 3)
                throw py::value_error("expert extents must be int64 [experts, 9, 3]");
            std::vector<fm_extent> list(static_cast<size_t>(array.shape(0)) * FM_EXPERT_PARTS);
            const int64_t *values = array.data();
            for (size_t i = 0; i < list.size(); i++)
                list[i] = {static_cast<int32_t>(values[3 * i]), static_cast<uint64_t>(values[3 * i + 1]),
                           static_cast<uint64_t>(values[3 * i + 2])};
            extents.push_back(std::move(list));
            experts.push_back(
                {keep(layer.attr("name")),
                 {format_of(layer.attr("gate")), format_of(layer.attr("up")), format_of(layer.attr("down"))},
                 extents.back().data()});
        }
        spec.files = files.data();
        spec.file_count = static_cast<uint32_t>(files.size());
        spec.tensors = tensors.data();
        spec.tensor_count = static_cast<uint32_t>(tensors.size());
        spec.experts = experts.data();
    }
};

struct Options {
    fm_options options{};
    std::string kernels, backend, shaders;

    explicit Options(const py::dict &o) {
        options.memory = o["memory"].cast<uint64_t>();
        options.host_memory = o["host_memory"].cast<uint64_t>();
        options.threads = o["threads"].cast<uint32_t>();
        options.context = o["context"].cast<uint32_t>();
        options.experts_per_token = o["experts_per_token"].cast<uint32_t>();
        auto reader = o["reader"].cast<std::string>();
        options.read_mode = reader == "direct"     ? FM_READ_DIRECT
                            : reader == "buffered" ? FM_READ_BUFFERED
                                                   : FM_READ_AUTO;
        backend = o["backend"].cast<std::string>();
        shaders = o["shaders"].cast<std::string>();
        options.backend = backend.c_str();
        options.shaders = shaders.empty() ? nullptr : shaders.c_str();
        options.shader_order = o["shader_order"].cast<uint32_t>();
        kernels = o["kernels"].cast<std::string>();
        options.kernels = kernels.empty() ? nullptr : kernels.c_str();
    }
};

py::dict plan_dict(const fm_plan &p) {
    return py::dict("budget"_a = p.budget, "dense"_a = p.dense, "session_fixed"_a = p.session_fixed,
                    "session_context"_a = p.session_context, "scratch"_a = p.scratch, "readers"_a = p.readers,
                    "cache"_a = p.cache, "slot"_a = p.slot, "host"_a = p.host, "smallest"_a = p.smallest,
                    "experts_total"_a = p.experts_total, "expert_bytes_per_token"_a = p.expert_bytes_per_token,
                    "dense_bytes_per_token"_a = p.dense_bytes_per_token, "cache_slots"_a = p.cache_slots,
                    "host_slots"_a = p.host_slots, "apart"_a = p.apart, "context"_a = p.context, "sweep"_a = p.sweep,
                    "chunk"_a = p.chunk, "threads"_a = p.threads, "read_threads"_a = p.read_threads,
                    "experts_per_token"_a = p.experts_per_token, "kernels"_a = std::string(p.kernels));
}

// ---- progress ------------------------------------------------------------------------------------------------------

// Called by the core without the GIL. Lets Ctrl-C through even when nobody asked for progress, and keeps an exception
// of the callback until the core has returned.
struct Progress {
    py::object callback;
    std::unique_ptr<py::error_already_set> raised;

    static bool report(void *context, uint64_t done, uint64_t total) {
        auto *self = static_cast<Progress *>(context);
        py::gil_scoped_acquire gil;
        try {
            if (PyErr_CheckSignals() != 0)
                throw py::error_already_set();
            return !self->callback.is_none() && py::cast<bool>(py::bool_(self->callback(done, total)));
        } catch (py::error_already_set &e) {
            self->raised = std::make_unique<py::error_already_set>(e);
            return true;
        }
    }

    void finish(fm_status status, const fm_error &err) {
        if (raised)
            throw py::error_already_set(*raised);
        if (status != FM_OK)
            raise(err);
    }
};

// The core's locks may be held by a call that waits for the GIL (to report progress), so nothing is closed with it.
template <typename T, void (*close)(T *)> void close_without_gil(T *object) {
    if (PyGILState_Check()) {
        py::gil_scoped_release release;
        close(object);
    } else {
        close(object);
    }
}

// ---- model and session ----------------------------------------------------------------------------------------------

struct Model {
    std::shared_ptr<fm_model> model;
    uint32_t vocab, layers, experts;

    Model(py::handle source, const py::dict &o, py::object callback) {
        Spec spec(source);
        Options options(o);
        vocab = spec.spec.config.vocab;
        layers = spec.spec.config.layers;
        experts = spec.spec.config.experts;
        Progress progress{std::move(callback), nullptr};
        fm_error err{};
        fm_model *opened = nullptr;
        fm_status status;
        {
            py::gil_scoped_release release;
            status = fm_model_open(&spec.spec, &options.options, Progress::report, &progress, &opened, &err);
        }
        if (opened)
            model.reset(opened, close_without_gil<fm_model, fm_model_close>);
        progress.finish(status, err);
    }

    // (asked, reads, resident), each [layers, experts]
    py::tuple expert_map() const {
        py::array_t<uint32_t> asked({layers, experts}), reads({layers, experts});
        py::array_t<bool> resident({layers, experts});
        uint32_t *a = asked.mutable_data(), *r = reads.mutable_data();
        uint8_t *here = reinterpret_cast<uint8_t *>(resident.mutable_data());
        {
            py::gil_scoped_release release;
            fm_model_expert_map(model.get(), a, r, here);
        }
        return py::make_tuple(asked, reads, resident);
    }
};

// What the routers of a session chose, layer by layer, while it is recorded.
struct Routing {
    uint32_t k = 0, start = 0;                // start: position when recording began
    std::vector<std::vector<int32_t>> layers; // [layers][tokens * k]

    static void record(void *context, uint32_t layer, uint32_t n, const int32_t *experts) {
        auto *self = static_cast<Routing *>(context);
        if (layer >= self->layers.size())
            self->layers.resize(layer + 1);
        auto &chosen = self->layers[layer];
        chosen.insert(chosen.end(), experts, experts + static_cast<size_t>(n) * self->k);
    }

    size_t tokens() const { return layers.empty() ? 0 : layers.back().size() / k; }
};

// One call at a time: the lock of session.py sees to that.
struct Session {
    std::shared_ptr<fm_model> model; // outlives the session
    std::shared_ptr<fm_session> session;
    uint32_t vocab;
    std::shared_ptr<Routing> routing; // when recorded

    Session(std::shared_ptr<fm_model> m, fm_session *s, uint32_t v) : model(std::move(m)), vocab(v) {
        session = std::shared_ptr<fm_session>(
            s, [keep = model](fm_session *p) { close_without_gil<fm_session, fm_session_close>(p); });
    }

    static Session make(const Model &m) {
        fm_session *s = nullptr;
        fm_error err{};
        fm_status status;
        {
            py::gil_scoped_release release;
            status = fm_session_new(m.model.get(), &s, &err);
        }
        if (status != FM_OK)
            raise(err);
        return Session(m.model, s, m.vocab);
    }

    std::shared_ptr<fm_session> alive() const {
        if (!session) {
            fm_error err{FM_BAD_ARGUMENT, "the session is closed"};
            raise(err);
        }
        return session;
    }

    py::object eval(const py::array_t<int32_t, py::array::c_style> &ids, const std::string &which,
                    py::object callback) {
        auto s = alive();
        size_t n = static_cast<size_t>(ids.size());
        py::object out = py::none();
        float *logits = nullptr;
        fm_logits mode = which == "all" ? FM_ALL_LOGITS : which == "last" ? FM_LAST_LOGITS : FM_NO_LOGITS;
        if (mode != FM_NO_LOGITS) {
            py::array_t<float> array = mode == FM_ALL_LOGITS ? py::array_t<float>({n, static_cast<size_t>(vocab)})
                                                             : py::array_t<float>(static_cast<py::ssize_t>(vocab));
            logits = array.mutable_data();
            out = array;
        }
        Progress progress{std::move(callback), nullptr};
        fm_error err{};
        fm_status status;
        {
            py::gil_scoped_release release;
            status = fm_session_eval(s.get(), ids.data(), n, mode, logits, Progress::report, &progress, &err);
        }
        forget_failed();
        progress.finish(status, err);
        return out;
    }

    Session fork() {
        auto s = alive();
        fm_session *forked = nullptr;
        fm_error err{};
        fm_status status;
        {
            py::gil_scoped_release release;
            status = fm_session_fork(s.get(), &forked, &err);
        }
        if (status != FM_OK)
            raise(err);
        return Session(model, forked, vocab);
    }

    void close() {
        std::shared_ptr<fm_session> last;
        last.swap(session); // a call in another thread keeps it until it returns
    }

    std::vector<int32_t> tokens() const {
        auto s = alive();
        const int32_t *first = fm_session_tokens(s.get());
        return std::vector<int32_t>(first, first + fm_session_position(s.get()));
    }

    // Views of the state, valid until the session's next call.
    py::list state(uint32_t position) {
        auto s = alive();
        std::vector<fm_run> runs(fm_session_state(s.get(), position, nullptr, 0));
        fm_session_state(s.get(), position, runs.data(), runs.size());
        py::list views;
        for (const fm_run &run : runs)
            views.append(py::memoryview::from_memory(run.data, static_cast<py::ssize_t>(run.bytes)));
        return views;
    }

    void restore(const py::array_t<int32_t, py::array::c_style> &ids) {
        auto s = alive();
        fm_error err{};
        if (fm_session_restore(s.get(), ids.data(), static_cast<uint32_t>(ids.size()), &err) != FM_OK)
            raise(err);
    }

    void record_routing() {
        auto s = alive();
        routing = std::make_shared<Routing>();
        routing->k = fm_model_plan(model.get())->experts_per_token;
        routing->start = fm_session_position(s.get());
        fm_session_trace(s.get(), Routing::record, routing.get());
    }

    // int32 [layers, tokens, k]
    py::array_t<int32_t> recorded_routing() const {
        const Routing &r = routing ? *routing : Routing();
        size_t tokens = r.tokens(), size = tokens * r.k;
        py::array_t<int32_t> out({r.layers.size(), tokens, static_cast<size_t>(r.k)});
        for (size_t layer = 0; layer < r.layers.size(); layer++)
            std::copy_n(r.layers[layer].data(), size, out.mutable_data() + layer * size);
        return out;
    }

    // After a call: what a failed block left in the recording.
    void forget_failed() {
        if (!routing || !session)
            return;
        for (auto &chosen : routing->layers)
            chosen.resize(static_cast<size_t>(fm_session_position(session.get()) - routing->start) * routing->k);
    }

    py::dict stats() const {
        fm_stats stats;
        fm_session_stats(alive().get(), &stats);
        auto phase = [](const fm_phase_stats &p) {
            return py::dict(
                "tokens"_a = p.tokens, "expert_hits"_a = p.expert_hits, "expert_misses"_a = p.expert_misses,
                "bytes_read"_a = p.bytes_read, "expert_host_hits"_a = p.expert_host_hits,
                "bytes_moved"_a = p.bytes_moved, "seconds"_a = p.seconds, "seconds_reading"_a = p.seconds_reading,
                "seconds_disk"_a = p.seconds_disk, "seconds_waiting"_a = p.seconds_waiting,
                "seconds_attention"_a = p.seconds_on[FM_WORK_ATTENTION],
                "seconds_delta"_a = p.seconds_on[FM_WORK_DELTA], "seconds_router"_a = p.seconds_on[FM_WORK_ROUTER],
                "seconds_shared"_a = p.seconds_on[FM_WORK_SHARED], "seconds_experts"_a = p.seconds_on[FM_WORK_EXPERTS],
                "seconds_ends"_a = p.seconds_on[FM_WORK_ENDS]);
        };
        return py::dict("prefill"_a = phase(stats.prefill), "decode"_a = phase(stats.decode));
    }
};

// One token to each session; float32 [n, vocab].
py::array_t<float> step(const Model &m, const std::vector<Session *> &sessions,
                        const py::array_t<int32_t, py::array::c_style> &ids) {
    size_t n = sessions.size();
    if (static_cast<size_t>(ids.size()) != n)
        throw py::value_error("a step takes one token for each session");
    std::vector<std::shared_ptr<fm_session>> alive; // until the step ends, whatever is closed meanwhile
    std::vector<fm_session *> natives;
    for (Session *session : sessions) {
        alive.push_back(session->alive());
        natives.push_back(alive.back().get());
    }
    py::array_t<float> logits({n, static_cast<size_t>(m.vocab)});
    float *out = logits.mutable_data();
    Progress progress{py::none(), nullptr};
    fm_error err{};
    fm_status status;
    {
        py::gil_scoped_release release;
        status = fm_model_step(m.model.get(), natives.data(), ids.data(), n, out, Progress::report, &progress, &err);
    }
    for (Session *session : sessions)
        session->forget_failed();
    progress.finish(status, err);
    return logits;
}

py::dict make_plan(py::handle source, const py::dict &o) {
    Spec spec(source);
    Options options(o);
    fm_plan plan;
    fm_error err{};
    fm_status status = fm_plan_make(&spec.spec, &options.options, &plan, &err);
    if (status != FM_OK)
        raise(err);
    return plan_dict(plan);
}

std::vector<std::string> kernel_names() {
    std::vector<std::string> names;
    for (const char *const *name = fm_kernel_names(); *name; name++)
        names.emplace_back(*name);
    return names;
}

double measure_disk(const std::string &path, size_t size, uint32_t depth, bool direct, double seconds) {
    double rate = 0;
    fm_error err{};
    fm_status status;
    {
        py::gil_scoped_release release;
        status = fm_measure_disk(path.c_str(), size, depth, direct, seconds, &rate, &err);
    }
    if (status != FM_OK)
        raise(err);
    return rate;
}

} // namespace

PYBIND11_MODULE(_core, m) {
    m.doc() = "The native core of flashmoe; use the flashmoe package instead.";
    m.def("plan", &make_plan, "spec"_a, "options"_a);
    bind_device(m);
    m.def("kernel_names", &kernel_names);
    m.def("measure_memory", &fm_measure_memory, "bytes"_a, "threads"_a, py::call_guard<py::gil_scoped_release>());
    m.def("measure_disk", &measure_disk, "path"_a, "size"_a, "depth"_a, "direct"_a, "seconds"_a);

    py::class_<Model>(m, "Model")
        .def(py::init<py::handle, const py::dict &, py::object>(), "spec"_a, "options"_a, "progress"_a = py::none())
        .def("plan", [](const Model &self) { return plan_dict(*fm_model_plan(self.model.get())); })
        .def("reserve",
             [](const Model &self, uint64_t bytes) {
                 fm_error err{};
                 fm_status status;
                 {
                     py::gil_scoped_release release;
                     status = fm_model_reserve(self.model.get(), bytes, &err);
                 }
                 if (status != FM_OK)
                     raise(err);
             })
        .def("reader", [](const Model &self) { return std::string(fm_model_reader(self.model.get())); })
        .def("room", [](const Model &self) { return fm_model_room(self.model.get()); })
        .def("expert_map", &Model::expert_map)
        .def("session", &Session::make)
        .def("step", &step, "sessions"_a, "ids"_a);

    py::class_<Session>(m, "Session")
        .def("eval", &Session::eval, "ids"_a, "logits"_a, "progress"_a = py::none())
        .def("fork", &Session::fork)
        .def("close", &Session::close)
        .def("cancel",
             [](const Session &self) {
                 if (self.session)
                     fm_session_cancel(self.session.get());
             })
        .def_property_readonly("position", [](const Session &self) { return fm_session_position(self.alive().get()); })
        .def("tokens", &Session::tokens)
        .def("state", &Session::state, "position"_a)
        .def("restore", &Session::restore, "ids"_a)
        .def_property_readonly("context", [](const Session &self) { return fm_model_plan(self.model.get())->context; })
        .def("record_routing", &Session::record_routing)
        .def("recorded_routing", &Session::recorded_routing)
        .def("stats", &Session::stats);
}
