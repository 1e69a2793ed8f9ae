// Configurations that cuBLASLt's own heuristics pick on compute capability 9.0, for products of transformers and classifiers of all batch sizes.
// Facts about a library, written down so that a machine without a device can name them, and so that each is tried where the heuristics did not
// think of it.
//
// Who uses it: rules.cpp. What it must not know: anything else.
#pragma once

#include <cublasLt.h>

#include <cstdint>

namespace tenon::cublaslt {

struct HopperConfig {
    uint32_t algorithm;
    uint32_t tile;
    int64_t rows; // of the library's result: columns of ours
    int64_t columns;
    uint32_t stages;
    uint32_t custom;
    uint32_t cluster;
};

#define TENON_HOPPER(algorithm, rows, columns, stages, custom, cluster)                                                \
    {                                                                                                                  \
        algorithm, CUBLASLT_MATMUL_TILE_##rows##x##columns, rows, columns, CUBLASLT_MATMUL_STAGES_##stages, custom,    \
            CUBLASLT_CLUSTER_SHAPE_##cluster                                                                           \
    }

// Operands of 16 bits.
inline constexpr HopperConfig kHopper16[] = {
    TENON_HOPPER(66, 8, 64, 64xAUTO, 0, 2x1x1),    TENON_HOPPER(66, 64, 8, 64xAUTO, 1, 4x1x1),
    TENON_HOPPER(66, 16, 64, 64xAUTO, 0, 2x1x1),   TENON_HOPPER(66, 64, 16, 64xAUTO, 3, 1x2x1),
    TENON_HOPPER(66, 64, 16, 64xAUTO, 3, 2x4x1),   TENON_HOPPER(66, 64, 24, 64xAUTO, 3, 4x2x1),
    TENON_HOPPER(66, 24, 64, 64xAUTO, 2, 4x2x1),   TENON_HOPPER(66, 32, 64, 64xAUTO, 0, 4x1x1),
    TENON_HOPPER(66, 32, 64, 64xAUTO, 2, 4x2x1),   TENON_HOPPER(66, 64, 32, 64xAUTO, 3, 2x4x1),
    TENON_HOPPER(66, 64, 40, 64xAUTO, 3, 2x4x1),   TENON_HOPPER(66, 48, 64, 64xAUTO, 0, 2x1x1),
    TENON_HOPPER(66, 56, 64, 64xAUTO, 2, 4x2x1),   TENON_HOPPER(66, 64, 64, 64xAUTO, 3, 4x2x1),
    TENON_HOPPER(66, 128, 8, 64xAUTO, 3, 2x4x1),   TENON_HOPPER(66, 192, 8, 64xAUTO, 1, 4x1x1),
    TENON_HOPPER(66, 128, 32, 64xAUTO, 3, 2x4x1),  TENON_HOPPER(66, 128, 40, 64xAUTO, 3, 2x4x1),
    TENON_HOPPER(66, 96, 64, 64xAUTO, 0, 4x1x1),   TENON_HOPPER(66, 96, 64, 64xAUTO, 2, 1x2x1),
    TENON_HOPPER(66, 96, 64, 64xAUTO, 2, 4x2x1),   TENON_HOPPER(66, 64, 128, 64xAUTO, 0, 4x1x1),
    TENON_HOPPER(66, 128, 64, 64xAUTO, 3, 4x2x1),  TENON_HOPPER(66, 128, 80, 64xAUTO, 1, 4x1x1),
    TENON_HOPPER(66, 128, 80, 64xAUTO, 3, 4x2x1),  TENON_HOPPER(66, 96, 128, 64xAUTO, 0, 4x1x1),
    TENON_HOPPER(66, 64, 192, 64xAUTO, 2, 4x2x1),  TENON_HOPPER(66, 192, 64, 64xAUTO, 3, 4x2x1),
    TENON_HOPPER(66, 128, 128, 64xAUTO, 1, 2x1x1), TENON_HOPPER(66, 128, 160, 64xAUTO, 1, 2x1x1),
    TENON_HOPPER(66, 256, 96, 64xAUTO, 7, 1x2x1),  TENON_HOPPER(66, 128, 192, 64xAUTO, 4, 2x1x1),
    TENON_HOPPER(66, 192, 128, 64xAUTO, 7, 1x2x1), TENON_HOPPER(66, 128, 256, 64xAUTO, 4, 2x1x1),
    TENON_HOPPER(66, 256, 128, 64xAUTO, 7, 1x2x1), TENON_HOPPER(66, 192, 192, 64xAUTO, 4, 2x1x1),
    TENON_HOPPER(66, 192, 192, 64xAUTO, 6, 4x2x1), TENON_HOPPER(66, 320, 128, 64xAUTO, 7, 1x2x1),
};

// Operands of 32 bits, rounded to TF32.
inline constexpr HopperConfig kHopperTf32[] = {
    TENON_HOPPER(21, 64, 64, 16x6, 0, AUTO),       TENON_HOPPER(21, 64, 64, 32x4, 0, AUTO),
    TENON_HOPPER(21, 64, 64, 32x6, 0, AUTO),       TENON_HOPPER(21, 64, 128, 32x6, 0, AUTO),
    TENON_HOPPER(21, 128, 64, 16x6, 0, AUTO),      TENON_HOPPER(21, 128, 64, 32x6, 0, AUTO),
    TENON_HOPPER(21, 128, 128, 32x3, 0, AUTO),     TENON_HOPPER(21, 256, 64, 16x4, 0, AUTO),
    TENON_HOPPER(23, 64, 64, 16x6, 0, AUTO),       TENON_HOPPER(23, 128, 64, 32x6, 0, AUTO),
    TENON_HOPPER(43, 64, 64, 32xAUTO, 0, 4x1x1),   TENON_HOPPER(43, 64, 64, 32xAUTO, 0, 2x2x1),
    TENON_HOPPER(43, 64, 128, 32xAUTO, 0, 4x1x1),  TENON_HOPPER(43, 128, 64, 32xAUTO, 0, 1x4x1),
    TENON_HOPPER(43, 128, 128, 32xAUTO, 0, 2x1x1), TENON_HOPPER(43, 128, 128, 32xAUTO, 0, 1x2x1),
    TENON_HOPPER(43, 256, 64, 32xAUTO, 0, 1x2x1),  TENON_HOPPER(43, 256, 64, 32xAUTO, 0, 1x4x1),
};
#undef TENON_HOPPER

} // namespace tenon::cublaslt
