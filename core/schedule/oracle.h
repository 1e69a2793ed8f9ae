// The oracle: executes any body node by node with reference kernels, so that every fusion has an expected answer. Where the plan is for a device
// that is here, nodes of millions of elements are computed there, by the exact kernels of the device's own module, in linear layouts: the
// reference would take minutes, and nothing would be compared.
// Used by verification, constant folding (through passes::Evaluator) and debugging. Linear layouts, host memory. One thread at a time.
#pragma once

#include "core/schedule/kernel_runner.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tenon::schedule {

class Oracle {
public:
    explicit Oracle(const BuildContext& context) : mContext(context) {}

    // Whatever the size: what it computes goes into the plan, which must not depend on the device being here.
    void stayOnHost() { mOnHostOnly = true; }

    // inputs[i] belongs to body.inputs()[i]; null where the input is left out. Error with code kUnsupported where an op has no reference kernel.
    support::Result<std::vector<ir::ConstantPtr>> run(const ir::Graph& body, const std::vector<ir::ConstantPtr>& inputs,
                                                      const std::vector<int64_t>& symbolValues);
    // One node whose inputs are all constants and whose types are static.
    support::Result<std::vector<ir::ConstantPtr>> evaluate(const ir::Node& node);

private:
    support::Result<std::vector<ir::ConstantPtr>>
    runNode(const ir::Node& node, const std::vector<ir::ConstantPtr>& inputs, const std::vector<int64_t>& symbolValues);
    // The exact tactic of the device's own module for a large node; false where there is none.
    bool enumerateOnDevice(Task& task);

    const BuildContext& mContext;
    bool mOnHostOnly = false;
    std::optional<BuildContext> mDeviceContext; // of that module alone
    BuildOptions mDeviceOptions;
    std::map<std::string, std::unique_ptr<KernelRunner>> mRunners; // by task key
};

} // namespace tenon::schedule
