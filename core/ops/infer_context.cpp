#include "core/ops/infer_context.h"

#include "core/support/text.h"

#include <cmath>

namespace tenon::ops {
namespace {

// Whole numbers up to here are exact in the type, so that arithmetic on them equals integer arithmetic.
double largestWhole(ir::DataType type) {
    switch (type) {
    case ir::DataType::kF64:
        return 9007199254740992.0;
    case ir::DataType::kF32:
        return 16777216.0;
    case ir::DataType::kF16:
        return 2048.0;
    case ir::DataType::kBF16:
        return 256.0;
    case ir::DataType::kI8:
    case ir::DataType::kU8:
    case ir::DataType::kI16:
    case ir::DataType::kU16:
    case ir::DataType::kI32:
    case ir::DataType::kU32:
    case ir::DataType::kI64:
    case ir::DataType::kU64:
    case ir::DataType::kBool:
    case ir::DataType::kF8E4M3:
    case ir::DataType::kF8E5M2:
    case ir::DataType::kF8E8M0:
    case ir::DataType::kF4E2M1:
    case ir::DataType::kI4:
    case ir::DataType::kU4:
    case ir::DataType::kString:
        return 0;
    }
    return 0;
}

std::optional<std::vector<ir::DimExpr>> read(const ir::Constant& constant, ir::ExprPool& pool) {
    const int64_t count = constant.elements();
    if (count < 0 || count > InferContext::kMaxContents) {
        return std::nullopt;
    }
    const bool whole = ir::isInteger(constant.dtype) || constant.dtype == ir::DataType::kBool;
    const double limit = largestWhole(constant.dtype);
    if (!whole && limit == 0) {
        return std::nullopt;
    }
    std::vector<ir::DimExpr> elements;
    elements.reserve(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
        if (whole) {
            elements.push_back(pool.constant(constant.integerAt(i)));
            continue;
        }
        const double number = constant.numberAt(i);
        if (!(std::fabs(number) <= limit) || number != std::floor(number)) {
            return std::nullopt;
        }
        elements.push_back(pool.constant(static_cast<int64_t>(number)));
    }
    return elements;
}

} // namespace

std::optional<std::vector<ir::DimExpr>> InferContext::contentsOf(size_t i) const {
    if (!hasInput(i)) {
        return std::nullopt;
    }
    const InferInput& in = mInputs[i];
    if (in.contents) {
        return in.contents;
    }
    return in.constant ? read(*in.constant, mPool) : std::nullopt;
}

std::optional<std::vector<ir::DimExpr>> InferContext::integers(size_t input, std::string_view attribute) const {
    if (const auto* list = mAttributes.get<ir::DimList>(attribute)) {
        return list->dims;
    }
    if (const auto* ints = mAttributes.get<std::vector<int64_t>>(attribute)) {
        std::vector<ir::DimExpr> exprs;
        exprs.reserve(ints->size());
        for (const int64_t value : *ints) {
            exprs.push_back(mPool.constant(value));
        }
        return exprs;
    }
    if (const auto* number = mAttributes.get<int64_t>(attribute)) {
        return std::vector<ir::DimExpr>{mPool.constant(*number)};
    }
    if (!hasInput(input) || mInputs[input].type.rank() > 1 || ir::isFloat(mInputs[input].type.dtype)) {
        return std::nullopt;
    }
    return contentsOf(input);
}

ir::DimExpr InferContext::unbacked(std::string_view hint) {
    if (mReused < mReusable.size()) {
        return mReusable[mReused++];
    }
    // The number of symbols only grows, so the first free name is found at once unless somebody else took it.
    ir::Symbol symbol;
    symbol.source = ir::SymbolSource::kUnbacked;
    for (size_t number = mPool.symbols().size();; ++number) {
        symbol.name = support::cat("u_", hint, "_", number);
        bool taken = false;
        for (const ir::Symbol& other : mPool.symbols()) {
            taken = taken || other.name == symbol.name;
        }
        if (!taken) {
            return mPool.symbol(symbol);
        }
    }
}

void InferContext::setOutput(size_t i, ir::TensorType type) {
    if (i >= mOutputs.size()) {
        return; // an optional output that nobody asked for
    }
    mOutputs[i].set = true;
    mOutputs[i].type = std::move(type);
}

void InferContext::setContents(size_t i, std::vector<ir::DimExpr> contents) {
    if (i < mOutputs.size() && static_cast<int64_t>(contents.size()) <= kMaxContents) {
        mOutputs[i].contents = std::move(contents);
    }
}

} // namespace tenon::ops
