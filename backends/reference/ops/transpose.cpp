// transpose, depth_to_space, space_to_depth: the same elements in another order.
#include "backends/reference/bytes.h"
#include "backends/reference/ops.h"

namespace tenon::reference {

namespace {

// to[coordinate permuted by perm] = from[coordinate]: output dimension d is input dimension perm[d].
Plan planPermuted(TnDataType type, const Dims& dims, const std::vector<size_t>& perm) {
    const Dims strides = rowMajorStrides(dims);
    Dims outputDims;
    Side from;
    for (size_t d : perm) {
        outputDims.push_back(dims[d]);
        from.strides.push_back(strides[d]);
    }
    return planCopy(type, outputDims, from, {rowMajorStrides(outputDims), 0});
}

Plan planTranspose(const Call& call) {
    const Dims& dims = call.in(0).dims;
    const size_t rank = dims.size();
    const Dims given = call.intsOr("perm", 0, 0);
    std::vector<size_t> perm;
    std::vector<bool> seen(rank, false);
    for (size_t d = 0; d < rank; ++d) {
        if (!given.empty() && given.size() != rank) {
            invalid("transpose of rank ", rank, " with ", given.size(), " entries in 'perm'");
        }
        perm.push_back(given.empty() ? rank - 1 - d : static_cast<size_t>(normalizeAxis(given[d], rank)));
        if (seen[perm[d]]) {
            invalid("'perm' of transpose names dimension ", perm[d], " twice");
        }
        seen[perm[d]] = true;
    }
    return planPermuted(call.in(0).dtype, dims, perm);
}

Dims blockedDims(const Call& call, int64_t block) {
    const Dims& dims = call.in(0).dims;
    if (dims.size() != 4 || block < 1) {
        invalid(call.op(), " of shape ", shapeText(dims), " with blocks of ", block, "; the tensor must have rank 4");
    }
    return dims;
}

Plan planDepthToSpace(const Call& call) {
    const int64_t block = call.intOr("block", 1);
    const Dims x = blockedDims(call, block);
    if (x[1] % (block * block) != 0) {
        invalid("depth_to_space: ", x[1], " channels are no multiple of the block's ", block * block);
    }
    const int64_t channels = x[1] / (block * block);
    const std::string mode = call.stringOr("mode", "dcr");
    if (mode == "dcr") {
        return planPermuted(call.in(0).dtype, {x[0], block, block, channels, x[2], x[3]}, {0, 3, 4, 1, 5, 2});
    }
    if (mode == "crd") {
        return planPermuted(call.in(0).dtype, {x[0], channels, block, block, x[2], x[3]}, {0, 1, 4, 2, 5, 3});
    }
    invalid("depth_to_space has no mode '", mode, "'; there are dcr and crd");
}

Plan planSpaceToDepth(const Call& call) {
    const int64_t block = call.intOr("block", 1);
    const Dims x = blockedDims(call, block);
    if (x[2] % block != 0 || x[3] % block != 0) {
        invalid("space_to_depth: a plane of ", x[2], " by ", x[3], " does not divide into blocks of ", block);
    }
    return planPermuted(call.in(0).dtype, {x[0], x[1], x[2] / block, block, x[3] / block, block}, {0, 3, 5, 1, 2, 4});
}

} // namespace

void addTranspose(KernelTable& table) {
    table.add({.op = "transpose", .types = kWholeBytes, .plan = planTranspose});
    table.add({.op = "depth_to_space", .types = kWholeBytes, .plan = planDepthToSpace});
    table.add({.op = "space_to_depth", .types = kWholeBytes, .plan = planSpaceToDepth});
}

} // namespace tenon::reference
