#include "backends/common/strided.h"

namespace tenon::kernels {

StridedLoop collapse(const Dims& dims, const std::vector<Dims>& strides) {
    StridedLoop loop;
    loop.strides.resize(strides.size());
    for (size_t d = 0; d < dims.size(); ++d) {
        if (dims[d] == 1) {
            continue;
        }
        bool merges = !loop.dims.empty();
        for (size_t o = 0; merges && o < strides.size(); ++o) {
            merges = loop.strides[o].back() == strides[o][d] * dims[d];
        }
        if (merges) {
            loop.dims.back() *= dims[d];
        } else {
            loop.dims.push_back(dims[d]);
        }
        for (size_t o = 0; o < strides.size(); ++o) {
            if (merges) {
                loop.strides[o].back() = strides[o][d];
            } else {
                loop.strides[o].push_back(strides[o][d]);
            }
        }
    }
    if (loop.dims.empty()) {
        loop.dims.push_back(1);
        for (Dims& own : loop.strides) {
            own.push_back(0);
        }
    }
    return loop;
}

} // namespace tenon::kernels
