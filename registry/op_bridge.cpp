#include "registry/op_bridge.h"

#include "core/support/lexer.h"
#include "registry/picture_storage.h"
#include "registry/text_sink.h"

#include <algorithm>
#include <map>

namespace tenon::registry {

using ir::DimExpr;
using ops::AttributeKind;
using support::Result;
using support::Status;

namespace {

// What a TnInferContext is.
struct Inference {
    ops::InferContext& context;
    DimPictures dims;
    PictureStorage storage;
    std::map<std::string, TnAttribute, std::less<>> attributes; // as asked for
    std::map<int32_t, std::optional<std::vector<DimExpr>>> contents;
};

Inference& of(TnInferContext* context) { return *reinterpret_cast<Inference*>(context); }

bool hasInput(const Inference& inference, int32_t input) {
    return input >= 0 && inference.context.hasInput(static_cast<size_t>(input));
}

const std::vector<DimExpr>* contentsOf(Inference& inference, int32_t input) {
    if (!hasInput(inference, input) || inference.context.input(static_cast<size_t>(input)).type.rank() > 1) {
        return nullptr;
    }
    const auto [at, isNew] = inference.contents.try_emplace(input);
    if (isNew) {
        at->second = inference.context.contentsOf(static_cast<size_t>(input));
    }
    return at->second.has_value() ? &*at->second : nullptr;
}

bool isHandle(const Inference& inference, TnExpr expr) { return expr >= 0 && expr < inference.context.pool().size(); }

int32_t inputCount(TnInferContext* context) { return static_cast<int32_t>(of(context).context.inputCount()); }

TnDataType inputDtype(TnInferContext* context, int32_t input) {
    return hasInput(of(context), input)
               ? static_cast<TnDataType>(of(context).context.input(static_cast<size_t>(input)).type.dtype)
               : -1;
}

int32_t inputRank(TnInferContext* context, int32_t input) {
    return hasInput(of(context), input) ? of(context).context.input(static_cast<size_t>(input)).type.rank() : -1;
}

TnExpr inputDim(TnInferContext* context, int32_t input, int32_t dim) {
    if (dim < 0 || dim >= inputRank(context, input)) {
        return -1;
    }
    return of(context).context.input(static_cast<size_t>(input)).type.dims[static_cast<size_t>(dim)].id;
}

int64_t inputValueCount(TnInferContext* context, int32_t input) {
    const std::vector<DimExpr>* values = contentsOf(of(context), input);
    return values != nullptr ? static_cast<int64_t>(values->size()) : -1;
}

TnExpr inputValue(TnInferContext* context, int32_t input, int64_t element) {
    const std::vector<DimExpr>* values = contentsOf(of(context), input);
    return values != nullptr && element >= 0 && element < static_cast<int64_t>(values->size())
               ? (*values)[static_cast<size_t>(element)].id
               : -1;
}

const TnAttribute* attribute(TnInferContext* context, TnString name) {
    Inference& inference = of(context);
    const auto known = inference.attributes.find(toView(name));
    if (known != inference.attributes.end()) {
        return &known->second;
    }
    const ir::AttributeValue* value = inference.context.attributes().find(toView(name));
    if (value == nullptr) {
        return nullptr;
    }
    int64_t firstScalar = 0;
    const TnAttribute picture = inference.storage.attribute(toView(name), *value, inference.dims, firstScalar, nullptr);
    return &inference.attributes.emplace(std::string(toView(name)), picture).first->second;
}

TnExpr constant(TnInferContext* context, int64_t value) { return of(context).context.pool().constant(value).id; }

TnExpr binary(TnInferContext* context, TnString op, TnExpr a, TnExpr b) {
    static constexpr std::pair<std::string_view, ir::ExprOp> kOps[] = {
        {"sum", ir::ExprOp::kSum},          {"sub", ir::ExprOp::kSub},     {"prod", ir::ExprOp::kProd},
        {"max", ir::ExprOp::kMax},          {"min", ir::ExprOp::kMin},     {"floor_div", ir::ExprOp::kFloorDiv},
        {"ceil_div", ir::ExprOp::kCeilDiv}, {"equal", ir::ExprOp::kEqual}, {"less", ir::ExprOp::kLess},
        {"mod", ir::ExprOp::kMod}};
    Inference& inference = of(context);
    if (!isHandle(inference, a) || !isHandle(inference, b)) {
        return -1;
    }
    for (const auto& [name, kind] : kOps) {
        if (name == toView(op)) {
            return inference.context.pool().binary(kind, DimExpr{a}, DimExpr{b}).id;
        }
    }
    return -1;
}

TnExpr unbacked(TnInferContext* context, TnString hint) { return of(context).context.unbacked(toView(hint)).id; }

bool isOutput(const Inference& inference, int32_t output) {
    return output >= 0 && static_cast<size_t>(output) < inference.context.outputCount();
}

TnCode setOutput(TnInferContext* context, int32_t output, TnDataType dtype, int32_t rank, const TnExpr* dims) {
    Inference& inference = of(context);
    if (!isOutput(inference, output) || dtype < 0 || dtype >= TN_DATA_TYPE_COUNT || rank < -1 || rank > TN_MAX_DIMS ||
        (rank > 0 && dims == nullptr)) {
        return TN_INVALID_ARGUMENT;
    }
    ir::TensorType type;
    type.dtype = static_cast<ir::DataType>(dtype);
    type.ranked = rank >= 0;
    for (int32_t i = 0; i < rank; ++i) {
        if (dims[i] >= 0 && !isHandle(inference, dims[i])) {
            return TN_INVALID_ARGUMENT;
        }
        type.dims.push_back(DimExpr{dims[i] >= 0 ? dims[i] : -1});
    }
    inference.context.setOutput(static_cast<size_t>(output), std::move(type));
    return TN_OK;
}

TnCode setOutputValues(TnInferContext* context, int32_t output, int64_t count, const TnExpr* values) {
    Inference& inference = of(context);
    if (!isOutput(inference, output) || count < 0 || count > ops::InferContext::kMaxContents ||
        (count > 0 && values == nullptr)) {
        return TN_INVALID_ARGUMENT;
    }
    std::vector<DimExpr> contents;
    for (int64_t i = 0; i < count; ++i) {
        if (!isHandle(inference, values[i])) {
            return TN_INVALID_ARGUMENT;
        }
        contents.push_back(DimExpr{values[i]});
    }
    inference.context.setContents(static_cast<size_t>(output), std::move(contents));
    return TN_OK;
}

// "[1, 2]"
template <class Value, class ReadOne>
Result<std::vector<Value>> readList(support::Lexer& lexer, ReadOne readOne) {
    std::vector<Value> values;
    TN_RETURN_IF_ERROR(lexer.expect("["));
    while (!lexer.take("]")) {
        if (!values.empty()) {
            TN_RETURN_IF_ERROR(lexer.expect(","));
        }
        TN_ASSIGN_OR_RETURN(Value value, readOne());
        values.push_back(std::move(value));
    }
    return values;
}

Result<ir::AttributeValue> readDefault(std::string_view text, AttributeKind kind) {
    support::Lexer lexer(text);
    ir::AttributeValue value;
    switch (kind) {
    case AttributeKind::kInt: {
        TN_ASSIGN_OR_RETURN(value, lexer.expectInt("an integer"));
        break;
    }
    case AttributeKind::kFloat: {
        TN_ASSIGN_OR_RETURN(value, lexer.expectNumber("a number"));
        break;
    }
    case AttributeKind::kString: {
        TN_ASSIGN_OR_RETURN(value, lexer.expectString("a text in quotes"));
        break;
    }
    case AttributeKind::kInts: {
        TN_ASSIGN_OR_RETURN(value, readList<int64_t>(lexer, [&] { return lexer.expectInt("an integer"); }));
        break;
    }
    case AttributeKind::kFloats: {
        TN_ASSIGN_OR_RETURN(value, readList<double>(lexer, [&] { return lexer.expectNumber("a number"); }));
        break;
    }
    case AttributeKind::kStrings: {
        TN_ASSIGN_OR_RETURN(value,
                            readList<std::string>(lexer, [&] { return lexer.expectString("a text in quotes"); }));
        break;
    }
    case AttributeKind::kDataType: {
        TN_ASSIGN_OR_RETURN(const std::string name, lexer.expectIdentifier("an element type"));
        const std::optional<ir::DataType> type = ir::dataTypeOf(name);
        if (!type) {
            return support::invalidArgument("'", name, "' is no element type");
        }
        value = *type;
        break;
    }
    case AttributeKind::kDims:
    case AttributeKind::kTensor:
        return support::invalidArgument("attributes of this kind have no default");
    }
    if (!lexer.atEnd()) {
        return support::invalidArgument("something follows the value");
    }
    return value;
}

Result<ops::AttributeSpec> bridgeAttribute(const TnAttributeSpec& from) {
    ops::AttributeSpec spec;
    spec.name = toView(from.name);
    if (!support::trim(spec.name).empty() && from.kind >= TN_ATTR_INT && from.kind <= TN_ATTR_TENSOR) {
        spec.kind = static_cast<AttributeKind>(from.kind); // the two enumerations agree: see the assertions below
    } else {
        return support::invalidArgument("attribute ", support::quote(spec.name), " has no name or an unknown kind ",
                                        from.kind);
    }
    spec.required = from.required != 0;
    // The core's op set has nothing to say about a module's own attributes: whoever has the op has them.
    spec.since = 1;
    spec.doc = toView(from.doc);
    if (from.default_text.size > 0) {
        Result<ir::AttributeValue> value = readDefault(toView(from.default_text), spec.kind);
        if (!value.ok()) {
            return support::invalidArgument("attribute '", spec.name, "': its default ",
                                            support::quote(toView(from.default_text)), ": ", value.status().message());
        }
        spec.fallback = std::move(value).value();
    }
    return spec;
}

static_assert(static_cast<int>(AttributeKind::kInt) == TN_ATTR_INT &&
              static_cast<int>(AttributeKind::kFloat) == TN_ATTR_FLOAT);
static_assert(static_cast<int>(AttributeKind::kString) == TN_ATTR_STRING &&
              static_cast<int>(AttributeKind::kInts) == TN_ATTR_INTS);
static_assert(static_cast<int>(AttributeKind::kFloats) == TN_ATTR_FLOATS &&
              static_cast<int>(AttributeKind::kStrings) == TN_ATTR_STRINGS);
static_assert(static_cast<int>(AttributeKind::kDataType) == TN_ATTR_DTYPE &&
              static_cast<int>(AttributeKind::kDims) == TN_ATTR_DIMS);
static_assert(static_cast<int>(AttributeKind::kTensor) == TN_ATTR_TENSOR);

} // namespace

const TnInferApi& inferApi() {
    static constexpr TnInferApi api = [] {
        TnInferApi table{};
        table.struct_size = sizeof(table);
        table.input_count = inputCount;
        table.input_dtype = inputDtype;
        table.input_rank = inputRank;
        table.input_dim = inputDim;
        table.input_value_count = inputValueCount;
        table.input_value = inputValue;
        table.attribute = attribute;
        table.constant = constant;
        table.binary = binary;
        table.set_output = setOutput;
        table.set_output_values = setOutputValues;
        table.unbacked = unbacked;
        return table;
    }();
    return api;
}

Result<ops::OpDef> bridgeOp(const TnOpDef& table, const EntryOrigin& origin) {
    ops::OpDef def;
    def.name = toView(table.name);
    def.family = support::cat("module ", origin.module);
    def.doc = toView(table.doc);
    def.since = 1;
    const int32_t named = table.max_inputs < 0 ? std::max(table.min_inputs, 1) : table.max_inputs;
    for (int32_t i = 0; i < named; ++i) {
        def.inputs.push_back({support::cat("input", i), i >= table.min_inputs, ""});
    }
    def.variadic = table.max_inputs < 0;
    def.minOutputs = table.min_outputs;
    def.maxOutputs = table.max_outputs;
    def.effect = table.effectful != 0 ? ops::Effect::kEffectful : ops::Effect::kPure;
    for (int64_t i = 0; i < table.attribute_count; ++i) {
        const auto* at =
            reinterpret_cast<const std::byte*>(table.attributes) + static_cast<size_t>(i) * table.attribute_stride;
        Result<ops::AttributeSpec> spec = bridgeAttribute(*reinterpret_cast<const TnAttributeSpec*>(at));
        if (spec.ok() && def.attribute(spec->name) != nullptr) {
            spec = support::invalidArgument("attribute '", spec->name, "' is there twice");
        }
        if (!spec.ok()) {
            return support::invalidArgument("op definition '", def.name, "': ", spec.status().message());
        }
        def.attributes.push_back(std::move(spec).value());
    }
    def.infer = [table, owner = origin.owner, name = def.name](ops::InferContext& context) -> Status {
        Inference inference{context, DimPictures(context.pool(), nullptr), {}, {}, {}};
        TextSink reason;
        const TnCode code =
            table.infer(table.self, &inferApi(), reinterpret_cast<TnInferContext*>(&inference), reason.sink());
        if (code != TN_OK) {
            return Status(codeOf(code), reason.textOr("its module gave no reason"));
        }
        for (size_t i = 0; i < context.outputs().size(); ++i) {
            if (!context.outputs()[i].set) {
                return support::internalError("the definition of '", name, "' did not set the type of output ", i);
            }
        }
        return {};
    };
    return def;
}

} // namespace tenon::registry
