#include "core/ops/op_def.h"

namespace tenon::ops {

const AttributeSpec* OpDef::attribute(std::string_view attributeName) const {
    for (const AttributeSpec& spec : attributes) {
        if (spec.name == attributeName) {
            return &spec;
        }
    }
    return nullptr;
}

} // namespace tenon::ops
