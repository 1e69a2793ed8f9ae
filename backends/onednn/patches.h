// The windows of an image of bytes as rows of a matrix, channels last: what a convolution multiplies with its weights.
//
// Who uses it: quantized.cpp. What it must not know: oneDNN, chains.
#pragma once

#include "backends/common/window.h"

#include <cstdint>

namespace tenon::onednn {

class Patches {
public:
    Patches(kernels::Window window, int64_t batches, int64_t channels);

    int64_t count() const { return mBatches * kernels::product(mWindow.output); }
    // Bytes of a patch: channel by channel, as the weights of an output are.
    int64_t size() const { return mChannels * mWindow.taps(); }
    // False: the image has the patches' bytes in their order.
    bool copies() const;
    // `outside` stands for pixels beyond the image.
    void copy(const uint8_t* image, uint8_t outside, int threads, uint8_t* to) const;

private:
    void copyWhole(const uint8_t* first, uint8_t* to) const;
    void copyCut(const uint8_t* first, const kernels::Dims& at, uint8_t outside, uint8_t* to) const;

    kernels::Window mWindow;
    kernels::Dims mTaps; // bytes from the first pixel of a window to each
    int64_t mBatches;
    int64_t mChannels;
};

} // namespace tenon::onednn
