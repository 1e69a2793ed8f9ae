// A plan in memory: what the scheduler hands to the writer and the reader gives back to the runtime.
// Plain data. Knows formats and expressions, no graph, no module, no library. The published file format is plan.fbs.
//
// A plan holds programs. An engine program computes the network on one profile's box; the weight program computes derived constants (folded,
// cast, packed) from source constants. Programs share the expression table, the constants and the kernels. All references are indices.
#pragma once

#include "core/ir/data_type.h"
#include "core/ir/dim_expr.h"
#include "core/ir/tensor_format.h"
#include "core/ir/weights.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tenon::plan {

// Index into Plan::expressions. Operands of an expression have smaller indices.
using ExprIndex = int32_t;

// PlanTensor::capacity of an activation that the runtime gives a buffer of its own, which grows.
inline constexpr int64_t kUnbounded = -1;

struct PlanTensor {
    enum class Role : uint8_t {
        kInput, // bound by the user; `binding` is the index into Plan::bindings
        kOutput,
        kConstant,  // `constant` is the index into Plan::constants
        kActivation // in the arena at `offset`
    };
    std::string name; // of the IR value, for profilers and dumps
    Role role = Role::kActivation;
    int32_t binding = -1;
    int32_t constant = -1;
    ir::DataType dtype = ir::DataType::kF32;
    TnPlacement placement = TN_PLACEMENT_HOST;
    ir::TensorFormat format{};
    std::vector<ExprIndex> dims;
    // Bytes from the start of the arena of its placement, or of the binding's or constant's memory. Several tensors may share bytes: a reshape of an input is a
    // second kInput tensor of that binding, what a concat view writes into an output is a kOutput tensor at an offset.
    int64_t offset = 0;
    int64_t capacity =
        0; // bytes at the largest extents of the program's box; kUnbounded for an activation whose extents have no bound
};

// Bytes that a kernel runtime understands.
struct PlanKernel {
    std::string runtime; // "onednn"
    uint32_t blobVersion = 0;
    std::shared_ptr<const std::vector<std::byte>> blob;
    std::string tactic; // provider and tactic, readable: "onednn/brg:avx512_core"
};

// What the executor does. Only kLaunch and kConvert have a kernel.
enum class StepKind : uint8_t {
    kLaunch,
    kConvert, // a launch that changes layout, element type or placement
    kCopy,    // the bytes of inputs[0] to outputs[0]: same element type, format and extents, maybe at another placement
    kHostShape, // outputs[0], an integer or bool tensor in host memory, gets the values of `scalars`, one per element
    kFetch, // ends a segment. With an input: symbols[i] = element i of it; without: takes over what launches wrote for `symbols`
    kLoop,
    kBranch,
    kAllocOutput,
    kDebugTap, // later
};

struct PlanStep {
    StepKind kind = StepKind::kLaunch;
    std::string name; // of the fused node or op
    std::vector<std::string> sources;
    std::string op; // IR op, or "fused:<pattern>"
    int32_t kernel = -1;
    int32_t stream = 0;
    // Where it runs: the host, or a device, whose stream then orders it. Of a copy the side that is no host memory.
    TnPlacement placement = TN_PLACEMENT_HOST;
    std::vector<int32_t> inputs; // tensors; -1: left out
    std::vector<int32_t> outputs;
    std::vector<ExprIndex> scalars; // TnPrepareArgs::scalars; of kHostShape the elements
    std::vector<int32_t>
        symbols; // unbacked ones: of kLaunch those of TnLaunchArgs::extents, of kFetch those that become known
    int64_t workspaceOffset = 0; // in the arena of its placement
    int64_t workspaceCapacity = 0;
    TnTraits traits = 0;
};

// Values that a symbol may take in a program. `max` is INT64_MAX for an unbacked symbol without a bound.
struct SymbolRange {
    int64_t min = 0;
    int64_t opt = 0;
    int64_t max = 0;
};

struct PlanProgram {
    std::string name;             // "profile 0", "weights"
    std::vector<SymbolRange> box; // by symbol index
    std::vector<PlanTensor> tensors;
    std::vector<PlanStep> steps;           // in launch order
    int64_t arenaBytes = 0;                // in host memory
    std::vector<int64_t> deviceArenaBytes; // by Plan::devices

    // Of the arena at a placement. Precondition: one of the plan's.
    int64_t arenaAt(TnPlacement placement) const {
        return placement == TN_PLACEMENT_HOST ? arenaBytes : deviceArenaBytes[static_cast<size_t>(placement) - 1];
    }
};

// An engine input or output, in the network's order.
struct PlanBinding {
    std::string name;
    bool isInput = false;
    ir::DataType dtype = ir::DataType::kF32;
    ir::TensorFormat format{};   // what the user binds; linear unless asked otherwise
    std::vector<ExprIndex> dims; // of inputs a symbol or a constant each
    std::vector<std::string> dimNames;
    bool isShapeInput = false;                                 // its elements are symbols: it lives in host memory
    TnPlacement placement = TN_PLACEMENT_HOST;                 // of the memory that the user binds
    std::vector<std::array<std::vector<int64_t>, 3>> profiles; // min, opt, max extents per profile (inputs)
    std::vector<std::array<std::vector<int64_t>, 3>>
        profileValues; // of shape inputs: min, opt, max elements per profile
};

struct PlanConstant {
    std::string name;     // of the IR value
    std::string identity; // weights name of a source constant; empty: derived
    ir::DataType dtype = ir::DataType::kF32;
    std::vector<int64_t> dims;
    ir::TensorFormat format{};
    int64_t bytes = 0;
    std::shared_ptr<const void> owner; // keeps data alive (a buffer, or the mapped file)
    const std::byte* data =
        nullptr; // null for a source constant that only the weight program needs and that was left out of the plan
    bool derived = false;
};

// A device that the plan uses beside the host: number n of Plan::devices is placement n + 1. Any device of the backend may take its place.
struct PlanDevice {
    std::string backend; // "cuda"
    std::string json;    // of the device that the plan was made for
    std::string fingerprint;
};

struct ModuleRequirement {
    std::string name;    // module
    std::string version; // it had at build time
    std::string runtime; // kernel runtime it must provide
    uint32_t blobVersion = 0;
};

// A text of a plan that running it does not need. It stays where it was read, in a mapped file mostly, and takes memory of the process only when
// somebody looks at it. Immutable.
class PlanText {
public:
    PlanText() = default;
    PlanText(std::string text) {
        auto own = std::make_shared<const std::string>(std::move(text));
        mText = *own;
        mOwner = std::move(own);
    }
    PlanText(const char* text) : PlanText(std::string(text)) {}
    // `text` lives as long as `owner`.
    PlanText(std::string_view text, std::shared_ptr<const void> owner) : mText(text), mOwner(std::move(owner)) {}

    std::string_view view() const { return mText; }
    size_t size() const { return mText.size(); }
    bool operator==(const PlanText& other) const { return mText == other.mText; }

private:
    std::string_view mText;
    std::shared_ptr<const void> mOwner;
};

struct Plan {
    std::string networkName;
    std::string tenonVersion;
    std::string targetJson; // of the device the plan was made for
    std::string targetFingerprint;
    int32_t level = 3;
    int32_t hostThreads = 0; // of the team that host steps were timed on; 0: not known
    bool stopped = false;    // the build was: this is the best that it had
    std::vector<PlanDevice> devices;
    std::vector<ir::Symbol> symbols;       // Symbol::input counts input bindings only
    std::vector<ir::ExprNode> expressions; // operands are ExprIndex in DimExpr::id
    std::vector<PlanBinding> bindings;     // inputs, then outputs
    std::vector<PlanConstant> constants;
    std::vector<PlanKernel> kernels;
    std::vector<PlanProgram> programs; // one per profile
    PlanProgram weightProgram;         // derives constants; inputs and outputs are kConstant tensors
    std::vector<ModuleRequirement> requirements;
    PlanText graphText;      // final graph with bodies and source sets, IR text
    PlanText inspectorJson;  // TensorRT's Layers and Bindings per profile
    PlanText ledgerJson;     // decisions; times live here, outside the content hash
    std::string contentHash; // 32 hexadecimal digits; set by the reader, ignored by the writer
};

} // namespace tenon::plan
