// After the translated shaders: the library's functions and, with SOFT_MAIN, a program that runs one kernel on a case.

extern "C" int fm_soft_abi(void) {
    return FM_SOFT_ABI;
}

extern "C" const fm_soft_kernel *fm_soft_kernels(uint32_t *count) {
    *count = sizeof soft_kernels / sizeof *soft_kernels;
    return soft_kernels;
}

extern "C" const char *const *fm_soft_constants(uint32_t *count) {
    *count = sizeof soft_constant_names / sizeof *soft_constant_names;
    return soft_constant_names;
}

extern "C" int fm_soft_run(const fm_soft_kernel *kernel, const int32_t *constants, void *const *args,
                           const uint32_t groups[3], uint32_t threads, uint32_t order, char *error, size_t room) {
    std::lock_guard<std::mutex> guard(soft::lock);
    for (size_t i = 0; i < sizeof soft_constant_names / sizeof *soft_constant_names; i++)
        *soft_constant_values[i] = constants[i];
    return soft::run(kernel, args, groups, threads, order, error, room);
}

#ifdef SOFT_MAIN
// A case: kernel name; constants; groups, threads, order; memories, of which the first are the kernel's arguments;
// addresses of memories to store into memories. Written back: the memories. See tests/gpu/shader.py.
static FILE *soft_case;
template <typename T> static T soft_read() {
    T value;
    if (fread(&value, sizeof value, 1, soft_case) != 1)
        exit(3);
    return value;
}

int main(int count, char **words) {
    if (count != 3 || !(soft_case = fopen(words[1], "rb")))
        return 3;
    std::vector<char> name(soft_read<uint32_t>() + 1);
    if (fread(name.data(), 1, name.size() - 1, soft_case) != name.size() - 1)
        return 3;
    std::vector<int32_t> constants(sizeof soft_constant_names / sizeof *soft_constant_names);
    for (int32_t &value : constants)
        value = soft_read<int32_t>();
    uint32_t groups[3];
    for (uint32_t &value : groups)
        value = soft_read<uint32_t>();
    uint32_t threads = soft_read<uint32_t>(), order = soft_read<uint32_t>();
    std::vector<void *> memories(soft_read<uint32_t>());
    std::vector<size_t> sizes;
    for (void *&memory : memories) {
        sizes.push_back(soft_read<uint64_t>());
        memory = malloc(sizes.back());
        if (fread(memory, 1, sizes.back(), soft_case) != sizes.back())
            return 3;
    }
    for (uint32_t left = soft_read<uint32_t>(); left > 0; left--) {
        uint32_t in = soft_read<uint32_t>(), offset = soft_read<uint32_t>(), of = soft_read<uint32_t>();
        memcpy((char *)memories[in] + offset, &memories[of], sizeof(void *));
    }
    fclose(soft_case);
    for (const fm_soft_kernel &kernel : soft_kernels)
        if (strcmp(kernel.name, name.data()) == 0) {
            char error[1000];
            if (fm_soft_run(&kernel, constants.data(), memories.data(), groups, threads, order, error, sizeof error)) {
                fprintf(stderr, "%s\n", error);
                return 2;
            }
            FILE *out = fopen(words[2], "wb");
            for (size_t i = 0; i < memories.size(); i++)
                fwrite(memories[i], 1, sizes[i], out);
            return fclose(out);
        }
    fprintf(stderr, "no kernel %s\n", name.data());
    return 3;
}
#endif
