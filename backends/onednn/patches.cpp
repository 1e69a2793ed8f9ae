#include "backends/onednn/patches.h"

#include "backends/common/parallel.h"

#include <algorithm>

namespace tenon::onednn {

bool Patches::copies() const {
    const auto all = [](const kernels::Dims& values, int64_t wanted) {
        return std::all_of(values.begin(), values.end(), [wanted](int64_t value) { return value == wanted; });
    };
    return !all(mWindow.kernel, 1) || !all(mWindow.strides, 1) || !all(mWindow.padBegin, 0) ||
           mWindow.output != mWindow.input;
}

void Patches::copy(const uint8_t* image, uint8_t outside, int threads, uint8_t* to) const {
    const int64_t pixels = kernels::product(mWindow.output);
    const int64_t imageBytes = kernels::product(mWindow.input) * mChannels;
    kernels::parallelFor(threads, count(), std::max<int64_t>(16384 / size(), 1), [&](int64_t begin, int64_t end) {
        kernels::Dims at(mWindow.rank());
        for (int64_t patch = begin; patch < end; ++patch) {
            int64_t rest = patch % pixels;
            for (size_t d = at.size(); d-- > 0; rest /= mWindow.output[d]) {
                at[d] = rest % mWindow.output[d] * mWindow.strides[d] - mWindow.padBegin[d];
            }
            copyPatch(image + patch / pixels * imageBytes, at, outside, to + patch * size());
        }
    });
}

void Patches::copyPatch(const uint8_t* image, const kernels::Dims& at, uint8_t outside, uint8_t* to) const {
    const int64_t taps = mWindow.taps();
    for (int64_t tap = 0; tap < taps; ++tap) {
        int64_t pixel = 0;
        int64_t stride = 1;
        bool inside = true;
        int64_t rest = tap;
        for (size_t d = at.size(); d-- > 0; rest /= mWindow.kernel[d]) {
            const int64_t where = at[d] + rest % mWindow.kernel[d] * mWindow.dilations[d];
            inside = inside && where >= 0 && where < mWindow.input[d];
            pixel += where * stride;
            stride *= mWindow.input[d];
        }
        const uint8_t* const from = image + pixel * mChannels;
        for (int64_t c = 0; c < mChannels; ++c) {
            to[c * taps + tap] = inside ? from[c] : outside;
        }
    }
}

} // namespace tenon::onednn
