#include "file.h"

#include "../base/error.h"
#include "../base/system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One pread call returns at most this much on some systems (macOS: INT_MAX). */
enum { LARGEST_READ = 1 << 30 };

static int open_direct(const char *path) {
#if defined(O_DIRECT)
    return open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
#elif defined(F_NOCACHE)
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fcntl(fd, F_NOCACHE, 1) != 0) {
        close(fd);
        return -1;
    }
    return fd;
#else
    (void)path;
    return -1;
#endif
}

/* Some file systems accept the flag and refuse the read. */
static bool direct_works(int fd) {
    uint8_t *page = fm_pages_new(2 * FM_DIRECT_ALIGN);
    if (!page)
        return false;
    uint8_t *aligned = page + (FM_DIRECT_ALIGN - (uintptr_t)page % FM_DIRECT_ALIGN) % FM_DIRECT_ALIGN;
    bool works = pread(fd, aligned, FM_DIRECT_ALIGN, 0) >= 0;
    fm_pages_free(page, 2 * FM_DIRECT_ALIGN);
    return works;
}

fm_status fm_file_open(fm_file *file, const char *path, bool direct, fm_error *err) {
    *file = (fm_file){.buffered = -1, .direct = -1};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fm_fail(err, FM_IO, "cannot open %s: %s", path, strerror(errno));
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return fm_fail(err, FM_IO, "cannot read %s: it is not a regular file", path);
    }
    file->path = strdup(path);
    if (!file->path) {
        close(fd);
        return fm_fail(err, FM_NO_MEMORY, "out of memory while opening %s", path);
    }
    file->buffered = fd;
    file->size = (uint64_t)st.st_size;
#if defined(POSIX_FADV_RANDOM)
    /* The kernel's read-ahead would read neighbours of an expert that nobody asked for. */
    posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
#endif
    if (direct) {
        file->direct = open_direct(path);
        if (file->direct >= 0 && !direct_works(file->direct)) {
            close(file->direct);
            file->direct = -1;
        }
    }
    return FM_OK;
}

void fm_file_close(fm_file *file) {
    if (file->buffered >= 0)
        close(file->buffered);
    if (file->direct >= 0)
        close(file->direct);
    free(file->path);
    *file = (fm_file){.buffered = -1, .direct = -1};
}

static fm_status read_failed(const fm_file *file, uint64_t offset, fm_error *err) {
    return fm_fail(err, FM_IO, "reading %s failed at offset %llu: %s", file->path, (unsigned long long)offset,
                   strerror(errno));
}

fm_status fm_file_read(const fm_file *file, uint64_t offset, size_t length, void *dst, fm_error *err) {
    size_t got = 0;
    while (got < length) {
        size_t want = length - got < LARGEST_READ ? length - got : LARGEST_READ;
        ssize_t n = pread(file->buffered, (uint8_t *)dst + got, want, (off_t)(offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return read_failed(file, offset + got, err);
        if (n == 0)
            return fm_fail(
                err, FM_IO,
                "%s ends at offset %llu where %llu more bytes were expected: the file was truncated while it "
                "was in use",
                file->path, (unsigned long long)(offset + got), (unsigned long long)(length - got));
        got += (size_t)n;
    }
    return FM_OK;
}

fm_blocks fm_file_blocks(uint64_t offset, size_t length, uint8_t *dst) {
    size_t before = (size_t)(offset % FM_DIRECT_ALIGN);
    return (fm_blocks){offset - before, (size_t)fm_round_up(before + length, FM_DIRECT_ALIGN), dst - before};
}

fm_status fm_file_read_rest(const fm_file *file, uint64_t offset, size_t length, uint8_t *dst, size_t got,
                            fm_error *err) {
    size_t before = (size_t)(offset % FM_DIRECT_ALIGN);
    if (got >= before + length)
        return FM_OK;
    /* Cut short: the page cache has no alignment to keep, and tells an interrupted read from the end of the file. */
    got = got > before ? got - before : 0;
    return fm_file_read(file, offset + got, length - got, dst + got, err);
}

fm_status fm_file_read_direct(const fm_file *file, uint64_t offset, size_t length, uint8_t *dst, fm_error *err) {
    fm_blocks blocks = fm_file_blocks(offset, length, dst);
    ssize_t n;
    do
        n = pread(file->direct, blocks.dst, blocks.bytes, (off_t)blocks.offset);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return read_failed(file, offset, err);
    return fm_file_read_rest(file, offset, length, dst, (size_t)n, err);
}

void fm_file_drop_cache(const fm_file *file, uint64_t offset, uint64_t length) {
#if defined(POSIX_FADV_DONTNEED)
    posix_fadvise(file->buffered, (off_t)offset, (off_t)length, POSIX_FADV_DONTNEED);
#else
    (void)file, (void)offset, (void)length;
#endif
}
