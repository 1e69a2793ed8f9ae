#include "backends/cudnn/cudnn_api.h"

#include <algorithm>

namespace tenon::cudnn {

bool CudnnApi::open(std::string& error) {
#define TENON_CUDNN_FIND(name) mLibrary.find(#name, name, error)&&
    return mLibrary.open(error, [&] { return TENON_CUDNN_FUNCTIONS(TENON_CUDNN_FIND) true; });
#undef TENON_CUDNN_FIND
}

std::string CudnnApi::lastError(cudnnStatus_t status) const {
    char text[512] = {};
    cudnnGetLastErrorString(text, sizeof text);
    return module::text(cudnnGetErrorString(status), text[0] == '\0' ? "" : ": ", &text[0]);
}

std::shared_ptr<Handle> Handle::open(std::shared_ptr<CudnnApi> api, std::string& error) {
    if (!api->open(error)) {
        return nullptr;
    }
    std::shared_ptr<Handle> handle(new Handle(std::move(api)));
    const cudnnStatus_t status = handle->api().cudnnCreate(&handle->mHandle);
    if (status != CUDNN_STATUS_SUCCESS) {
        handle->mHandle = nullptr;
        error =
            module::text("cudnnCreate: ", handle->api().lastError(status), "; it needs a CUDA device and its driver");
        return nullptr;
    }
    return handle;
}

Handle::~Handle() {
    if (mHandle != nullptr) {
        mApi->cudnnDestroy(mHandle);
    }
}

Descriptor::Descriptor(const CudnnApi& api, cudnnBackendDescriptorType_t type) : mApi(&api) {
    require(api.cudnnBackendCreateDescriptor(type, &mDescriptor), "create a descriptor");
}

Descriptor::~Descriptor() {
    if (mDescriptor != nullptr) {
        mApi->cudnnBackendDestroyDescriptor(mDescriptor);
    }
}

void Descriptor::require(cudnnStatus_t status, const char* what) const {
    if (status != CUDNN_STATUS_SUCCESS) {
        kernels::refuse("cuDNN could not ", what, ": ", mApi->lastError(status));
    }
}

void Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const void* values,
                     int64_t count) {
    require(mApi->cudnnBackendSetAttribute(mDescriptor, name, type, count, values), "set an attribute");
}

void Descriptor::finalize() { require(mApi->cudnnBackendFinalize(mDescriptor), "finalize a descriptor"); }

int64_t Descriptor::getRaw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t most,
                           void* to) const {
    int64_t count = 0;
    require(mApi->cudnnBackendGetAttribute(mDescriptor, name, type, most, &count, to), "get an attribute");
    return std::min(count, most);
}

int64_t Descriptor::getInt(cudnnBackendAttributeName_t name) const {
    int64_t value = 0;
    getRaw(name, CUDNN_TYPE_INT64, 1, &value);
    return value;
}

std::vector<Descriptor> Descriptor::getDescriptors(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type,
                                                   int64_t most) const {
    std::vector<Descriptor> found;
    std::vector<cudnnBackendDescriptor_t> raw;
    for (int64_t i = 0; i < most; ++i) {
        found.emplace_back(*mApi, type);
        raw.push_back(found.back().get());
    }
    found.resize(static_cast<size_t>(getRaw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, most, raw.data())));
    return found;
}

std::string Descriptor::getText(cudnnBackendAttributeName_t name) const {
    int64_t size = 0;
    require(mApi->cudnnBackendGetAttribute(mDescriptor, name, CUDNN_TYPE_CHAR, 0, &size, nullptr), "get a text's size");
    std::string text(static_cast<size_t>(std::max<int64_t>(size, 0)), '\0');
    text.resize(static_cast<size_t>(getRaw(name, CUDNN_TYPE_CHAR, size, text.data())));
    while (!text.empty() && text.back() == '\0') {
        text.pop_back();
    }
    return text;
}

} // namespace tenon::cudnn
