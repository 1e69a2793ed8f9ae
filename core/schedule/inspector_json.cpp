#include "core/schedule/inspector_json.h"

#include "core/schedule/tactic.h"
#include "core/support/hash.h"
#include "core/support/text.h"

#include <nlohmann/json.hpp>

namespace tenon::schedule {

namespace {

using Json = nlohmann::ordered_json;

// Extents at the profile's optimum; -1 where the extent varies.
Json dimensions(const plan::Plan& plan, const plan::PlanTensor& tensor) {
    Json list = Json::array();
    for (plan::ExprIndex dim : tensor.dims) {
        const ir::ExprNode& node = plan.expressions[static_cast<size_t>(dim)];
        list.push_back(node.op == ir::ExprOp::kConstant ? node.value : -1);
    }
    return list;
}

Json tensors(const plan::Plan& plan, const plan::PlanProgram& program, const std::vector<int32_t>& indices,
             const std::string& suffix) {
    Json list = Json::array();
    for (int32_t index : indices) {
        if (index < 0) {
            continue;
        }
        const plan::PlanTensor& tensor = program.tensors[static_cast<size_t>(index)];
        PortLayout port{static_cast<TnDataType>(tensor.dtype), tensor.placement, tensor.format};
        list.push_back({{"Name", tensor.name + suffix},
                        {"Location", tensor.placement == TN_PLACEMENT_HOST ? "Host" : "Device"},
                        {"Dimensions", dimensions(plan, tensor)},
                        {"Format/Datatype", toText(port)}});
    }
    return list;
}

const char* layerType(const plan::PlanStep& step) {
    switch (step.kind) {
    case plan::StepKind::kConvert:
    case plan::StepKind::kCopy:
        return "Reformat";
    case plan::StepKind::kHostShape:
        return "shape_call";
    case plan::StepKind::kLaunch:
    case plan::StepKind::kFetch:
    case plan::StepKind::kLoop:
    case plan::StepKind::kBranch:
    case plan::StepKind::kAllocOutput:
    case plan::StepKind::kDebugTap:
        return step.op.c_str();
    }
    return "";
}

} // namespace

std::string inspectorJson(const plan::Plan& plan) {
    Json layers = Json::array();
    Json bindings = Json::array();
    for (size_t p = 0; p < plan.programs.size(); ++p) {
        const plan::PlanProgram& program = plan.programs[p];
        std::string suffix = p == 0 ? "" : support::cat(" [profile ", p, "]");
        for (const plan::PlanStep& step : program.steps) {
            Json layer;
            layer["Name"] = step.name + suffix;
            layer["LayerType"] = layerType(step);
            layer["Inputs"] = tensors(plan, program, step.inputs, suffix);
            layer["Outputs"] = tensors(plan, program, step.outputs, suffix);
            if (step.kernel >= 0) {
                const plan::PlanKernel& kernel = plan.kernels[static_cast<size_t>(step.kernel)];
                layer["TacticName"] = kernel.tactic;
                layer["TacticValue"] = "0x" + support::hashText(kernel.tactic).hex().substr(0, 16);
            }
            layer["StreamId"] = step.stream;
            std::string metadata;
            for (const std::string& source : step.sources) {
                metadata += support::cat(metadata.empty() ? "" : "\x1e", "[ONNX Layer: ", source, "]");
            }
            layer["Metadata"] = metadata;
            layers.push_back(std::move(layer));
        }
    }
    for (const plan::PlanBinding& binding : plan.bindings) {
        bindings.push_back(binding.name);
    }
    Json document = {{"Layers", std::move(layers)}, {"Bindings", std::move(bindings)}};
    return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace tenon::schedule
