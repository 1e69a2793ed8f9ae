// The buffers of one kernel on a device, between canaries: filled from and read back to host memory, or bound to inputs that are there.
// Used by kernel_runner and tactic_timer. One thread at a time.
#pragma once

#include "core/schedule/build_device.h"
#include "tenon/module/abi.h"

#include <memory>
#include <vector>

namespace tenon::schedule {

// Device memory between canaries.
class GuardedBlock {
public:
    support::Status allocate(const std::shared_ptr<BuildDevice>& device, int64_t bytes);
    // Blocks of one piece of memory, one behind the other; -1: none. Those of one size lie evenly apart if they come regularly, as the operands of
    // a family of products do in a plan: a kernel that computes them as one batch is then tried as it will run.
    static support::Result<std::vector<GuardedBlock>> allocateRow(const std::shared_ptr<BuildDevice>& device,
                                                                  const std::vector<int64_t>& bytes);
    // Waits for the device. `what` it is, for the error.
    support::Status checkCanaries(const char* what) const;
    std::byte* address() const { return mAddress; } // null: there is none
    int64_t bytes() const { return mBytes; }

private:
    support::Status guard(const std::shared_ptr<BuildDevice>& device, std::shared_ptr<runtime::GrowingBuffer> memory,
                          int64_t offset, int64_t bytes);

    std::shared_ptr<BuildDevice> mDevice; // outlives the memory
    std::shared_ptr<runtime::GrowingBuffer> mMemory;
    std::byte* mAddress = nullptr;
    int64_t mBytes = 0;
};

// An input on the device, that several kernels are tried with.
class DeviceInput {
public:
    // `bytes` that repeat those at `pattern`, in host memory; -1: no input.
    struct Contents {
        int64_t bytes = -1;
        const void* pattern = nullptr;
        int64_t patternBytes = 0;
    };
    // In one row; null where there are no contents. Complete when it returns.
    static support::Result<std::vector<std::shared_ptr<DeviceInput>>>
    createRow(const std::shared_ptr<BuildDevice>& device, const std::vector<Contents>& contents);
    // Takes over what a kernel wrote.
    static std::shared_ptr<DeviceInput> adopt(std::shared_ptr<BuildDevice> device, GuardedBlock block);
    std::byte* address() const { return mBlock.address(); }
    int64_t bytes() const { return mBlock.bytes(); }
    // Puts the bytes on the stream again, so that they are where a producer would just have left them, whatever a kernel did to them.
    support::Status touch();

private:
    std::shared_ptr<BuildDevice> mDevice;
    GuardedBlock mBlock;
    GuardedBlock mKept; // a copy, made when it is first needed
};

class DeviceStage {
public:
    explicit DeviceStage(std::shared_ptr<BuildDevice> device) : mDevice(std::move(device)) {}
    ~DeviceStage();
    DeviceStage(const DeviceStage&) = delete;
    DeviceStage& operator=(const DeviceStage&) = delete;

    // Memory for these outputs and workspace; of inputs the size is kept. Ports in host memory get none: the caller's address is used.
    support::Status allocate(const std::vector<TnTensor>& inputs, const std::vector<TnTensor>& outputs,
                             int64_t workspaceBytes);
    // Copies inputs to the device; the output buffers are filled with 0xff, NaN in floats, so that what is not written shows. Host addresses, by
    // port.
    support::Status upload(const std::vector<const void*>& inputs, const std::vector<void*>& outputs);
    // From here to the next upload() an output lies where an input does; both on the device, the input no smaller.
    void share(size_t output, size_t input);
    // Uses inputs that are on the device; null, and `hostInputs` and `hostOutputs`, where a port is in host memory.
    void bind(std::vector<std::shared_ptr<DeviceInput>> inputs, const std::vector<const void*>& hostInputs,
              const std::vector<void*>& hostOutputs);
    // Copies outputs back and checks the canaries. Done when it returns.
    support::Status download(const std::vector<void*>& outputs);
    // The output buffer as an input of others; this object has none from then on.
    std::shared_ptr<DeviceInput> takeOutput(size_t output);
    // Waits, and checks the canaries.
    support::Status checkCanaries() const;
    // Puts the inputs' bytes on the stream again.
    support::Status touchInputs();

    bool uploaded() const { return mUploaded; }
    const std::vector<const void*>& inputs() const { return mInputs; }
    const std::vector<void*>& outputs() const { return mOutputs; }
    void* workspace() const { return mWorkspace.address(); }

private:
    void takeAddresses(const std::vector<const void*>& inputs, const std::vector<void*>& outputs);

    std::shared_ptr<BuildDevice> mDevice;
    std::vector<int64_t> mInputBytes; // -1: the port is in host memory
    std::vector<std::shared_ptr<DeviceInput>> mIn;
    std::vector<GuardedBlock> mOut;
    GuardedBlock mWorkspace;
    std::vector<const void*> mInputs;
    std::vector<void*> mOutputs;
    bool mUploaded = false;
};

} // namespace tenon::schedule
