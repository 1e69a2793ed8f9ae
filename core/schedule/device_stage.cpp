#include "core/schedule/device_stage.h"

#include <algorithm>
#include <cstring>

namespace tenon::schedule {

namespace {

constexpr int64_t kGuard = 512;
constexpr std::byte kCanary{0xc5};

int64_t rounded(int64_t bytes) { return (bytes + kGuard - 1) / kGuard * kGuard; }

} // namespace

DeviceStage::~DeviceStage() { static_cast<void>(mDevice->synchronize()); }

support::Status DeviceStage::make(Buffer& buffer, int64_t bytes) {
    buffer.bytes = bytes;
    buffer.memory = runtime::GrowingBuffer(mDevice->device().allocator());
    TN_RETURN_IF_ERROR(buffer.memory.reserve(rounded(bytes) + 2 * kGuard, "a kernel that is tried out"));
    buffer.address = buffer.memory.data() + kGuard;
    const std::vector<std::byte> canaries(static_cast<size_t>(rounded(bytes) - bytes + kGuard), kCanary);
    TN_RETURN_IF_ERROR(mDevice->copy(buffer.memory.data(), canaries.data(), kGuard));
    TN_RETURN_IF_ERROR(mDevice->copy(buffer.address + bytes, canaries.data(), static_cast<int64_t>(canaries.size())));
    return mDevice->synchronize();
}

support::Status DeviceStage::checkCanaries(const Buffer& buffer, const char* what) {
    if (buffer.address == nullptr) {
        return {};
    }
    std::vector<std::byte> after(static_cast<size_t>(rounded(buffer.bytes) - buffer.bytes + kGuard));
    std::vector<std::byte> before(static_cast<size_t>(kGuard));
    TN_RETURN_IF_ERROR(mDevice->copy(before.data(), buffer.memory.data(), kGuard));
    TN_RETURN_IF_ERROR(mDevice->copy(after.data(), buffer.address + buffer.bytes, static_cast<int64_t>(after.size())));
    TN_RETURN_IF_ERROR(mDevice->synchronize());
    const auto intact = [](std::byte each) { return each == kCanary; };
    if (!std::all_of(before.begin(), before.end(), intact) || !std::all_of(after.begin(), after.end(), intact)) {
        return support::internalError("launch wrote outside ", what, " of ", buffer.bytes, " bytes");
    }
    return {};
}

support::Status DeviceStage::allocate(const std::vector<TnTensor>& inputs, const std::vector<TnTensor>& outputs,
                                      int64_t workspaceBytes) {
    mUploaded = false;
    const auto makeAll = [this](std::vector<Buffer>& buffers, const std::vector<TnTensor>& tensors) -> support::Status {
        buffers.clear();
        buffers.resize(tensors.size());
        for (size_t i = 0; i < tensors.size(); ++i) {
            if (tensors[i].placement != TN_PLACEMENT_HOST) {
                TN_RETURN_IF_ERROR(make(buffers[i], tensors[i].bytes));
            }
        }
        return {};
    };
    TN_RETURN_IF_ERROR(makeAll(mIn, inputs));
    TN_RETURN_IF_ERROR(makeAll(mOut, outputs));
    mKept.clear();
    mWorkspace = Buffer();
    return workspaceBytes > 0 ? make(mWorkspace, workspaceBytes) : support::Status();
}

support::Status DeviceStage::upload(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) {
    mInputs = inputs;
    mOutputs = outputs;
    for (size_t i = 0; i < mIn.size(); ++i) {
        if (mIn[i].address != nullptr) {
            TN_RETURN_IF_ERROR(mDevice->copy(mIn[i].address, inputs[i], mIn[i].bytes));
            mInputs[i] = mIn[i].address;
        }
    }
    for (size_t i = 0; i < mOut.size(); ++i) {
        if (mOut[i].address != nullptr) {
            const std::vector<std::byte> zeros(static_cast<size_t>(mOut[i].bytes));
            TN_RETURN_IF_ERROR(mDevice->copy(mOut[i].address, zeros.data(), mOut[i].bytes));
            TN_RETURN_IF_ERROR(mDevice->synchronize());
            mOutputs[i] = mOut[i].address;
        }
    }
    mUploaded = true;
    return mDevice->synchronize();
}

support::Status DeviceStage::download(const std::vector<void*>& outputs) {
    for (size_t i = 0; i < mOut.size(); ++i) {
        if (mOut[i].address != nullptr) {
            TN_RETURN_IF_ERROR(mDevice->copy(outputs[i], mOut[i].address, mOut[i].bytes));
        }
    }
    TN_RETURN_IF_ERROR(mDevice->synchronize());
    for (const Buffer& buffer : mOut) {
        TN_RETURN_IF_ERROR(checkCanaries(buffer, "an output"));
    }
    return checkCanaries(mWorkspace, "its workspace");
}

support::Status DeviceStage::touchInputs() {
    if (mKept.empty()) {
        mKept.resize(mIn.size());
        for (size_t i = 0; i < mIn.size(); ++i) {
            if (mIn[i].address != nullptr) {
                TN_RETURN_IF_ERROR(make(mKept[i], mIn[i].bytes));
                TN_RETURN_IF_ERROR(mDevice->copy(mKept[i].address, mIn[i].address, mIn[i].bytes));
            }
        }
    }
    for (size_t i = 0; i < mIn.size(); ++i) {
        if (mIn[i].address != nullptr) {
            TN_RETURN_IF_ERROR(mDevice->copy(mIn[i].address, mKept[i].address, mIn[i].bytes));
        }
    }
    return {};
}

} // namespace tenon::schedule
