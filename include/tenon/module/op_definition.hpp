// Definitions of new ops: schema and inference, as a plain class.
// A module author derives from OpDefinition; the registrar turns it into the C table. How the op is computed is a
// provider's business (its reference kernel is a tactic with TN_TRAIT_REFERENCE). Knows no core header.
#pragma once

#include "tenon/module/graph_view.hpp"

#include <memory>
#include <vector>

namespace tenon::module {

struct AttributeSpec {
    std::string name;
    TnAttributeKind kind = TN_ATTR_INT;
    bool required = false;
    std::string defaultText; ///< as in IR text: "1", "0.5", "\"text\"", "[1, 1]"; empty: none
    std::string doc;
    int32_t since = 1;
};

struct OpSpec {
    std::string name; ///< "domain.op": "acme.swirl"
    std::string doc;
    int32_t minInputs = 1;
    int32_t maxInputs = 1; ///< -1: any number
    int32_t minOutputs = 1;
    int32_t maxOutputs = 1;
    bool effectful = false; ///< never merged, removed, or moved past another effect
    std::vector<AttributeSpec> attributes;
    int32_t since = 1;
};

/// An extent or other integer of inference. Valid during the call.
struct Expr {
    TnExpr handle = -1;
    bool known() const noexcept { return handle >= 0; }
};

/// What inference sees and says. Operations on an unknown expression give an unknown one.
class InferContext {
public:
    InferContext(const TnInferApi* api, TnInferContext* context) noexcept : mApi(api), mContext(context) {}

    int32_t inputCount() const { return mApi->input_count(mContext); }
    bool hasInput(int32_t i) const { return i < inputCount() && mApi->input_dtype(mContext, i) >= 0; }
    TnDataType dtype(int32_t input) const { return mApi->input_dtype(mContext, input); }
    /// -1: unknown.
    int32_t rank(int32_t input) const { return mApi->input_rank(mContext, input); }
    Expr dim(int32_t input, int32_t i) const { return {mApi->input_dim(mContext, input, i)}; }
    std::vector<Expr> dims(int32_t input) const {
        std::vector<Expr> out;
        for (int32_t i = 0; i < rank(input); ++i) {
            out.push_back(dim(input, i));
        }
        return out;
    }
    /// The elements of an integer input of rank 0 or 1; false when they are not known.
    bool values(int32_t input, std::vector<Expr>& out) const {
        const int64_t count = mApi->input_value_count(mContext, input);
        out.clear();
        for (int64_t i = 0; i < count; ++i) {
            out.push_back({mApi->input_value(mContext, input, i)});
        }
        return count >= 0;
    }

    const TnAttribute* attribute(std::string_view name) const { return mApi->attribute(mContext, toTn(name)); }
    int64_t intOr(std::string_view name, int64_t fallback) const {
        const TnAttribute* found = attribute(name);
        return found != nullptr && found->kind == TN_ATTR_INT ? found->i : fallback;
    }
    double floatOr(std::string_view name, double fallback) const {
        const TnAttribute* found = attribute(name);
        if (found != nullptr && found->kind == TN_ATTR_INT) {
            return static_cast<double>(found->i);
        }
        return found != nullptr && found->kind == TN_ATTR_FLOAT ? found->f : fallback;
    }
    std::string_view stringOr(std::string_view name, std::string_view fallback) const {
        const TnAttribute* found = attribute(name);
        return found != nullptr && found->kind == TN_ATTR_STRING ? view(found->s) : fallback;
    }
    std::vector<int64_t> intsOr(std::string_view name, std::vector<int64_t> fallback) const {
        const TnAttribute* found = attribute(name);
        return found != nullptr && found->kind == TN_ATTR_INTS
                   ? std::vector<int64_t>(found->ints, found->ints + found->count)
                   : fallback;
    }

    Expr constant(int64_t value) const { return {mApi->constant(mContext, value)}; }
    Expr sum(Expr a, Expr b) const { return binary("sum", a, b); }
    Expr sub(Expr a, Expr b) const { return binary("sub", a, b); }
    Expr prod(Expr a, Expr b) const { return binary("prod", a, b); }
    Expr max(Expr a, Expr b) const { return binary("max", a, b); }
    Expr min(Expr a, Expr b) const { return binary("min", a, b); }
    Expr floorDiv(Expr a, Expr b) const { return binary("floor_div", a, b); }
    Expr ceilDiv(Expr a, Expr b) const { return binary("ceil_div", a, b); }
    Expr mod(Expr a, Expr b) const { return binary("mod", a, b); }
    /// 0 or 1.
    Expr equal(Expr a, Expr b) const { return binary("equal", a, b); }
    Expr less(Expr a, Expr b) const { return binary("less", a, b); }
    Expr binary(std::string_view op, Expr a, Expr b) const {
        return a.known() && b.known() ? Expr{mApi->binary(mContext, toTn(op), a.handle, b.handle)} : Expr{};
    }
    /// An extent that only the data decides; combine with `min` and an expression to bound it.
    Expr unbacked(std::string_view hint) const {
        return TN_HAS_MEMBER(mApi, unbacked) && mApi->unbacked != nullptr ? Expr{mApi->unbacked(mContext, toTn(hint))}
                                                                          : Expr{};
    }

    Code setOutput(int32_t output, TnDataType dtype, const std::vector<Expr>& dims) const {
        static_assert(sizeof(Expr) == sizeof(TnExpr));
        return static_cast<Code>(mApi->set_output(mContext, output, dtype, static_cast<int32_t>(dims.size()),
                                                  dims.empty() ? nullptr : &dims[0].handle));
    }
    Code setOutputLike(int32_t output, int32_t input) const { return setOutput(output, dtype(input), dims(input)); }
    /// The elements of an integer output, where they are known.
    Code setOutputValues(int32_t output, const std::vector<Expr>& values) const {
        if (!TN_HAS_MEMBER(mApi, set_output_values) || mApi->set_output_values == nullptr) {
            return Code::kUnsupported;
        }
        return static_cast<Code>(mApi->set_output_values(mContext, output, static_cast<int64_t>(values.size()),
                                                         values.empty() ? nullptr : &values[0].handle));
    }

private:
    const TnInferApi* mApi;
    TnInferContext* mContext;
};

/// One op. `infer` is called from several threads.
class OpDefinition {
public:
    virtual ~OpDefinition() = default;
    virtual OpSpec spec() const = 0;
    /// Sets the type of every output, or says what is wrong with the inputs or attributes.
    virtual Code infer(const InferContext& context, Reason& reason) const = 0;
};

namespace detail {

/// The C table of an OpDefinition, and what its strings point to.
class OpTable {
public:
    explicit OpTable(std::unique_ptr<const OpDefinition> definition)
        : mDefinition(std::move(definition)), mSpec(mDefinition->spec()) {
        for (const AttributeSpec& spec : mSpec.attributes) {
            mAttributes.push_back({toTn(spec.name), spec.kind, spec.required ? 1 : 0, spec.since, 0,
                                   toTn(spec.defaultText), toTn(spec.doc)});
        }
        mTable.struct_size = sizeof(mTable);
        mTable.name = toTn(mSpec.name);
        mTable.doc = toTn(mSpec.doc);
        mTable.since = mSpec.since;
        mTable.min_inputs = mSpec.minInputs;
        mTable.max_inputs = mSpec.maxInputs;
        mTable.min_outputs = mSpec.minOutputs;
        mTable.max_outputs = mSpec.maxOutputs;
        mTable.effectful = mSpec.effectful ? 1 : 0;
        mTable.attribute_count = static_cast<int64_t>(mAttributes.size());
        mTable.attribute_stride = sizeof(TnAttributeSpec);
        mTable.attributes = mAttributes.data();
        mTable.self = const_cast<OpDefinition*>(mDefinition.get());
        mTable.infer = [](void* self, const TnInferApi* api, TnInferContext* context, TnSink* sink) -> TnCode {
            return guarded(sink, [&](Reason& reason) {
                return static_cast<const OpDefinition*>(self)->infer(InferContext(api, context), reason);
            });
        };
    }
    const TnOpDef& table() const noexcept { return mTable; }

private:
    std::unique_ptr<const OpDefinition> mDefinition;
    OpSpec mSpec;
    std::vector<TnAttributeSpec> mAttributes;
    TnOpDef mTable{};
};
} // namespace detail

} // namespace tenon::module
