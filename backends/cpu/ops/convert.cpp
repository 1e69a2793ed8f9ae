// convert: layouts with up to one block per dimension, by strided copies; element types f32, f16, bf16 among each other where
// the layout stays.
#include "backends/common/parallel.h"
#include "backends/cpu/copy.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/simd/steps.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>

namespace tenon::cpu {

namespace {

bool hasNestedBlocks(const TnFormat& format) {
    for (int32_t i = 0; i < format.block_count; ++i) {
        if (module::blockOf(format, format.blocks[i].dim) != format.blocks[i].size) {
            return true;
        }
    }
    return false;
}

// A stretch of one dimension cut so that both layouts walk every part with a stride.
struct Stretch {
    int64_t begin;
    Dims extents;
    Dims steps; // logical distance of neighbours in each part
};

std::vector<Stretch> stretchesOf(int64_t extent, int64_t blockFrom, int64_t blockTo) {
    const int64_t coarse = std::max(blockFrom, blockTo);
    const int64_t fine = std::min(blockFrom, blockTo);
    std::vector<Stretch> stretches;
    const int64_t whole = extent / coarse;
    if (whole > 0) {
        stretches.push_back({0, {whole, coarse / fine, fine}, {coarse, fine, 1}});
    }
    // The last, partly filled block: its fine blocks, and what is left of those.
    int64_t rest = extent % coarse;
    int64_t at = whole * coarse;
    if (rest / fine > 0) {
        stretches.push_back({at, {rest / fine, fine}, {fine, 1}});
        at += rest / fine * fine;
        rest %= fine;
    }
    if (rest > 0) {
        stretches.push_back({at, {rest}, {1}});
    }
    return stretches;
}

int64_t offsetAt(const TnFormat& format, const Dims& dims, size_t d, int64_t index) {
    Dims coordinate(dims.size() + 1, 0);
    coordinate[d] = index;
    return module::offsetOf(format, dims.data(), coordinate.data());
}

Copies copiesOfConvert(const TnFormat& from, const TnFormat& to, const Dims& dims) {
    Copies copies{{}};
    for (size_t d = 0; d < dims.size(); ++d) {
        const auto dim = static_cast<int32_t>(d);
        Copies longer;
        for (const Stretch& stretch : stretchesOf(dims[d], module::blockOf(from, dim), module::blockOf(to, dim))) {
            for (CopySpec copy : copies) {
                const int64_t firstFrom = offsetAt(from, dims, d, stretch.begin);
                const int64_t firstTo = offsetAt(to, dims, d, stretch.begin);
                copy.from.first += firstFrom;
                copy.to.first += firstTo;
                for (size_t part = 0; part < stretch.extents.size(); ++part) {
                    const int64_t next = stretch.begin + stretch.steps[part];
                    copy.dims.push_back(stretch.extents[part]);
                    copy.from.strides.push_back(offsetAt(from, dims, d, next) - firstFrom);
                    copy.to.strides.push_back(offsetAt(to, dims, d, next) - firstTo);
                }
                longer.push_back(copy);
            }
        }
        copies = longer;
    }
    // In the order of the target's memory, so that it is written from front to back.
    for (CopySpec& copy : copies) {
        std::vector<size_t> order(copy.dims.size());
        std::iota(order.begin(), order.end(), size_t{0});
        std::stable_sort(order.begin(), order.end(),
                         [&](size_t a, size_t b) { return copy.to.strides[a] > copy.to.strides[b]; });
        CopySpec sorted = copy;
        for (size_t i = 0; i < order.size(); ++i) {
            sorted.dims[i] = copy.dims[order[i]];
            sorted.from.strides[i] = copy.from.strides[order[i]];
            sorted.to.strides[i] = copy.to.strides[order[i]];
        }
        copy = sorted;
    }
    return copies;
}

StepFunction loaderOf(TnDataType type) {
    return type == TN_F32 ? nullptr
                          : stepTable().of(type == TN_F16 ? Step::kLoadF16 : Step::kLoadBf16, ElementClass::kFloat);
}
StepFunction storerOf(TnDataType type) {
    return type == TN_F32 ? nullptr
                          : stepTable().of(type == TN_F16 ? Step::kStoreF16 : Step::kStoreBf16, ElementClass::kFloat);
}

// Padding is converted along: it is zero where it has to be.
Plan planTypes(const Call& call) {
    const TnDataType from = call.in(0).dtype;
    const TnDataType to = call.out().dtype;
    if (!contains(kVectorFloats, from) || !contains(kVectorFloats, to) ||
        !module::equal(call.in(0).format, call.out().format)) {
        refuse("convert of both element type and layout");
    }
    const int64_t elements = call.out().bytes / bytesOf(to);
    const int64_t team = teamFor(call.threads(), elements, 1);
    return {[=](const Buffers& b) {
                parallelTeam(team, elements, [&](int64_t, int64_t begin, int64_t end) {
                    float block[512];
                    for (int64_t i = begin; i < end; i += 512) {
                        StepArgs args{};
                        args.count = std::min<int64_t>(512, end - i);
                        const void* floats = b.bytesIn(0) + i * bytesOf(from);
                        if (const StepFunction load = loaderOf(from); load != nullptr) {
                            args.a = floats;
                            args.to = storerOf(to) != nullptr ? static_cast<void*>(block) : b.out<float>() + i;
                            load(args);
                            floats = args.to;
                        }
                        if (const StepFunction store = storerOf(to); store != nullptr) {
                            args.a = floats;
                            args.to = b.bytesOut() + i * bytesOf(to);
                            store(args);
                        }
                    }
                });
                return Code::kOk;
            },
            0};
}

Plan planConvert(const Call& call) {
    const Dims& dims = call.in(0).dims;
    if (dims != call.out().dims) {
        invalid("convert from shape ", shapeText(dims), " to shape ", shapeText(call.out().dims));
    }
    if (call.out().elements == 0) {
        return {[](const Buffers&) { return Code::kOk; }, 0};
    }
    if (call.in(0).dtype != call.out().dtype) {
        return planTypes(call);
    }
    const TnFormat& to = call.out().format;
    std::vector<PreparedCopy> copies;
    for (const CopySpec& spec : copiesOfConvert(call.in(0).format, to, dims)) {
        copies.emplace_back(spec, bytesOf(call.out().dtype), call.threads());
    }
    const int64_t bytes = call.out().bytes;
    const bool hasPadding = to.block_count > 0 && bytes != call.out().elements * bytesOf(call.out().dtype);
    return {[=](const Buffers& b) {
                if (hasPadding) {
                    std::memset(b.outputs[0], 0, static_cast<size_t>(bytes));
                }
                for (const PreparedCopy& copy : copies) {
                    copy.run(b.inputs[0], b.outputs[0]);
                }
                return Code::kOk;
            },
            0};
}

} // namespace

void addConvert(KernelTable& table) {
    table.add({.op = "convert", .types = kWholeBytes, .output = OutputRule::kAny, .plan = planConvert});
}

namespace {

// What a loop over memory runs over, outermost first: whole dimensions, or blocks of one (part 0) and what is in them (part 1).
struct Extent {
    int32_t dim;
    int32_t part;
    int64_t block; // 0: of a whole dimension
    bool operator==(const Extent&) const = default;
};
constexpr int32_t kWhole = 2;

// Without extents of one. Nothing where there is padding, or may be.
std::optional<std::vector<Extent>> memoryOrder(const module::ValueView& value, const TnFormat& format) {
    std::vector<Extent> order;
    const auto add = [&](int32_t dim, int32_t part, int64_t block) {
        const bool isRest = part == 1 && !order.empty() && order.back() == Extent{dim, 0, block};
        if (isRest) {
            order.back() = {dim, kWhole, 0};
        } else {
            order.push_back({dim, part, part == kWhole ? 0 : block});
        }
    };
    for (int32_t i = 0; i < format.rank; ++i) {
        const int32_t dim = format.order[i];
        const int64_t block = module::blockOf(format, dim);
        const int64_t extent = value.isStatic(dim) ? value.dim(dim).opt : -1;
        if (block > 1 && (extent < 0 || extent % block != 0)) {
            return std::nullopt;
        }
        if (extent != block) { // one block, or an extent of one
            add(dim, block > 1 ? 0 : kWhole, block);
        }
    }
    for (int32_t b = 0; b < format.block_count; ++b) {
        const int32_t dim = format.blocks[b].dim;
        const int64_t block = format.blocks[b].size;
        if (block > 1) {
            add(dim, value.dim(dim).opt == block ? kWhole : 1, block);
        }
    }
    return order;
}

} // namespace

bool isSameOrder(const module::ValueView& value, const TnFormat& from, const TnFormat& to) {
    for (const TnFormat* format : {&from, &to}) {
        if (module::isOpaque(*format) || hasNestedBlocks(*format) || format->outer_pitch != 0) {
            return false;
        }
    }
    const auto order = memoryOrder(value, from);
    return order && order == memoryOrder(value, to);
}

// Everything that planning could refuse is refused when the tactic is offered.
void checkConvertPorts(const TnPortFormat& from, const TnPortFormat& to) {
    for (const TnPortFormat* port : {&from, &to}) {
        if (module::isOpaque(port->format) || hasNestedBlocks(port->format) ||
            (port->format.block_count > 0 && port->format.outer_pitch > 0)) {
            refuse("convert of the layout ", module::describe(port->format),
                   "; supported are orders with one block per dimension");
        }
    }
    for (int32_t d = 0; d < from.format.rank; ++d) {
        const int64_t a = module::blockOf(from.format, d);
        const int64_t b = module::blockOf(to.format, d);
        if (std::max(a, b) % std::min(a, b) != 0) {
            refuse("convert from blocks of ", a, " to blocks of ", b, "; one must divide the other");
        }
    }
    if (from.dtype != to.dtype && (!contains(kVectorFloats, from.dtype) || !contains(kVectorFloats, to.dtype) ||
                                   !module::equal(from.format, to.format) || from.format.outer_pitch != 0)) {
        refuse("convert from ", nameOf(from.dtype), " to ", nameOf(to.dtype), " and of the layout at once");
    }
}

} // namespace tenon::cpu
