// The peak of the vector units, compiled once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "benchmarks/kernels/peak.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "backends/common/parallel.h"
#include "benchmarks/kernels/peak.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

HWY_BEFORE_NAMESPACE();
namespace tenon::bench {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// As many sums as hide the latency and leave registers. Returns the operations that were done.
int64_t multiply(int64_t rounds, float* sink) {
    const hn::ScalableTag<float> d;
    constexpr int kSums = 12;
    hn::Vec<decltype(d)> sums[kSums];
    for (int i = 0; i < kSums; ++i) {
        sums[i] = hn::Set(d, static_cast<float>(i));
    }
    const auto a = hn::Set(d, sink[0]);
    const auto b = hn::Set(d, sink[1]);
    for (int64_t r = 0; r < rounds; ++r) {
        HWY_UNROLL(12)
        for (int i = 0; i < kSums; ++i) {
            sums[i] = hn::MulAdd(sums[i], a, b);
        }
    }
    for (int i = 1; i < kSums; ++i) {
        sums[0] = hn::Add(sums[0], sums[i]);
    }
    sink[2] = hn::GetLane(sums[0]);
    return rounds * kSums * 2 * static_cast<int64_t>(hn::Lanes(d));
}

} // namespace HWY_NAMESPACE
} // namespace tenon::bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon::bench {

HWY_EXPORT(multiply);

namespace {

using Clock = std::chrono::steady_clock;

// The fastest of several calls, in nanoseconds.
template <class Body>
double fastest(int times, const Body& body) {
    double best = 0;
    for (int i = 0; i < times; ++i) {
        const Clock::time_point begin = Clock::now();
        body();
        const double ns = std::chrono::duration<double, std::nano>(Clock::now() - begin).count();
        best = i == 0 ? ns : std::min(best, ns);
    }
    return best;
}

} // namespace

double peakFlops(int threads) {
    constexpr int64_t kRounds = 1'000'000;
    std::vector<float> sinks(static_cast<size_t>(threads) * 64, 0.5F);
    std::vector<int64_t> done(static_cast<size_t>(threads) * 8);
    const double ns = fastest(20, [&] {
        kernels::parallelTeam(threads, threads, [&](int64_t member, int64_t, int64_t) {
            done[static_cast<size_t>(member) * 8] =
                HWY_DYNAMIC_DISPATCH(multiply)(kRounds, &sinks[static_cast<size_t>(member) * 64]);
        });
    });
    return static_cast<double>(done[0]) * threads / ns;
}

double copyBandwidth(int threads, int64_t bytes) {
    const auto half = static_cast<size_t>(std::max<int64_t>(bytes / 2, 64));
    std::vector<char> from(half, 1);
    std::vector<char> to(half);
    const double ns = fastest(bytes > (int64_t{1} << 25) ? 8 : 50, [&] {
        kernels::parallelTeam(half < 32768 ? 1 : threads, static_cast<int64_t>(half),
                              [&](int64_t, int64_t begin, int64_t end) {
                                  std::memcpy(to.data() + begin, from.data() + begin, static_cast<size_t>(end - begin));
                              });
    });
    return 2 * static_cast<double>(half) / ns;
}

} // namespace tenon::bench
#endif
