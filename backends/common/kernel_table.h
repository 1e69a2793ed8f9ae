// The ops that a module computes, one row each, and the checks that every row shares.
//
// Who uses it: the op files of a backend (they add rows), its provider (supports), its kernel runtime (deserialize, prepare).
// What it must not know: how anything is computed.
#pragma once

#include "backends/common/call.h"

#include <map>
#include <string_view>

namespace tenon::kernels {

// What the element type of output 0 must be: that of input 0, bool, i64, or the kernel's own business.
enum class OutputRule : uint8_t { kLikeInput0, kTruth, kIndex, kAny };

struct KernelDef {
    std::string_view op;
    int32_t minInputs = 1;
    int32_t maxInputs = 1;    // -1: any number
    TypeMask types = kFloats; // of input 0
    OutputRule output = OutputRule::kLikeInput0;
    Plan (*plan)(const Call&) = nullptr;
    // Further conditions on attributes, element types and ranks; throws Failure. May be null.
    void (*check)(const module::NodeView&) = nullptr;
};

class KernelTable {
public:
    void add(const KernelDef& def) { mDefs.emplace(def.op, def); }
    const KernelDef* find(std::string_view op) const;
    // Throws Failure (a refusal that names op, element type and what is supported) unless the node can be computed.
    const KernelDef& require(const module::NodeView& node) const;
    auto begin() const { return mDefs.begin(); }
    auto end() const { return mDefs.end(); }

private:
    std::map<std::string_view, KernelDef> mDefs;
};

// For checks: throws a refusal unless the operand, if it is there, has one of the types.
void requireType(const module::NodeView& node, int32_t input, TypeMask types);
// All operands that are there have the element type of input 0.
void requireSameTypes(const module::NodeView& node);

} // namespace tenon::kernels
