#include "core/runtime/device_constants.h"

#include "core/support/checked.h"

#include <algorithm>

namespace tenon::runtime {

using plan::PlanTensor;
using support::Result;

namespace {

// Constants that steps touch at a placement.
std::vector<bool> usedAt(TnPlacement placement, const plan::Plan& plan,
                         std::span<const LoadedProgram* const> programs) {
    std::vector<bool> used(plan.constants.size(), false);
    for (const LoadedProgram* program : programs) {
        const auto mark = [&](int32_t tensor) {
            if (tensor < 0) {
                return;
            }
            const ProgramTensor& info = program->tensors[static_cast<size_t>(tensor)];
            if (info.role == PlanTensor::Role::kConstant && info.fixed.placement == placement) {
                used[static_cast<size_t>(info.storage)] = true;
            }
        };
        for (const ProgramStep& step : program->steps) {
            std::for_each(step.inputs.begin(), step.inputs.end(), mark);
            std::for_each(step.outputs.begin(), step.outputs.end(), mark);
        }
    }
    return used;
}

} // namespace

Result<ConstantTable> ConstantTable::upload(const DeviceSet& devices, const plan::Plan& plan,
                                            std::vector<const std::byte*> host,
                                            std::span<const LoadedProgram* const> programs) {
    ConstantTable table;
    table.mAddresses.push_back(std::move(host));
    for (TnPlacement placement = 1; placement < static_cast<TnPlacement>(devices.size()); ++placement) {
        const Device& device = devices.at(placement);
        const std::vector<bool> used = usedAt(placement, plan, programs);
        std::vector<int64_t> offsets(plan.constants.size(), -1);
        int64_t bytes = 0;
        for (size_t i = 0; i < used.size(); ++i) {
            if (!used[i]) {
                continue;
            }
            offsets[i] = bytes;
            const auto end = support::checkedAdd(bytes, plan.constants[i].bytes);
            const auto rounded = end ? support::checkedAdd(*end, kDeviceAlignment - 1) : end;
            if (!rounded) {
                return support::invalidFile("the constants of the plan have more than 2^63 bytes");
            }
            bytes = *rounded / kDeviceAlignment * kDeviceAlignment;
        }
        GrowingBuffer& memory = table.mMemory.emplace_back(device.allocator());
        TN_RETURN_IF_ERROR(memory.reserve(bytes, "the weights on a device"));
        TN_ASSIGN_OR_RETURN(const DeviceStream stream, DeviceStream::create(device));
        std::vector<const std::byte*>& addresses = table.mAddresses.emplace_back(plan.constants.size(), nullptr);
        for (size_t i = 0; i < used.size(); ++i) {
            if (!used[i]) {
                continue;
            }
            std::byte* const to = memory.data() + offsets[i];
            addresses[i] = to;
            if (const std::byte* const from = table.mAddresses[0][i]; from != nullptr) {
                TN_RETURN_IF_ERROR(device.copy(to, from, plan.constants[i].bytes, stream.get())
                                       .withContext("while copying weights to a device"));
            }
        }
        TN_RETURN_IF_ERROR(device.synchronize(stream.get()));
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
