#include "core/schedule/device_stage.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tenon::schedule {

namespace {

constexpr int64_t kGuard = 512;
constexpr std::byte kCanary{0xc5};

int64_t rounded(int64_t bytes) { return (bytes + kGuard - 1) / kGuard * kGuard; }

} // namespace

support::Status GuardedBlock::allocate(const std::shared_ptr<BuildDevice>& device, int64_t bytes) {
    TN_ASSIGN_OR_RETURN(std::vector<GuardedBlock> row, allocateRow(device, {bytes}));
    *this = std::move(row[0]);
    return {};
}

support::Result<std::vector<GuardedBlock>> GuardedBlock::allocateRow(const std::shared_ptr<BuildDevice>& device,
                                                                     const std::vector<int64_t>& bytes) {
    std::vector<GuardedBlock> row(bytes.size());
    int64_t whole = 0;
    for (const int64_t each : bytes) {
        whole += each >= 0 ? rounded(each) + 2 * kGuard : 0;
    }
    const auto memory = std::make_shared<runtime::GrowingBuffer>(device->allocator());
    TN_RETURN_IF_ERROR(memory->reserve(whole, "a kernel that is tried out"));
    int64_t offset = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
        if (bytes[i] >= 0) {
            TN_RETURN_IF_ERROR(row[i].guard(device, memory, offset, bytes[i]));
            offset += rounded(bytes[i]) + 2 * kGuard;
        }
    }
    return row;
}

support::Status GuardedBlock::guard(const std::shared_ptr<BuildDevice>& device,
                                    std::shared_ptr<runtime::GrowingBuffer> memory, int64_t offset, int64_t bytes) {
    mDevice = device;
    mBytes = bytes;
    mMemory = std::move(memory);
    mAddress = mMemory->data() + offset + kGuard;
    const std::vector<std::byte> canaries(static_cast<size_t>(rounded(bytes) - bytes + kGuard), kCanary);
    TN_RETURN_IF_ERROR(device->copy(mAddress - kGuard, canaries.data(), kGuard));
    TN_RETURN_IF_ERROR(device->copy(mAddress + bytes, canaries.data(), static_cast<int64_t>(canaries.size())));
    return device->synchronize();
}

support::Status GuardedBlock::checkCanaries(const char* what) const {
    if (mAddress == nullptr) {
        return {};
    }
    std::vector<std::byte> after(static_cast<size_t>(rounded(mBytes) - mBytes + kGuard));
    std::vector<std::byte> before(static_cast<size_t>(kGuard));
    TN_RETURN_IF_ERROR(mDevice->copy(before.data(), mAddress - kGuard, kGuard));
    TN_RETURN_IF_ERROR(mDevice->copy(after.data(), mAddress + mBytes, static_cast<int64_t>(after.size())));
    TN_RETURN_IF_ERROR(mDevice->synchronize());
    const auto intact = [](std::byte each) { return each == kCanary; };
    if (!std::all_of(before.begin(), before.end(), intact) || !std::all_of(after.begin(), after.end(), intact)) {
        return support::internalError("launch wrote outside ", what, " of ", mBytes, " bytes");
    }
    return {};
}

support::Result<std::vector<std::shared_ptr<DeviceInput>>>
DeviceInput::createRow(const std::shared_ptr<BuildDevice>& device, const std::vector<Contents>& contents) {
    std::vector<int64_t> bytes;
    for (const Contents& each : contents) {
        bytes.push_back(each.bytes);
    }
    TN_ASSIGN_OR_RETURN(std::vector<GuardedBlock> blocks, GuardedBlock::allocateRow(device, bytes));
    std::vector<std::shared_ptr<DeviceInput>> made(contents.size());
    for (size_t i = 0; i < contents.size(); ++i) {
        if (contents[i].bytes >= 0) {
            made[i] = adopt(device, std::move(blocks[i]));
            TN_RETURN_IF_ERROR(
                device->fill(made[i]->address(), contents[i].bytes, contents[i].pattern, contents[i].patternBytes));
        }
    }
    TN_RETURN_IF_ERROR(device->synchronize());
    return made;
}

std::shared_ptr<DeviceInput> DeviceInput::adopt(std::shared_ptr<BuildDevice> device, GuardedBlock block) {
    auto made = std::make_shared<DeviceInput>();
    made->mDevice = std::move(device);
    made->mBlock = std::move(block);
    return made;
}

support::Status DeviceInput::touch() {
    if (mKept.address() == nullptr) {
        TN_RETURN_IF_ERROR(mKept.allocate(mDevice, mBlock.bytes()));
        TN_RETURN_IF_ERROR(mDevice->copy(mKept.address(), mBlock.address(), mBlock.bytes()));
    }
    return mDevice->copy(mBlock.address(), mKept.address(), mBlock.bytes());
}

DeviceStage::~DeviceStage() { static_cast<void>(mDevice->synchronize()); }

support::Status DeviceStage::allocate(const std::vector<TnTensor>& inputs, const std::vector<TnTensor>& outputs,
                                      int64_t workspaceBytes) {
    mUploaded = false;
    mIn.assign(inputs.size(), nullptr);
    mInputBytes.clear();
    for (const TnTensor& input : inputs) {
        mInputBytes.push_back(input.placement != TN_PLACEMENT_HOST ? input.bytes : -1);
    }
    std::vector<int64_t> outputBytes;
    for (const TnTensor& output : outputs) {
        outputBytes.push_back(output.placement != TN_PLACEMENT_HOST ? output.bytes : -1);
    }
    TN_ASSIGN_OR_RETURN(mOut, GuardedBlock::allocateRow(mDevice, outputBytes));
    mWorkspace = GuardedBlock();
    return workspaceBytes > 0 ? mWorkspace.allocate(mDevice, workspaceBytes) : support::Status();
}

void DeviceStage::takeAddresses(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) {
    mInputs = inputs;
    mOutputs = outputs;
    mInputs.resize(mIn.size());
    mOutputs.resize(mOut.size());
    for (size_t i = 0; i < mIn.size(); ++i) {
        if (mIn[i]) {
            mInputs[i] = mIn[i]->address();
        }
    }
    for (size_t i = 0; i < mOut.size(); ++i) {
        if (mOut[i].address() != nullptr) {
            mOutputs[i] = mOut[i].address();
        }
    }
    mUploaded = true;
}

support::Status DeviceStage::upload(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) {
    std::vector<DeviceInput::Contents> contents;
    for (size_t i = 0; i < mIn.size(); ++i) {
        contents.push_back({mInputBytes[i], inputs[i], mInputBytes[i]});
    }
    TN_ASSIGN_OR_RETURN(mIn, DeviceInput::createRow(mDevice, contents));
    const std::vector<std::byte> poison(size_t{1} << 16, std::byte{0xff});
    for (const GuardedBlock& output : mOut) {
        if (output.address() != nullptr) {
            TN_RETURN_IF_ERROR(
                mDevice->fill(output.address(), output.bytes(), poison.data(), static_cast<int64_t>(poison.size())));
        }
    }
    takeAddresses(inputs, outputs);
    return mDevice->synchronize();
}

void DeviceStage::bind(std::vector<std::shared_ptr<DeviceInput>> inputs, const std::vector<const void*>& hostInputs,
                       const std::vector<void*>& hostOutputs) {
    mIn = std::move(inputs);
    takeAddresses(hostInputs, hostOutputs);
}

void DeviceStage::share(size_t output, size_t input) { mOutputs[output] = mIn[input]->address(); }

std::shared_ptr<DeviceInput> DeviceStage::takeOutput(size_t output) {
    return DeviceInput::adopt(mDevice, std::exchange(mOut[output], GuardedBlock()));
}

support::Status DeviceStage::download(const std::vector<void*>& outputs) {
    for (size_t i = 0; i < mOut.size(); ++i) {
        if (mOut[i].address() != nullptr) {
            TN_RETURN_IF_ERROR(mDevice->copy(outputs[i], mOutputs[i], mOut[i].bytes()));
        }
    }
    return checkCanaries();
}

support::Status DeviceStage::checkCanaries() const {
    TN_RETURN_IF_ERROR(mDevice->synchronize());
    for (const GuardedBlock& buffer : mOut) {
        TN_RETURN_IF_ERROR(buffer.checkCanaries("an output"));
    }
    return mWorkspace.checkCanaries("its workspace");
}

support::Status DeviceStage::touchInputs() {
    for (const std::shared_ptr<DeviceInput>& input : mIn) {
        if (input) {
            TN_RETURN_IF_ERROR(input->touch());
        }
    }
    return {};
}

} // namespace tenon::schedule
