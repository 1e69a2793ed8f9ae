// What inference sees and says: plain data, so that API objects (before any graph exists), IR nodes and modules share one function per op.
// Used by op definitions; filled in by core/api, core/ir clients and the module bridge. Knows no Node.
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
    std::optional<std::vector<ir::DimExpr>> contents;  // of integer tensors of rank 0 or 1, when every element is known as an expression
    ir::ConstantPtr constant;                          // the bytes, when the input is a constant
};

struct InferOutput {
    bool set = false;
    ir::TensorType type;
    std::optional<std::vector<ir::DimExpr>> contents;
};

class InferContext {
public:
    InferContext(const ir::AttributeMap& attributes, std::vector<InferInput> inputs, size_t outputCount, ir::ExprPool& pool)
        : mAttributes(attributes), mInputs(std::move(inputs)), mOutputs(outputCount), mPool(pool) {}

    const ir::AttributeMap& attributes() const { return mAttributes; }
    size_t inputCount() const { return mInputs.size(); }
    bool hasInput(size_t i) const { return i < mInputs.size() && mInputs[i].present; }
    const InferInput& input(size_t i) const { return mInputs[i]; }  // precondition: hasInput(i)
    size_t outputCount() const { return mOutputs.size(); }
    ir::ExprPool& pool() const { return mPool; }

    // The integers of a shape-defining operand: the attribute if it is there (DimList or ints), else the contents of the input, else nothing.
    std::optional<std::vector<ir::DimExpr>> integers(size_t input, std::string_view attribute) const;
    // A fresh unbacked symbol: an extent that only the data decides. `hint` names it.
    ir::DimExpr unbacked(std::string_view hint);

    void setOutput(size_t i, ir::TensorType type);
    void setContents(size_t i, std::vector<ir::DimExpr> contents);
    const std::vector<InferOutput>& outputs() const { return mOutputs; }

private:
    const ir::AttributeMap& mAttributes;
    std::vector<InferInput> mInputs;
    std::vector<InferOutput> mOutputs;
    ir::ExprPool& mPool;
};

}  // namespace tenon::ops
