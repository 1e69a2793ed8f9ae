#include "core/runtime/device_constants.h"

#include "core/support/checked.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace tenon::runtime {

using plan::PlanTensor;
using support::Result;
using support::Status;

namespace {

// Constants that steps touch at a placement, in the order in which they do: what one step reads lies together, and operands of a family of
// products evenly apart, so that they are a batch.
std::vector<size_t> usedAt(TnPlacement placement, const plan::Plan& plan,
                           std::span<const LoadedProgram* const> programs) {
    std::vector<size_t> order;
    std::vector<bool> used(plan.constants.size(), false);
    for (const LoadedProgram* program : programs) {
        const auto mark = [&](int32_t tensor) {
            if (tensor < 0) {
                return;
            }
            const ProgramTensor& info = program->tensors[static_cast<size_t>(tensor)];
            const auto constant = static_cast<size_t>(info.storage);
            if (info.role == PlanTensor::Role::kConstant && info.fixed.placement == placement && !used[constant]) {
                used[constant] = true;
                order.push_back(constant);
            }
        };
        for (const ProgramStep& step : program->steps) {
            std::for_each(step.inputs.begin(), step.inputs.end(), mark);
            std::for_each(step.outputs.begin(), step.outputs.end(), mark);
        }
    }
    return order;
}

// Copies pieces of host memory to ascending addresses of a device, through two pinned buffers by turns: while one is on its way, the other is
// filled. Without pinned memory each piece is copied as it is.
class Upload {
public:
    // Of `bytes` in all.
    Upload(const Device& device, int64_t bytes) : mDevice(device), mRoom(std::min(bytes, kMostRoom)) {}

    Status open() {
        const AllocatorCallbacks pinned = mDevice.hostAllocator();
        for (Turn& turn : mTurns) {
            TN_ASSIGN_OR_RETURN(turn.stream, DeviceStream::create(mDevice));
            if (pinned.allocate != nullptr) {
                turn.room = GrowingBuffer(pinned);
                mStaged = turn.room.reserve(mRoom, "weights on their way to a device").ok() && mStaged;
            }
        }
        mStaged = mStaged && pinned.allocate != nullptr && mDevice.hasStreams();
        return {};
    }

    Status put(std::byte* to, const std::byte* from, int64_t bytes) {
        if (!mStaged) {
            return copy(to, from, bytes);
        }
        while (bytes > 0) {
            const int64_t gap = mBegin != nullptr ? to - (mBegin + mFilled) : 0;
            if (mBegin == nullptr || gap < 0 || gap >= kDeviceAlignment || mFilled + gap >= mRoom) {
                TN_RETURN_IF_ERROR(send());
                TN_RETURN_IF_ERROR(mDevice.synchronize(turn().stream.get())); // the copy before last
                mBegin = to;
            } else {
                std::memset(turn().room.data() + mFilled, 0, static_cast<size_t>(gap)); // of alignment
                mFilled += gap;
            }
            const int64_t piece = std::min(bytes, mRoom - mFilled);
            std::memcpy(turn().room.data() + mFilled, from, static_cast<size_t>(piece));
            mFilled += piece;
            to += piece;
            from += piece;
            bytes -= piece;
        }
        return {};
    }

    // Everything has arrived.
    Status finish() {
        TN_RETURN_IF_ERROR(send());
        for (const Turn& each : mTurns) {
            TN_RETURN_IF_ERROR(mDevice.synchronize(each.stream.get()));
        }
        return {};
    }

private:
    static constexpr int64_t kMostRoom = int64_t{8} << 20;
    struct Turn {
        GrowingBuffer room; // outlives the stream that copies from it
        DeviceStream stream;
    };
    Turn& turn() { return mTurns[mTurn]; }
    Status copy(std::byte* to, const std::byte* from, int64_t bytes) {
        return mDevice.copy(to, from, bytes, turn().stream.get()).withContext("while copying weights to a device");
    }
    Status send() {
        if (mBegin != nullptr) {
            TN_RETURN_IF_ERROR(copy(mBegin, turn().room.data(), mFilled));
            mTurn = 1 - mTurn;
        }
        mBegin = nullptr;
        mFilled = 0;
        return {};
    }

    const Device& mDevice;
    int64_t mRoom;
    std::array<Turn, 2> mTurns;
    size_t mTurn = 0;
    bool mStaged = true;
    std::byte* mBegin = nullptr; // where on the device what is in the room belongs
    int64_t mFilled = 0;
};

} // namespace

Result<ConstantTable> ConstantTable::upload(const DeviceSet& devices, const plan::Plan& plan,
                                            std::vector<const std::byte*> host,
                                            std::span<const LoadedProgram* const> programs,
                                            const AllocatorCallbacks& allocator) {
    ConstantTable table;
    table.mAddresses.push_back(std::move(host));
    for (TnPlacement placement = 1; placement < static_cast<TnPlacement>(devices.size()); ++placement) {
        const Device& device = devices.at(placement);
        const std::vector<size_t> used = usedAt(placement, plan, programs);
        std::vector<int64_t> offsets(plan.constants.size(), -1);
        int64_t bytes = 0;
        for (const size_t i : used) {
            offsets[i] = bytes;
            const auto end = support::checkedAdd(bytes, plan.constants[i].bytes);
            const auto rounded = end ? support::checkedAdd(*end, kDeviceAlignment - 1) : end;
            if (!rounded) {
                return support::invalidFile("the constants of the plan have more than 2^63 bytes");
            }
            bytes = *rounded / kDeviceAlignment * kDeviceAlignment;
        }
        GrowingBuffer& memory = table.mMemory.emplace_back(devices.allocator(placement, allocator));
        std::vector<const std::byte*>& addresses = table.mAddresses.emplace_back(plan.constants.size(), nullptr);
        if (bytes == 0) {
            continue;
        }
        TN_RETURN_IF_ERROR(memory.reserve(bytes, "the weights on a device"));
        Upload upload(device, bytes);
        TN_RETURN_IF_ERROR(upload.open());
        for (const size_t i : used) {
            std::byte* const to = memory.data() + offsets[i];
            addresses[i] = to;
            if (const std::byte* const from = table.mAddresses[0][i]; from != nullptr) {
                TN_RETURN_IF_ERROR(upload.put(to, from, plan.constants[i].bytes));
            }
        }
        TN_RETURN_IF_ERROR(upload.finish());
    }
    return table;
}

int64_t ConstantTable::deviceBytes() const {
    int64_t bytes = 0;
    for (const GrowingBuffer& memory : mMemory) {
        bytes += memory.bytes();
    }
    return bytes;
}

} // namespace tenon::runtime
