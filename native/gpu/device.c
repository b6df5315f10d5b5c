#include "device.h"

#include "../base/error.h"

#include <string.h>

extern const fm_device_ops fm_metal_device, fm_cuda_device, fm_soft_device;

const fm_device_ops *const *fm_devices(void) {
    static const fm_device_ops *const devices[] = {
#if defined(__APPLE__) || defined(FM_SOFT_METAL)
        &fm_metal_device,
#endif
#if defined(__linux__)
        &fm_cuda_device,
#endif
        &fm_soft_device, NULL};
    return devices;
}

const fm_device_ops *fm_device_find(const char *name) {
    for (const fm_device_ops *const *ops = fm_devices(); *ops; ops++)
        if (strcmp((*ops)->name, name) == 0)
            return *ops;
    return NULL;
}

fm_status fm_device_open(const fm_device_ops *ops, const fm_device_options *options, fm_device **device,
                         fm_error *err) {
    *device = NULL;
    return ops->open(options, device, err);
}

void fm_device_close(fm_device *device) {
    if (device)
        device->ops->close(device);
}

fm_status fm_buffer_new(fm_device *device, uint64_t bytes, fm_memory memory, bool by_address, fm_buffer **buffer,
                        fm_error *err) {
    *buffer = NULL;
    if (bytes > device->limits.buffer_most)
        return fm_fail(err, FM_UNSUPPORTED, "a buffer of %llu bytes is more than %s allows (%llu)",
                       (unsigned long long)bytes, device->limits.name, (unsigned long long)device->limits.buffer_most);
    return device->ops->buffer_new(device, bytes ? bytes : 16, memory, by_address, buffer, err);
}

fm_status fm_buffer_wrap(fm_device *device, void *pages, uint64_t bytes, fm_buffer **buffer, fm_error *err) {
    *buffer = NULL;
    if (!device->ops->buffer_wrap || (uintptr_t)pages % FM_WRAP_ALIGN || bytes % FM_WRAP_ALIGN)
        return fm_fail(err, FM_BAD_ARGUMENT, "memory of the host cannot be wrapped: not unified, or not whole pages");
    return device->ops->buffer_wrap(device, pages, bytes, buffer, err);
}

void fm_buffer_free(fm_buffer *buffer) {
    if (buffer)
        buffer->device->ops->buffer_free(buffer);
}

static fm_status check_range(const fm_buffer *buffer, uint64_t offset, uint64_t bytes, fm_error *err) {
    if (offset > buffer->bytes || bytes > buffer->bytes - offset)
        return fm_fail(err, FM_BAD_ARGUMENT, "bytes %llu to %llu are outside a buffer of %llu",
                       (unsigned long long)offset, (unsigned long long)(offset + bytes),
                       (unsigned long long)buffer->bytes);
    return FM_OK;
}

fm_status fm_upload(fm_buffer *buffer, uint64_t offset, const void *src, uint64_t bytes, fm_error *err) {
    fm_status status = check_range(buffer, offset, bytes, err);
    return status != FM_OK ? status : buffer->device->ops->upload(buffer, offset, src, bytes, err);
}

fm_status fm_download(const fm_buffer *buffer, uint64_t offset, void *dst, uint64_t bytes, fm_error *err) {
    fm_status status = check_range(buffer, offset, bytes, err);
    return status != FM_OK ? status : buffer->device->ops->download(buffer, offset, dst, bytes, err);
}

fm_status fm_copy(fm_buffer *to, uint64_t to_offset, const fm_buffer *from, uint64_t from_offset, uint64_t bytes,
                  fm_error *err) {
    fm_status status = check_range(to, to_offset, bytes, err);
    if (status == FM_OK)
        status = check_range(from, from_offset, bytes, err);
    return status != FM_OK ? status : to->device->ops->copy(to, to_offset, from, from_offset, bytes, err);
}

fm_ticket fm_move_begin(fm_buffer *to, uint64_t to_offset, const fm_buffer *from, uint64_t from_offset, uint64_t bytes,
                        bool up, fm_ticket after) {
    return to->device->ops->move_begin(to, to_offset, from, from_offset, bytes, up, after);
}

bool fm_move_ended(fm_device *device, fm_ticket move) {
    return move == 0 || device->ops->move_ended(device, move);
}

void fm_move_wait(fm_device *device, fm_ticket move) {
    if (move)
        device->ops->move_wait(device, move);
}

void fm_after(fm_device *device, fm_commands *commands, fm_ticket move) {
    if (move)
        device->ops->after(commands, move);
}

fm_status fm_kernel_get(fm_device *device, const char *name, const fm_constant *constants, uint32_t count,
                        uint32_t threads, fm_kernel **kernel, fm_error *err) {
    *kernel = NULL;
    return device->ops->kernel_get(device, name, constants, count, threads, kernel, err);
}

fm_commands *fm_commands_begin(fm_device *device) {
    return device->ops->begin(device);
}

void fm_dispatch(fm_device *device, fm_commands *commands, const fm_kernel *kernel, const fm_arg *args, uint32_t count,
                 fm_groups groups, uint32_t threads) {
    device->stats.dispatches++;
    device->ops->dispatch(commands, kernel, args, count, groups, threads);
}

void fm_barrier(fm_device *device, fm_commands *commands) {
    device->stats.barriers++;
    device->ops->barrier(commands);
}

fm_ticket fm_commit(fm_device *device, fm_commands *commands) {
    device->stats.commits++;
    return device->ops->commit(commands);
}

bool fm_ended(fm_device *device, fm_ticket ticket) {
    return ticket == 0 || device->ops->ended(device, ticket);
}

fm_status fm_wait(fm_device *device, fm_ticket ticket, fm_error *err) {
    if (ticket == 0)
        return FM_OK;
    if (!device->ops->ended(device, ticket))
        device->stats.waits++;
    return device->ops->wait(device, ticket, err);
}

double fm_seconds(fm_device *device, fm_ticket ticket) {
    return ticket ? device->ops->seconds(device, ticket) : -1;
}
