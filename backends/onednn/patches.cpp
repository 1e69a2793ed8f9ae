#include "backends/onednn/patches.h"

#include "backends/common/parallel.h"

#include <algorithm>
#include <utility>

namespace tenon::onednn {

Patches::Patches(kernels::Window window, int64_t batches, int64_t channels)
    : mWindow(std::move(window)), mBatches(batches), mChannels(channels) {
    const int64_t taps = mWindow.taps();
    for (int64_t tap = 0; tap < taps; ++tap) {
        int64_t rest = tap;
        int64_t stride = mChannels;
        int64_t offset = 0;
        for (size_t d = mWindow.rank(); d-- > 0; rest /= mWindow.kernel[d]) {
            offset += rest % mWindow.kernel[d] * mWindow.dilations[d] * stride;
            stride *= mWindow.input[d];
        }
        mTaps.push_back(offset);
    }
}

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
            int64_t pixel = 0;
            int64_t stride = 1;
            bool whole = true;
            for (size_t d = at.size(); d-- > 0; rest /= mWindow.output[d]) {
                at[d] = rest % mWindow.output[d] * mWindow.strides[d] - mWindow.padBegin[d];
                whole =
                    whole && at[d] >= 0 && at[d] + (mWindow.kernel[d] - 1) * mWindow.dilations[d] < mWindow.input[d];
                pixel += at[d] * stride;
                stride *= mWindow.input[d];
            }
            const uint8_t* const first = image + patch / pixels * imageBytes + pixel * mChannels;
            if (whole) {
                copyWhole(first, to + patch * size());
            } else {
                copyCut(first, at, outside, to + patch * size());
            }
        }
    });
}

void Patches::copyWhole(const uint8_t* first, uint8_t* to) const {
    const auto taps = static_cast<int64_t>(mTaps.size());
    if (taps == 1) {
        std::copy_n(first, mChannels, to);
        return;
    }
    for (int64_t c = 0; c < mChannels; ++c, ++first) {
        for (const int64_t tap : mTaps) {
            *to++ = first[tap];
        }
    }
}

void Patches::copyCut(const uint8_t* first, const kernels::Dims& at, uint8_t outside, uint8_t* to) const {
    const auto taps = static_cast<int64_t>(mTaps.size());
    for (int64_t tap = 0; tap < taps; ++tap) {
        bool inside = true;
        int64_t rest = tap;
        for (size_t d = at.size(); d-- > 0; rest /= mWindow.kernel[d]) {
            const int64_t where = at[d] + rest % mWindow.kernel[d] * mWindow.dilations[d];
            inside = inside && where >= 0 && where < mWindow.input[d];
        }
        const int64_t offset = mTaps[static_cast<size_t>(tap)];
        for (int64_t c = 0; c < mChannels; ++c) {
            to[c * taps + tap] = inside ? first[offset + c] : outside;
        }
    }
}

} // namespace tenon::onednn
