// The shapes of the matrix registers (AMX), as the processor reads them.
//
// Who uses it: the tiles of the cpu backend that run in these registers. What it must not know: what is computed.
#pragma once

#include <cstdint>

namespace tenon::cpu {

struct alignas(64) TileShapes {
    uint8_t palette = 1;
    uint8_t start = 0;
    uint8_t reserved[14] = {};
    uint16_t rowBytes[16] = {};
    uint8_t rows[16] = {};
};

} // namespace tenon::cpu
