// The buffers of one kernel on a device, filled from and read back to host memory, between canaries.
// Used by kernel_runner. One thread at a time.
#pragma once

#include "core/schedule/build_device.h"
#include "tenon/module/abi.h"

#include <memory>
#include <vector>

namespace tenon::schedule {

class DeviceStage {
public:
    explicit DeviceStage(std::shared_ptr<BuildDevice> device) : mDevice(std::move(device)) {}
    ~DeviceStage();
    DeviceStage(const DeviceStage&) = delete;
    DeviceStage& operator=(const DeviceStage&) = delete;

    // Memory for these tensors and workspace. Ports in host memory get none: the caller's address is used.
    support::Status allocate(const std::vector<TnTensor>& inputs, const std::vector<TnTensor>& outputs,
                             int64_t workspaceBytes);
    // Copies inputs to the device; the output buffers are cleared. Host addresses, by port.
    support::Status upload(const std::vector<const void*>& inputs, const std::vector<void*>& outputs);
    // Copies outputs back and checks the canaries. Done when it returns.
    support::Status download(const std::vector<void*>& outputs);
    // Puts the inputs' bytes on the stream again, so that they are where a producer would just have left them.
    support::Status touchInputs();

    bool uploaded() const { return mUploaded; }
    const std::vector<const void*>& inputs() const { return mInputs; }
    const std::vector<void*>& outputs() const { return mOutputs; }
    void* workspace() const { return mWorkspace.address; }

private:
    struct Buffer {
        runtime::GrowingBuffer memory;
        std::byte* address = nullptr; // between the canaries; null: the port is in host memory
        int64_t bytes = 0;
    };
    support::Status make(Buffer& buffer, int64_t bytes);
    support::Status checkCanaries(const Buffer& buffer, const char* what);

    std::shared_ptr<BuildDevice> mDevice;
    std::vector<Buffer> mIn;
    std::vector<Buffer> mKept; // copies of the inputs, for touchInputs
    std::vector<Buffer> mOut;
    Buffer mWorkspace;
    std::vector<const void*> mInputs;
    std::vector<void*> mOutputs;
    bool mUploaded = false;
};

} // namespace tenon::schedule
