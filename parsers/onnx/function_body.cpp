#include "parsers/onnx/function_body.h"

#include "parsers/onnx/node_names.h"

#include <map>
#include <utility>

namespace tenon::onnx {

using tenon_onnx::NodeProto;

std::vector<std::unique_ptr<NodeProto>> functionBody(const NodeProto& node, const tenon_onnx::FunctionProto& function,
                                                     const std::string& prefix) {
    std::map<std::string, std::string> names;
    for (int i = 0; i < function.input_size(); ++i) {
        names[function.input(i)] = i < node.input_size() ? node.input(i) : "";
    }
    for (int i = 0; i < function.output_size(); ++i) {
        names[function.output(i)] =
            i < node.output_size() && !node.output(i).empty() ? node.output(i) : prefix + function.output(i);
    }
    auto renamed = [&](const std::string& name) -> std::string {
        if (name.empty()) {
            return name;
        }
        auto [position, added] = names.emplace(name, prefix + name);
        return position->second;
    };
    std::vector<std::unique_ptr<NodeProto>> nodes;
    for (const NodeProto& inner : function.node()) {
        auto copy = std::make_unique<NodeProto>(inner);
        copy->set_name(prefix + titleOf(inner, static_cast<int32_t>(nodes.size())));
        for (int i = 0; i < copy->input_size(); ++i) {
            copy->set_input(i, renamed(copy->input(i)));
        }
        for (int i = 0; i < copy->output_size(); ++i) {
            copy->set_output(i, renamed(copy->output(i)));
        }
        // Attributes that refer to the function's own take the caller's value, else the function's default.
        for (int a = copy->attribute_size() - 1; a >= 0; --a) {
            tenon_onnx::AttributeProto& attribute = *copy->mutable_attribute(a);
            if (attribute.ref_attr_name().empty()) {
                continue;
            }
            const tenon_onnx::AttributeProto* source = nullptr;
            for (const tenon_onnx::AttributeProto& candidate : node.attribute()) {
                source = candidate.name() == attribute.ref_attr_name() ? &candidate : source;
            }
            for (int d = 0; !source && d < function.attribute_proto_size(); ++d) {
                source = function.attribute_proto(d).name() == attribute.ref_attr_name() ? &function.attribute_proto(d)
                                                                                         : source;
            }
            std::string name = attribute.name();
            if (source) {
                attribute = *source;
                attribute.set_name(name);
            } else {
                copy->mutable_attribute()->DeleteSubrange(a, 1);
            }
        }
        nodes.push_back(std::move(copy));
    }
    return nodes;
}

} // namespace tenon::onnx
