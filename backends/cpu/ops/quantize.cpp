// dynamic_quantize: one pass for the range, one for the bytes.
#include "backends/common/parallel.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/simd/bytes.h"

#include <algorithm>
#include <cmath>

namespace tenon::cpu {

namespace {

struct Range {
    float low = 0;
    float high = 0;
    char apart[56] = {}; // members write at the same time
};

Plan planDynamicQuantize(const Call& call) {
    const int64_t elements = call.in(0).elements;
    const int64_t team = teamFor(call.threads(), elements, 2);
    Plan plan;
    plan.workspace = static_cast<int64_t>(sizeof(Range)) * call.threads();
    plan.run = [=](const Buffers& b) {
        const auto* x = b.in<float>(0);
        auto* const ranges = static_cast<Range*>(b.workspace);
        std::fill(ranges, ranges + team, Range{});
        parallelTeam(team, elements, [&](int64_t member, int64_t begin, int64_t end) {
            float low = 0;
            float high = 0;
            byteRows().range(x + begin, end - begin, &low, &high);
            ranges[member].low = low;
            ranges[member].high = high;
        });
        float low = 0;
        float high = 0;
        for (int64_t t = 0; t < team; ++t) {
            low = std::min(low, ranges[t].low);
            high = std::max(high, ranges[t].high);
        }
        const float scale = high == low ? 1.0F : (high - low) / 255.0F;
        const float zero = std::nearbyint(std::clamp(-low / scale, 0.0F, 255.0F));
        if (b.outputs[1] != nullptr) {
            *b.out<float>(1) = scale;
        }
        if (b.outputs[2] != nullptr) {
            *b.out<uint8_t>(2) = static_cast<uint8_t>(zero);
        }
        parallelTeam(team, elements, [&](int64_t, int64_t begin, int64_t end) {
            byteRows().quantize(x + begin, end - begin, {scale, zero, false}, b.out<uint8_t>(0) + begin);
        });
        return Code::kOk;
    };
    return plan;
}

} // namespace

void addQuantize(KernelTable& table) {
    table.add(
        {.op = "dynamic_quantize", .types = maskOf(TN_F32), .output = OutputRule::kAny, .plan = planDynamicQuantize});
}

} // namespace tenon::cpu
