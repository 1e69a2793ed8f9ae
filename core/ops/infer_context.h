// What inference sees and says: plain data, so that API objects (before any graph exists), IR nodes and modules share
// one function per op. Used by op definitions; filled in by core/api, core/ir clients and the module bridge. Knows no
// Node.
#pragma once

#include "core/ir/attributes.h"
#include "core/ir/dim_expr.h"
#include "core/ir/tensor_type.h"
#include "core/ir/weights.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace tenon::ops {

// One input. A left-out optional input has present == false.
struct InferInput {
    bool present = false;
    ir::TensorType type;
    // The elements of a small integer or bool tensor (0 or 1), row-major, when every one is known as an expression.
    // Floats have them too where every element is a whole number: exporters compute extents that way.
    std::optional<std::vector<ir::DimExpr>> contents;
    ir::ConstantPtr constant; // the bytes, when the input is a constant
};

struct InferOutput {
    bool set = false;
    ir::TensorType type;
    std::optional<std::vector<ir::DimExpr>> contents;
};

class InferContext {
public:
    InferContext(const ir::AttributeMap& attributes, std::vector<InferInput> inputs, size_t outputCount,
                 ir::ExprPool& pool)
        : mAttributes(attributes), mInputs(std::move(inputs)), mOutputs(outputCount), mPool(pool) {}

    const ir::AttributeMap& attributes() const { return mAttributes; }
    size_t inputCount() const { return mInputs.size(); }
    bool hasInput(size_t i) const { return i < mInputs.size() && mInputs[i].present; }
    const InferInput& input(size_t i) const { return mInputs[i]; } // precondition: hasInput(i)
    size_t outputCount() const { return mOutputs.size(); }
    ir::ExprPool& pool() const { return mPool; }

    // The integers of a shape-defining operand: the attribute if it is there (DimList, ints or int), else the contents
    // of the input if it has at most one dimension, else nothing.
    std::optional<std::vector<ir::DimExpr>> integers(size_t input, std::string_view attribute) const;
    // The contents of an input as recorded, or read from its constant; nothing when absent, unknown, or more than
    // kMaxContents elements.
    std::optional<std::vector<ir::DimExpr>> contentsOf(size_t i) const;
    static constexpr int64_t kMaxContents = 256;
    // An unbacked symbol: an extent that only the data decides. Fresh, unless an earlier inference of the same node
    // made one (see reuseUnbacked). `hint` names it.
    ir::DimExpr unbacked(std::string_view hint);
    // Symbols that unbacked() hands out, in order, before it makes new ones: so that inferring a node again gives equal
    // types.
    void reuseUnbacked(std::vector<ir::DimExpr> symbols) { mReusable = std::move(symbols); }

    void setOutput(size_t i, ir::TensorType type);
    void setContents(size_t i, std::vector<ir::DimExpr> contents);
    const std::vector<InferOutput>& outputs() const { return mOutputs; }

private:
    const ir::AttributeMap& mAttributes;
    std::vector<InferInput> mInputs;
    std::vector<InferOutput> mOutputs;
    ir::ExprPool& mPool;
    std::vector<ir::DimExpr> mReusable;
    size_t mReused = 0;
};

} // namespace tenon::ops
