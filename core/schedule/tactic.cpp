#include "core/schedule/tactic.h"

#include "core/support/text.h"

namespace tenon::schedule {

bool equal(const PortLayout& a, const PortLayout& b) {
    return a.dtype == b.dtype && a.placement == b.placement && ir::equal(a.format, b.format);
}

std::string toText(const PortLayout& port) {
    std::string text = support::cat(ir::nameOf(static_cast<ir::DataType>(port.dtype)), " ", ir::toText(port.format));
    if (port.placement != TN_PLACEMENT_HOST) {
        text += support::cat(" @", port.placement);
    }
    return text;
}

PortLayout linearPort(ir::DataType dtype, int32_t rank, TnPlacement placement) {
    PortLayout port{};
    port.dtype = static_cast<TnDataType>(dtype);
    port.placement = placement;
    port.format = ir::linearFormat(rank);
    return port;
}

std::string Tactic::key() const {
    std::string text = support::cat(name, "#", id, "(");
    for (size_t i = 0; i < inputs.size(); ++i) {
        text += support::cat(i ? ", " : "", toText(inputs[i]));
    }
    text += ") -> (";
    for (size_t i = 0; i < outputs.size(); ++i) {
        text += support::cat(i ? ", " : "", toText(outputs[i]));
    }
    return text + ")";
}

} // namespace tenon::schedule
