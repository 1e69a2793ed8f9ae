// Where the elements of an image lie whose vectors run over channels: in blocks of channels, or with all channels last.
//
// Who uses it: the convolutions of the cpu backend. What it must not know: kernels.
#pragma once

#include "tenon/module/format.hpp"

#include <cstdint>

namespace tenon::cpu {

struct ImageLayout {
    int64_t block = 0; // 0: channels are last
    int64_t channels = 0;
    int64_t height = 0;
    int64_t width = 0;

    // From one pixel, line or image to the next.
    int64_t pixel() const { return block == 0 ? channels : block; }
    int64_t line() const { return width * pixel(); }
    int64_t image() const { return channels * height * width; }
    // Of the first pixel of a channel.
    int64_t at(int64_t channel) const {
        return block == 0 ? channel : channel / block * block * height * width + channel % block;
    }
};

// Of a layout [N, C, ...] with channels in blocks that divide them, or last.
inline int64_t channelBlock(const TnFormat& format) {
    const int64_t block = module::blockOf(format, 1);
    return block == 1 ? 0 : block;
}

} // namespace tenon::cpu
