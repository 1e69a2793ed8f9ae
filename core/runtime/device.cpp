#include "core/runtime/device.h"

#include "core/runtime/kernel_set.h"
#include "core/support/text.h"
#include "registry/text_sink.h"

namespace tenon::runtime {

using registry::TextSink;
using support::cat;
using support::Result;
using support::Status;

template <class Table>
const Table* Device::extension(const char* name) const {
    if (table().get_extension == nullptr) {
        return nullptr;
    }
    const auto* const found = static_cast<const Table*>(table().get_extension(table().self, registry::toTn(name)));
    return found != nullptr && found->struct_size >= sizeof(Table) ? found : nullptr;
}

const TnCapture* Device::capture() const { return hasStreams() ? extension<TnCapture>(TN_CAPTURE_EXTENSION) : nullptr; }

const TnTrace* Device::trace() const { return extension<TnTrace>(TN_TRACE_EXTENSION); }

AllocatorCallbacks Device::hostAllocator() const {
    AllocatorCallbacks callbacks;
    if (extension<TnHostMemory>(TN_HOST_MEMORY_EXTENSION) == nullptr) {
        return callbacks;
    }
    callbacks.context = const_cast<Device*>(this); // handed back as const below
    callbacks.name = "the device's host memory";
    callbacks.allocate = [](void* context, int64_t bytes, int64_t) {
        const Device& device = *static_cast<const Device*>(context);
        const auto* const pinned = device.extension<TnHostMemory>(TN_HOST_MEMORY_EXTENSION);
        return pinned->allocate(pinned->self, device.mNumber, bytes);
    };
    callbacks.deallocate = [](void* context, void* memory) {
        const Device& device = *static_cast<const Device*>(context);
        const auto* const pinned = device.extension<TnHostMemory>(TN_HOST_MEMORY_EXTENSION);
        pinned->release(pinned->self, device.mNumber, memory);
    };
    return callbacks;
}

Status Device::copy(void* to, const void* from, int64_t bytes, TnStream* stream) const {
    if (bytes == 0) {
        return {};
    }
    TextSink reason;
    const TnCode code = table().copy(table().self, to, from, bytes, stream, reason.sink());
    return code == TN_OK
               ? Status()
               : statusOf(code, cat("copying ", bytes, " bytes with '", name(), "'"), std::string(reason.text()));
}

Status Device::synchronize(TnStream* stream) const {
    if (stream == nullptr) {
        return {};
    }
    TextSink reason;
    const TnCode code = table().stream_synchronize(table().self, stream, reason.sink());
    return code == TN_OK ? Status() : statusOf(code, cat("waiting for '", name(), "'"), std::string(reason.text()));
}

AllocatorCallbacks Device::allocator() const {
    AllocatorCallbacks callbacks;
    callbacks.context = const_cast<Device*>(this); // handed back as const below
    callbacks.alignment = kDeviceAlignment;
    callbacks.name = "the device";
    callbacks.allocate = [](void* context, int64_t bytes, int64_t alignment) {
        const Device& device = *static_cast<const Device*>(context);
        return device.table().allocate(device.table().self, device.mNumber, bytes, alignment);
    };
    callbacks.deallocate = [](void* context, void* memory) {
        const Device& device = *static_cast<const Device*>(context);
        device.table().release(device.table().self, device.mNumber, memory);
    };
    return callbacks;
}

Result<DeviceStream> DeviceStream::create(const Device& device) {
    DeviceStream stream;
    if (!device.hasStreams()) {
        return stream;
    }
    TextSink reason;
    const TnCode code =
        device.table().stream_create(device.table().self, device.number(), &stream.mStream, reason.sink());
    TN_RETURN_IF_ERROR(statusOf(code, cat("'", device.name(), "' made no stream"), std::string(reason.text())));
    stream.mDevice = &device;
    return stream;
}

DeviceStream::~DeviceStream() {
    if (mStream != nullptr) {
        mDevice->table().stream_destroy(mDevice->table().self, mStream);
    }
}

Result<DeviceEvent> DeviceEvent::create(const Device& device) {
    DeviceEvent event;
    if (!device.hasEvents()) {
        return event;
    }
    TextSink reason;
    const TnCode code = device.table().event_create(device.table().self, device.number(), &event.mEvent, reason.sink());
    TN_RETURN_IF_ERROR(statusOf(code, cat("'", device.name(), "' made no event"), std::string(reason.text())));
    event.mDevice = &device;
    return event;
}

DeviceEvent::~DeviceEvent() {
    if (mEvent != nullptr) {
        mDevice->table().event_destroy(mDevice->table().self, mEvent);
    }
}

} // namespace tenon::runtime
