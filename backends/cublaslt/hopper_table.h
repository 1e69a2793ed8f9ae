// The configurations of cuBLASLt's Hopper algorithm: what CUBLASLT_ALGO_CAP_TILE_IDS and CUBLASLT_ALGO_CAP_STAGES_IDS answer on compute
// capability 9.0. Facts about a library, written down so that a machine without a device can name them.
//
// Who uses it: rules.cpp. What it must not know: anything else.
#pragma once

#include <cublasLt.h>

#include <cstdint>

namespace tenon::cublaslt {

struct HopperTile {
    uint32_t id;
    int64_t rows;
    int64_t columns;
};

inline constexpr uint32_t kHopperAlgorithm = 66;
inline constexpr uint32_t kHopperStages = CUBLASLT_MATMUL_STAGES_128xAUTO;
inline constexpr uint32_t kHopperClusters[] = {CUBLASLT_CLUSTER_SHAPE_1x1x1, CUBLASLT_CLUSTER_SHAPE_2x1x1,
                                               CUBLASLT_CLUSTER_SHAPE_1x2x1};
#define TENON_HOPPER_TILE(rows, columns)                                                                               \
    { CUBLASLT_MATMUL_TILE_##rows##x##columns, rows, columns }
inline constexpr HopperTile kHopperTiles[] = {
    TENON_HOPPER_TILE(64, 64),   TENON_HOPPER_TILE(64, 128),  TENON_HOPPER_TILE(64, 256),  TENON_HOPPER_TILE(128, 64),
    TENON_HOPPER_TILE(128, 128), TENON_HOPPER_TILE(128, 192), TENON_HOPPER_TILE(128, 256), TENON_HOPPER_TILE(192, 128),
    TENON_HOPPER_TILE(256, 64),  TENON_HOPPER_TILE(256, 128),
};
#undef TENON_HOPPER_TILE

} // namespace tenon::cublaslt
