// What a context knows of its inputs: extents, and the values of inputs that extents depend on; checked against the current profile.
// Used by ContextState. Knows no memory but the addresses it is given to read values from.
// Threads: one at a time.
#pragma once

#include "core/runtime/loaded_plan.h"

#include <cstdint>
#include <span>
#include <vector>

namespace tenon::runtime {

struct ContextInput {
    std::vector<int64_t> dims; // -1: not set
    bool isShapeInput = false;
    bool hasValues = false;
    bool fromAddress = false;      // values are read from the bound address
    std::vector<int64_t> values;   // of a shape input
    std::vector<int64_t> contents; // the same in the binding's element type, for kernels
};

class ContextInputs {
public:
    explicit ContextInputs(const LoadedPlan& plan);

    // Forgets what depends on the profile: dynamic extents and values.
    void select(int32_t profile);
    // By binding; outputs have an unused one.
    ContextInput& at(int32_t binding) { return mInputs[static_cast<size_t>(binding)]; }
    const ContextInput& at(int32_t binding) const { return mInputs[static_cast<size_t>(binding)]; }

    // kInvalidArgument, naming tensor, dimension, value and what is allowed; nothing is changed then. True: other extents than before.
    support::Result<bool> setShape(int32_t binding, std::span<const int64_t> dims);
    support::Status checkValues(int32_t binding, std::span<const int64_t> values) const;
    // Precondition: checkValues accepted them.
    void setValues(int32_t binding, std::span<const int64_t> values);
    // Of shape inputs whose values come from their address. True: some are others than before.
    support::Result<bool> readValues(const std::vector<void*>& addresses);

    // Indices of inputs whose shape (or shape values) must still be set; `require` is an error that names them.
    std::vector<int32_t> missing() const;
    support::Status require() const;
    // The plan's symbols at these inputs, inside the profile's box; what a run finds out is at its upper bound.
    support::Status solve(std::span<int64_t> symbols) const;

private:
    using Input = ContextInput;
    support::Status checkShape(int32_t binding, std::span<const int64_t> dims) const;
    support::Status checkShared(std::span<const int64_t> symbols) const;
    const plan::PlanBinding& bindingAt(int32_t binding) const {
        return mPlan.plan().bindings[static_cast<size_t>(binding)];
    }

    const LoadedPlan& mPlan;
    std::vector<Input> mInputs;
    int32_t mProfile = 0;
};

} // namespace tenon::runtime
