#include "core/api/emitter.h"

#include "core/support/text.h"

namespace tenon::api {

using support::Result;

void Emitter::beginLayer(std::string name, ir::NodeSettings settings, ir::SourceSet source) {
    mLayerName = std::move(name);
    mSettings = std::move(settings);
    mSource = std::move(source);
}

Result<const ops::OpDef*> Emitter::find(const std::string& op) const {
    const ops::OpDef* def = mRegistry.find(op);
    if (def == nullptr) {
        return support::notFound("there is no op named '", op, "'; `tenon modules` lists the modules that were loaded");
    }
    return def;
}

Result<std::vector<EmitValue>> Emitter::emit(const std::string& op, ir::AttributeMap attributes,
                                             const std::vector<const EmitValue*>& inputs, size_t outputs) {
    TN_ASSIGN_OR_RETURN(const ops::OpDef* def, find(op));
    std::vector<ops::InferInput> known(inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
        if (inputs[i] != nullptr) {
            known[i] = {true, inputs[i]->type, inputs[i]->contents, inputs[i]->constant};
        }
    }
    ops::InferContext context(attributes, std::move(known), outputs, mPool);
    TN_RETURN_IF_ERROR(mRegistry.infer(*def, context));
    for (const ops::InferOutput& output : context.outputs()) {
        if (!output.set) {
            return support::invalidArgument("op '", op,
                                            "' does not say what its outputs are; it cannot be added by name");
        }
    }
    return addNode(op, std::move(attributes), inputs, context.outputs());
}

Result<EmitValue> Emitter::emit1(const std::string& op, ir::AttributeMap attributes,
                                 const std::vector<const EmitValue*>& inputs) {
    TN_ASSIGN_OR_RETURN(std::vector<EmitValue> values, emit(op, std::move(attributes), inputs, 1));
    return std::move(values[0]);
}

Result<std::vector<EmitValue>> Emitter::emitTyped(const std::string& op, ir::AttributeMap attributes,
                                                  const std::vector<const EmitValue*>& inputs,
                                                  std::vector<ir::TensorType> outputTypes) {
    TN_ASSIGN_OR_RETURN(const ops::OpDef* def, find(op));
    TN_RETURN_IF_ERROR(mRegistry.check(*def, attributes, inputs.size(), outputTypes.size()));
    std::vector<ops::InferOutput> outputs(outputTypes.size());
    for (size_t i = 0; i < outputTypes.size(); ++i) {
        outputs[i].set = true;
        outputs[i].type = std::move(outputTypes[i]);
    }
    return addNode(op, std::move(attributes), inputs, std::move(outputs));
}

std::vector<EmitValue> Emitter::addNode(const std::string& op, ir::AttributeMap attributes,
                                        const std::vector<const EmitValue*>& inputs,
                                        std::vector<ops::InferOutput> outputs) {
    std::vector<EmitValue> values(outputs.size());
    ir::NodeSpec spec;
    for (size_t i = 0; i < outputs.size(); ++i) {
        values[i].type = outputs[i].type;
        values[i].contents = outputs[i].contents;
        spec.outputTypes.push_back(outputs[i].type);
    }
    if (mEditor == nullptr) {
        return values;
    }
    spec.op = op;
    spec.name = mLayerName;
    spec.attributes = std::move(attributes);
    spec.source = mSource;
    spec.settings = mSettings;
    for (const EmitValue* input : inputs) {
        spec.inputs.push_back(input == nullptr ? nullptr : input->value);
    }
    ir::Node* node = mEditor->addNode(std::move(spec));
    for (size_t i = 0; i < outputs.size(); ++i) {
        values[i].value = node->output(i);
        mEditor->setContents(values[i].value, values[i].contents);
    }
    return values;
}

EmitValue Emitter::constant(ir::ConstantPtr constant) {
    EmitValue value;
    value.type.dtype = constant->dtype;
    for (const int64_t extent : constant->dims) {
        value.type.dims.push_back(mPool.constant(extent));
    }
    value.constant = constant;
    if (mEditor != nullptr) {
        value.value = mEditor->addConstant(std::move(constant), mLayerName + "_const", mSource);
        value.contents = value.value->contents();
    }
    return value;
}

EmitValue Emitter::constantI64(const std::vector<int64_t>& values) {
    return constant(ir::makeConstantI64({static_cast<int64_t>(values.size())}, values));
}

} // namespace tenon::api
