// cuDNN's functions, found in the library at run time, and its backend descriptors as objects.
//
// Who uses it: everything in this folder. Nothing of the library is linked: with its parts it is half a gigabyte.
#pragma once

#include "backends/common/failure.h"
#include "backends/nvidia/dynamic_library.h"

#include <cudnn.h>

#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#define TENON_CUDNN_FUNCTIONS(X)                                                                                       \
    X(cudnnCreate)                                                                                                     \
    X(cudnnDestroy)                                                                                                    \
    X(cudnnSetStream)                                                                                                  \
    X(cudnnGetVersion)                                                                                                 \
    X(cudnnGetErrorString)                                                                                             \
    X(cudnnGetLastErrorString)                                                                                         \
    X(cudnnBackendCreateDescriptor)                                                                                    \
    X(cudnnBackendDestroyDescriptor)                                                                                   \
    X(cudnnBackendSetAttribute)                                                                                        \
    X(cudnnBackendGetAttribute)                                                                                        \
    X(cudnnBackendFinalize)                                                                                            \
    X(cudnnBackendExecute)

namespace tenon::cudnn {

// One per module. Thread-safe.
class CudnnApi {
public:
    explicit CudnnApi(std::string path) : mLibrary(std::move(path)) {}

    const std::string& path() const { return mLibrary.path(); }
    // Opens the library on the first call. False with the reason in `error`.
    bool open(std::string& error);
    // What went wrong in the calling thread's last call.
    std::string lastError(cudnnStatus_t status) const;

#define TENON_CUDNN_MEMBER(name) decltype(&::name) name = nullptr;
    TENON_CUDNN_FUNCTIONS(TENON_CUDNN_MEMBER)
#undef TENON_CUDNN_MEMBER

private:
    nvidia::DynamicLibrary mLibrary;
};

// A handle on the current device. Closes when it goes.
class Handle {
public:
    // Null with the reason in `error`: no device, say.
    static std::shared_ptr<Handle> open(std::shared_ptr<CudnnApi> api, std::string& error);
    ~Handle();
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    const CudnnApi& api() const { return *mApi; }
    cudnnHandle_t get() const { return mHandle; }

private:
    explicit Handle(std::shared_ptr<CudnnApi> api) : mApi(std::move(api)) {}
    std::shared_ptr<CudnnApi> mApi;
    cudnnHandle_t mHandle = nullptr;
};

// A backend descriptor. All calls throw Failure, a refusal with the library's reason; `api` must outlive it. Movable.
class Descriptor {
public:
    Descriptor() = default;
    Descriptor(const CudnnApi& api, cudnnBackendDescriptorType_t type);
    Descriptor(Descriptor&& other) noexcept { swap(other); }
    Descriptor& operator=(Descriptor&& other) noexcept {
        swap(other);
        return *this;
    }
    ~Descriptor();

    explicit operator bool() const { return mDescriptor != nullptr; }
    cudnnBackendDescriptor_t get() const { return mDescriptor; }

    void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const void* values, int64_t count = 1);
    void setInts(cudnnBackendAttributeName_t name, std::span<const int64_t> values) {
        set(name, CUDNN_TYPE_INT64, values.data(), static_cast<int64_t>(values.size()));
    }
    void setInt(cudnnBackendAttributeName_t name, int64_t value) { set(name, CUDNN_TYPE_INT64, &value); }
    void setDescriptor(cudnnBackendAttributeName_t name, const Descriptor& value) {
        const cudnnBackendDescriptor_t raw = value.get();
        set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, &raw);
    }
    void finalize();

    int64_t getInt(cudnnBackendAttributeName_t name) const;
    // Values of an enumeration or of integers; at most `most`.
    template <class T>
    std::vector<T> getAll(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t most) const {
        std::vector<T> values(static_cast<size_t>(most));
        values.resize(static_cast<size_t>(getRaw(name, type, most, values.data())));
        return values;
    }
    // The descriptors that an attribute lists, at most `most`; made as `type`.
    std::vector<Descriptor> getDescriptors(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type,
                                           int64_t most) const;
    std::string getText(cudnnBackendAttributeName_t name) const;

private:
    void swap(Descriptor& other) noexcept {
        std::swap(mApi, other.mApi);
        std::swap(mDescriptor, other.mDescriptor);
    }
    int64_t getRaw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t most, void* to) const;
    void require(cudnnStatus_t status, const char* what) const;

    const CudnnApi* mApi = nullptr;
    cudnnBackendDescriptor_t mDescriptor = nullptr;
};

} // namespace tenon::cudnn
