// Plugin layers of both generations, and the layer that runs any op by its name.
#include "core/api/lowering_helpers.h"
#include "core/api/network.h"
#include "core/api/plugin_exprs.h"
#include "core/api/plugin_provider.h"

#include <cstring>

namespace tenon::api {

using nvinfer1::DataType;
using nvinfer1::DimsExprs;
using nvinfer1::ITensor;
using nvinfer1::LayerType;
using support::cat;
using support::Result;
using support::Status;

namespace {

std::string text(const char* value) { return value == nullptr ? std::string() : std::string(value); }

ir::AttributeMap contentAttributes(const PluginContent& content) {
    return attributes({{"type", content.name},
                       {"version", content.version},
                       {"namespace", content.pluginNamespace},
                       {"data", withGeneration(content.generation, content.data)}});
}

// Extents of the inputs as plugins see them.
Result<std::vector<DimsExprs>> describeInputs(ExpressionBuilder& builder, const std::vector<const EmitValue*>& inputs,
                                              size_t count) {
    std::vector<DimsExprs> described;
    for (size_t i = 0; i < count; ++i) {
        TN_RETURN_IF_ERROR(knownRank(inputs[i]->type, "a plugin").status());
        described.push_back(builder.describe(inputs[i]->type.dims));
    }
    return described;
}

Result<ir::TensorType> pluginOutputType(const std::string& plugin, size_t i, DataType type, const DimsExprs& dims) {
    const std::optional<ir::DataType> dtype = toIr(type);
    if (!dtype) {
        return support::invalidArgument("plugin '", plugin, "' gives output ", i, " the type ", nameOf(type));
    }
    const std::optional<std::vector<ir::DimExpr>> extents = ExpressionBuilder::extentsOf(dims);
    if (!extents) {
        return support::invalidArgument("plugin '", plugin, "' gives output ", i, " no valid dimensions");
    }
    ir::TensorType result;
    result.dtype = *dtype;
    result.dims = *extents;
    return result;
}

std::vector<DataType> publicTypes(const std::vector<const EmitValue*>& inputs, size_t count) {
    std::vector<DataType> types;
    for (size_t i = 0; i < count; ++i) {
        types.push_back(toPublic(inputs[i]->type.dtype));
    }
    return types;
}

// ---- third generation -----------------------------------------------------------------------------------------------

class PluginV3Layer final : public LayerOf<nvinfer1::IPluginV3Layer> {
public:
    // The tensor inputs come first, then the shape inputs.
    PluginV3Layer(Network& network, std::vector<Tensor*> inputs, size_t tensorInputs, PluginV3Ptr plugin,
                  int32_t outputs)
        : LayerOf(network, LayerType::kPLUGIN_V3, "PluginV3", std::move(inputs)), mTensorInputs(tensorInputs),
          mPlugin(std::move(plugin)) {
        addOutputs(static_cast<size_t>(outputs));
    }
    nvinfer1::IPluginV3& getPlugin() noexcept override { return *mPlugin; }
    bool isShapeInput(size_t i) const override { return i >= mTensorInputs; }
    bool forwardsShapes() const override { return false; }

    Status lower(LayerScope& scope) const override {
        nvinfer1::IPluginV3OneCore& core = *coreOf(*mPlugin);
        nvinfer1::IPluginV3OneBuild& build = *buildOf(*mPlugin);
        PluginContent content;
        content.generation = 3;
        content.name = text(core.getPluginName());
        content.version = text(core.getPluginVersion());
        content.pluginNamespace = text(core.getPluginNamespace());

        ExpressionBuilder builder(scope.emitter().pool());
        TN_ASSIGN_OR_RETURN(const std::vector<DimsExprs> in, describeInputs(builder, scope.inputs(), mTensorInputs));
        std::vector<DimsExprs> shapes;
        for (size_t i = mTensorInputs; i < scope.inputCount(); ++i) {
            std::optional<std::vector<ir::DimExpr>> values = scope.input(i)->contents;
            if (const ir::ConstantPtr& constant = scope.input(i)->constant; !values && constant != nullptr) {
                values.emplace();
                for (int64_t e = 0; e < constant->elements(); ++e) {
                    values->push_back(scope.emitter().pool().constant(constant->integerAt(e)));
                }
            }
            if (!values || values->size() > static_cast<size_t>(nvinfer1::Dims::MAX_DIMS)) {
                return support::invalidArgument("shape input ", i - mTensorInputs, " of plugin '", content.name,
                                                "' must be a list of at most ", nvinfer1::Dims::MAX_DIMS,
                                                " integers that follow from dimensions");
            }
            shapes.push_back(builder.describe(*values));
        }
        const auto count = static_cast<int32_t>(outputs().size());
        std::vector<DataType> types(outputs().size(), DataType::kFLOAT);
        const std::vector<DataType> inputTypes = publicTypes(scope.inputs(), mTensorInputs);
        if (const int32_t code = build.getOutputDataTypes(types.data(), count, inputTypes.data(),
                                                          static_cast<int32_t>(inputTypes.size()));
            code != 0) {
            return support::invalidArgument("getOutputDataTypes() of plugin '", content.name, "' returned ", code);
        }
        std::vector<DimsExprs> out(outputs().size());
        if (const int32_t code = build.getOutputShapes(in.data(), static_cast<int32_t>(in.size()), shapes.data(),
                                                       static_cast<int32_t>(shapes.size()), out.data(), count, builder);
            code != 0) {
            return support::invalidArgument("getOutputShapes() of plugin '", content.name, "' returned ", code);
        }
        if (builder.declaredSizeTensor()) {
            return support::unsupported("plugin '", content.name,
                                        "' declares a size tensor: outputs whose size only execution determines are "
                                        "not available; give the output its largest size instead");
        }
        std::vector<ir::TensorType> outputTypes;
        for (size_t i = 0; i < out.size(); ++i) {
            TN_ASSIGN_OR_RETURN(ir::TensorType type, pluginOutputType(content.name, i, types[i], out[i]));
            outputTypes.push_back(std::move(type));
        }
        if (scope.emitter().hasGraph()) {
            nvinfer1::IPluginV3OneRuntime& runtime = *runtimeOf(*mPlugin);
            TN_ASSIGN_OR_RETURN(content.data, encodeFields(runtime.getFieldsToSerialize()));
            TN_RETURN_IF_ERROR(publish(content));
        }
        const std::vector<const EmitValue*> operands(
            scope.inputs().begin(), scope.inputs().begin() + static_cast<std::ptrdiff_t>(mTensorInputs));
        TN_ASSIGN_OR_RETURN(scope.outputs(), scope.emitter().emitTyped("plugin", contentAttributes(content), operands,
                                                                       std::move(outputTypes)));
        return support::okStatus();
    }

private:
    Status publish(const PluginContent& content) const {
        auto instance = std::make_shared<PluginInstance>();
        instance->content = content;
        instance->third.reset(mPlugin->clone());
        if (instance->third == nullptr || buildOf(*instance->third) == nullptr) {
            return support::invalidArgument("clone() of plugin '", content.name, "' failed");
        }
        publishInstance(instance);
        mInstance = std::move(instance);
        return support::okStatus();
    }

    size_t mTensorInputs;
    PluginV3Ptr mPlugin;
    mutable std::shared_ptr<PluginInstance> mInstance; // of the last lowering; alive while it may be built
};

// ---- second generation ----------------------------------------------------------------------------------------------

class PluginV2Layer final : public LayerOf<nvinfer1::IPluginV2Layer> {
public:
    PluginV2Layer(Network& network, std::vector<Tensor*> inputs, PluginV2Ptr plugin, int32_t outputs)
        : LayerOf(network, LayerType::kPLUGIN_V2, "PluginV2", std::move(inputs)), mPlugin(std::move(plugin)) {
        addOutputs(static_cast<size_t>(outputs));
    }
    nvinfer1::IPluginV2& getPlugin() noexcept override { return *mPlugin; }
    bool forwardsShapes() const override { return false; }

    Status lower(LayerScope& scope) const override {
        PluginContent content;
        content.generation = 2;
        content.name = text(mPlugin->getPluginType());
        content.version = text(mPlugin->getPluginVersion());
        content.pluginNamespace = text(mPlugin->getPluginNamespace());
        ExpressionBuilder builder(scope.emitter().pool());
        TN_ASSIGN_OR_RETURN(const std::vector<DimsExprs> in,
                            describeInputs(builder, scope.inputs(), scope.inputCount()));
        const std::vector<DataType> inputTypes = publicTypes(scope.inputs(), scope.inputCount());
        const auto count = static_cast<int32_t>(in.size());
        std::vector<ir::TensorType> outputTypes;
        for (size_t i = 0; i < outputs().size(); ++i) {
            const auto index = static_cast<int32_t>(i);
            const DimsExprs dims = mPlugin->getOutputDimensions(index, in.data(), count, builder);
            const DataType type = mPlugin->getOutputDataType(index, inputTypes.data(), count);
            TN_ASSIGN_OR_RETURN(ir::TensorType result, pluginOutputType(content.name, i, type, dims));
            outputTypes.push_back(std::move(result));
        }
        if (scope.emitter().hasGraph()) {
            auto instance = std::make_shared<PluginInstance>();
            instance->second.reset(mPlugin->clone());
            if (instance->second == nullptr) {
                return support::invalidArgument("clone() of plugin '", content.name, "' failed");
            }
            content.data.resize(instance->second->getSerializationSize());
            instance->second->serialize(content.data.data());
            instance->content = content;
            publishInstance(instance);
            mInstance = std::move(instance);
        }
        TN_ASSIGN_OR_RETURN(scope.outputs(), scope.emitter().emitTyped("plugin", contentAttributes(content),
                                                                       scope.inputs(), std::move(outputTypes)));
        return support::okStatus();
    }

private:
    PluginV2Ptr mPlugin;
    mutable std::shared_ptr<PluginInstance> mInstance; // of the last lowering; alive while it may be built
};

// ---- operators ------------------------------------------------------------------------------------------------------

Result<ir::AttributeValue> valueOf(const tenon::OperatorAttribute& a) {
    const bool lacksList =
        a.count < 0 || (a.count > 0 && ((a.kind == AttributeKind::kINTS && a.integers == nullptr) ||
                                        (a.kind == AttributeKind::kFLOATS && a.numbers == nullptr) ||
                                        (a.kind == AttributeKind::kSTRINGS && a.strings == nullptr)));
    if (a.name == nullptr || lacksList) {
        return support::invalidArgument("an attribute has no name or lacks its elements");
    }
    switch (a.kind) {
    case AttributeKind::kINT:
        return ir::AttributeValue(a.integer);
    case AttributeKind::kFLOAT:
        return ir::AttributeValue(a.number);
    case AttributeKind::kSTRING:
        return ir::AttributeValue(text(a.string));
    case AttributeKind::kINTS:
        return ir::AttributeValue(std::vector<int64_t>(a.integers, a.integers + a.count));
    case AttributeKind::kFLOATS:
        return ir::AttributeValue(std::vector<double>(a.numbers, a.numbers + a.count));
    case AttributeKind::kSTRINGS: {
        std::vector<std::string> list;
        for (int64_t i = 0; i < a.count; ++i) {
            list.push_back(text(a.strings[i]));
        }
        return ir::AttributeValue(std::move(list));
    }
    case AttributeKind::kTYPE: {
        const std::optional<ir::DataType> type = toIr(a.type);
        if (!type) {
            return support::invalidArgument("attribute '", a.name, "' is no element type");
        }
        return ir::AttributeValue(*type);
    }
    case AttributeKind::kTENSOR: {
        const std::optional<ir::DataType> type = toIr(a.tensor.type);
        if (!type || volume(a.dimensions) < 0 || volume(a.dimensions) != a.tensor.count ||
            (a.tensor.values == nullptr && a.tensor.count > 0)) {
            return support::invalidArgument("attribute '", a.name, "' has dimensions ", textOf(a.dimensions), " and ",
                                            a.tensor.count, " values of type ", nameOf(a.tensor.type));
        }
        return ir::AttributeValue(ir::makeConstant(*type, toVector(a.dimensions), a.tensor.values));
    }
    }
    return support::invalidArgument("attribute '", a.name, "' is of no known kind");
}

class OperatorLayer final : public LayerOf<tenon::IOperatorLayer> {
public:
    OperatorLayer(Network& network, std::vector<Tensor*> inputs, std::string domain, const ops::OpDef& def,
                  int32_t version, ir::AttributeMap map, int32_t outputs)
        : LayerOf(network, LayerType::kTENON_OPERATOR, def.name, std::move(inputs)), mDomain(std::move(domain)),
          mDef(def), mVersion(version), mMap(std::move(map)) {
        addOutputs(static_cast<size_t>(outputs));
        refreshNames();
    }
    size_t maxInputs() const override { return mDef.variadic ? inputs().size() + 1 : mDef.inputs.size(); }
    bool isShapeInput(size_t i) const override {
        for (const ops::ShapeOperand& operand : mDef.shapeOperands) {
            if (static_cast<size_t>(operand.input) == i) {
                return true;
            }
        }
        return false;
    }
    bool forwardsShapes() const override {
        return mDef.name != "shape" && mDef.name != "size"; // which look at extents, not at elements
    }

    char const* getDomain() const noexcept override { return mDomain.c_str(); }
    char const* getOperatorName() const noexcept override { return mDef.name.c_str(); }
    int32_t getVersion() const noexcept override { return mVersion; }
    int32_t getNbAttributes() const noexcept override { return static_cast<int32_t>(mMap.size()); }
    bool getAttribute(int32_t index, tenon::OperatorAttribute& attribute) const noexcept override {
        return guarded(network().reporter(), false, [&] {
            if (index < 0 || static_cast<size_t>(index) >= mNames.size()) {
                return false;
            }
            const std::string& name = mNames[static_cast<size_t>(index)];
            attribute = view(name, *mMap.find(name));
            return true;
        });
    }
    bool setAttribute(tenon::OperatorAttribute const& attribute) noexcept override {
        return guarded(network().reporter(), false, [&] {
            Result<ir::AttributeValue> value = valueOf(attribute);
            if (!value) {
                refuse("setAttribute", value.status().message());
                return false;
            }
            ir::AttributeMap changedMap = mMap;
            changedMap.set(attribute.name, std::move(value).value());
            if (const Status status = network().ops().check(mDef, changedMap, inputs().size(), outputs().size());
                !status.ok()) {
                refuse("setAttribute", status.message());
                return false;
            }
            mMap = std::move(changedMap);
            refreshNames();
            changed();
            return true;
        });
    }

    Status lower(LayerScope& scope) const override {
        return scope.lowerTo(mDef.name, mMap, scope.inputs(), outputs().size());
    }

private:
    void refreshNames() {
        mNames.clear();
        mTexts.clear();
        for (const auto& [name, value] : mMap) {
            mNames.push_back(name);
            if (const auto* list = std::get_if<std::vector<std::string>>(&value); list != nullptr) {
                std::vector<const char*>& texts = mTexts[name];
                for (const std::string& item : *list) {
                    texts.push_back(item.c_str());
                }
            }
        }
    }
    tenon::OperatorAttribute view(const std::string& name, const ir::AttributeValue& value) const {
        using tenon::OperatorAttribute;
        const char* n = name.c_str();
        if (const auto* i = std::get_if<int64_t>(&value)) {
            return OperatorAttribute::ofInt(n, *i);
        }
        if (const auto* f = std::get_if<double>(&value)) {
            return OperatorAttribute::ofFloat(n, *f);
        }
        if (const auto* s = std::get_if<std::string>(&value)) {
            return OperatorAttribute::ofString(n, s->c_str());
        }
        if (const auto* ints = std::get_if<std::vector<int64_t>>(&value)) {
            return OperatorAttribute::ofInts(n, ints->data(), static_cast<int64_t>(ints->size()));
        }
        if (const auto* floats = std::get_if<std::vector<double>>(&value)) {
            return OperatorAttribute::ofFloats(n, floats->data(), static_cast<int64_t>(floats->size()));
        }
        if (const auto texts = mTexts.find(name); texts != mTexts.end()) {
            return OperatorAttribute::ofStrings(n, texts->second.data(), static_cast<int64_t>(texts->second.size()));
        }
        if (const auto* type = std::get_if<ir::DataType>(&value)) {
            return OperatorAttribute::ofType(n, toPublic(*type));
        }
        const ir::Constant& constant = **std::get_if<ir::ConstantPtr>(&value);
        return OperatorAttribute::ofTensor(n, {toPublic(constant.dtype), constant.data, constant.elements()},
                                           toDims(constant.dims));
    }

    std::string mDomain;
    const ops::OpDef& mDef; // of the network's op registry
    int32_t mVersion;
    ir::AttributeMap mMap;
    std::vector<std::string> mNames;
    std::map<std::string, std::vector<const char*>> mTexts;
};

} // namespace

// ---- adders ---------------------------------------------------------------------------------------------------------

nvinfer1::IPluginV2Layer* Network::addPluginV2(ITensor* const* inputs, int32_t nbInputs,
                                               nvinfer1::IPluginV2& plugin) noexcept {
    return guarded(mReporter, static_cast<PluginV2Layer*>(nullptr), [&]() -> PluginV2Layer* {
        if (nbInputs < 0 || (inputs == nullptr && nbInputs > 0)) {
            refuse("addPluginV2", "the inputs are missing");
            return nullptr;
        }
        nvinfer1::IPluginV2DynamicExt* dynamic = dynamicExtOf(plugin);
        if (dynamic == nullptr) {
            refuse("addPluginV2", cat("plugin '", text(plugin.getPluginType()),
                                      "' is no IPluginV2DynamicExt, the class of the second generation that can run"));
            return nullptr;
        }
        PluginV2Ptr clone(dynamic->clone());
        const int32_t outputs = clone == nullptr ? 0 : clone->getNbOutputs();
        if (outputs < 1) {
            refuse("addPluginV2", cat("plugin '", text(plugin.getPluginType()), "' cannot be cloned or has no output"));
            return nullptr;
        }
        clone->setPluginNamespace(text(plugin.getPluginNamespace()).c_str());
        return addLayerOf<PluginV2Layer>("addPluginV2", {inputs, inputs + nbInputs}, std::move(clone), outputs);
    });
}

nvinfer1::IPluginV3Layer* Network::addPluginV3(ITensor* const* inputs, int32_t nbInputs, ITensor* const* shapeInputs,
                                               int32_t nbShapeInputs, nvinfer1::IPluginV3& plugin) noexcept {
    return guarded(mReporter, static_cast<PluginV3Layer*>(nullptr), [&]() -> PluginV3Layer* {
        if (nbInputs < 0 || nbShapeInputs < 0 || (inputs == nullptr && nbInputs > 0) ||
            (shapeInputs == nullptr && nbShapeInputs > 0)) {
            refuse("addPluginV3", "the inputs are missing");
            return nullptr;
        }
        PluginV3Ptr clone(plugin.clone());
        if (clone == nullptr || coreOf(*clone) == nullptr || buildOf(*clone) == nullptr ||
            runtimeOf(*clone) == nullptr) {
            refuse("addPluginV3", "the plugin cannot be cloned, or lacks one of its core, build and runtime "
                                  "capabilities");
            return nullptr;
        }
        const int32_t outputs = buildOf(*clone)->getNbOutputs();
        if (outputs < 1) {
            refuse("addPluginV3", cat("plugin '", text(coreOf(*clone)->getPluginName()), "' has no output"));
            return nullptr;
        }
        std::vector<ITensor*> all(inputs, inputs + nbInputs);
        all.insert(all.end(), shapeInputs, shapeInputs + nbShapeInputs);
        return addLayerOf<PluginV3Layer>("addPluginV3", std::move(all), static_cast<size_t>(nbInputs), std::move(clone),
                                         outputs);
    });
}

const ops::OpDef* Network::findOperator(const std::string& domain, const std::string& name) const {
    return mOps->find(domain.empty() || domain == "tenon" ? name : cat(domain, ".", name));
}

bool Network::hasOperator(char const* domain, char const* name) const noexcept {
    return guarded(mReporter, false, [&] { return name != nullptr && findOperator(text(domain), name) != nullptr; });
}

tenon::IOperatorLayer* Network::addOperator(char const* domain, char const* name, int32_t version,
                                            tenon::OperatorAttribute const* attributeList, int32_t nbAttributes,
                                            ITensor* const* inputs, int32_t nbInputs, int32_t nbOutputs) noexcept {
    return guarded(mReporter, static_cast<OperatorLayer*>(nullptr), [&]() -> OperatorLayer* {
        if (name == nullptr || nbAttributes < 0 || nbInputs < 0 || nbOutputs < 0 ||
            (attributeList == nullptr && nbAttributes > 0) || (inputs == nullptr && nbInputs > 0)) {
            refuse("addOperator", "the name, attributes or inputs are missing");
            return nullptr;
        }
        const ops::OpDef* def = findOperator(text(domain), name);
        if (def == nullptr) {
            refuse("addOperator", cat("there is no op '", name, "' in domain '", text(domain),
                                      "'; `tenon modules` lists what modules bring"));
            return nullptr;
        }
        const std::string full = def->name;
        ir::AttributeMap map;
        for (int32_t i = 0; i < nbAttributes; ++i) {
            Result<ir::AttributeValue> value = valueOf(attributeList[i]);
            if (!value) {
                refuse("addOperator", cat("'", full, "': ", value.status().message()));
                return nullptr;
            }
            map.set(attributeList[i].name, std::move(value).value());
        }
        std::vector<Tensor*> tensors;
        for (int32_t i = 0; i < nbInputs; ++i) {
            if (inputs[i] != nullptr && !ownsAll("addOperator", {inputs[i]})) {
                return nullptr;
            }
            tensors.push_back(static_cast<Tensor*>(inputs[i]));
        }
        while (!tensors.empty() && tensors.back() == nullptr) {
            tensors.pop_back();
        }
        if (const Status status = mOps->check(*def, map, tensors.size(), static_cast<size_t>(nbOutputs));
            !status.ok()) {
            refuse("addOperator", status.message());
            return nullptr;
        }
        auto layer = std::make_unique<OperatorLayer>(*this, std::move(tensors), text(domain), *def, version,
                                                     std::move(map), nbOutputs);
        OperatorLayer* added = layer.get();
        mLayers.push_back(std::move(layer));
        if (nbOutputs > 0 && static_cast<Tensor*>(added->getOutput(0))->inferred() == nullptr) {
            removeLastLayer(); // inference reported why
            return nullptr;
        }
        return added;
    });
}

} // namespace tenon::api
