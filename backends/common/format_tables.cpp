#include "backends/common/format_tables.h"

namespace tenon::kernels {

std::vector<Dims> offsetTables(const TnFormat& format, const Dims& dims) {
    if (module::isOpaque(format)) {
        refuse("the layout ", module::describe(format), " has no structure");
    }
    if (format.rank != static_cast<int32_t>(dims.size())) {
        invalid("a layout of rank ", format.rank, " for shape ", shapeText(dims));
    }
    std::vector<Dims> tables;
    Dims coordinate(dims.size(), 0);
    for (size_t d = 0; d < dims.size(); ++d) {
        tables.emplace_back();
        // An offset is a sum of one term per dimension, so the others may stay at zero.
        for (int64_t i = 0; i < dims[d]; ++i) {
            coordinate[d] = i;
            tables.back().push_back(module::offsetOf(format, dims.data(), coordinate.data()));
        }
        coordinate[d] = 0;
    }
    return tables;
}

} // namespace tenon::kernels
