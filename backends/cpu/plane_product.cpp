#include "backends/cpu/plane_product.h"

#include "backends/common/parallel.h"
#include "backends/cpu/simd/packed_tile.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

using namespace tenon::kernels;

// Planes of a stripe that are added up at a time: what they have in a stripe stays in the first-level cache for all outputs.
constexpr int64_t kMostDepth = 128;

// The pixels of a stripe that are left behind its last whole vector, of some planes, and what comes out.
int64_t restFloats(const PlaneProduct& p) {
    return (std::min(p.channels, kMostDepth) + p.outputs) * packedTiles().lanes;
}

// One stripe of the planes of a group of an image.
class Stripe {
public:
    Stripe(const PlaneProduct& p, const float* planes, const float* weights, const float* bias, float* result,
           float* scratch)
        : mP(p), mPlanes(planes), mWeights(weights), mBias(bias), mResult(result), mScratch(scratch) {}

    void run(int64_t begin, int64_t end) const {
        const PackedTiles& tiles = packedTiles();
        while (begin < end) {
            const int64_t left = end - begin;
            const PackedTile* const tile = left >= tiles.wide.columns     ? &tiles.wide
                                           : left >= tiles.narrow.columns ? &tiles.narrow
                                           : left >= tiles.thin.columns   ? &tiles.thin
                                                                          : nullptr;
            if (tile == nullptr) {
                runRest(begin, left);
                return;
            }
            runTile(*tile, mPlanes + begin, mP.pixels, mResult + begin, mP.pixels, tile->columns);
            begin += tile->columns;
        }
    }

private:
    void runTile(const PackedTile& tile, const float* planes, int64_t planeRow, float* to, int64_t toRow,
                 int64_t columns) const {
        if (mBias != nullptr) {
            startWithBias(to, toRow, columns);
        }
        for (int64_t first = 0; first < mP.channels; first += kMostDepth) {
            sumUp(tile, planes + first * planeRow, planeRow, first, to, toRow);
        }
    }

    void runRest(int64_t begin, int64_t count) const {
        const PackedTile& tile = packedTiles().thin;
        float* const planes = mScratch;
        float* const results = mScratch + std::min(mP.channels, kMostDepth) * tile.columns;
        if (mBias != nullptr) {
            startWithBias(results, tile.columns, tile.columns);
        }
        for (int64_t first = 0; first < mP.channels; first += kMostDepth) {
            for (int64_t k = 0; k < std::min(kMostDepth, mP.channels - first); ++k) {
                const float* const from = mPlanes + (first + k) * mP.pixels + begin;
                float* const line = std::copy(from, from + count, planes + k * tile.columns);
                std::fill(line, planes + (k + 1) * tile.columns, 0.0F);
            }
            sumUp(tile, planes, tile.columns, first, results, tile.columns);
        }
        for (int64_t o = 0; o < mP.outputs; ++o) {
            std::copy(results + o * tile.columns, results + o * tile.columns + count, mResult + o * mP.pixels + begin);
        }
    }

    // Adds the planes from channel `first` on to the results, or begins them.
    void sumUp(const PackedTile& tile, const float* planes, int64_t planeRow, int64_t first, float* to,
               int64_t toRow) const {
        PackedProduct product{};
        product.a = mWeights + first;
        product.aRow = mP.channels;
        product.b = planes;
        product.bRow = planeRow;
        product.depth = std::min(kMostDepth, mP.channels - first);
        product.c = to;
        product.cRow = toRow;
        product.continues = first > 0 || mBias != nullptr;
        tile.runAll(mP.outputs, product);
    }

    void startWithBias(float* to, int64_t toRow, int64_t columns) const {
        for (int64_t o = 0; o < mP.outputs; ++o) {
            std::fill(to + o * toRow, to + o * toRow + columns, mBias[o]);
        }
    }

    const PlaneProduct& mP;
    const float* mPlanes;
    const float* mWeights;
    const float* mBias;
    float* mResult;
    float* mScratch;
};

} // namespace

int64_t planeProductWorkspace(const PlaneProduct& product) {
    return product.threads * restFloats(product) * static_cast<int64_t>(sizeof(float));
}

void runPlaneProduct(const PlaneProduct& product, const float* image, const float* weights, const float* bias,
                     float* result, void* workspace) {
    const PlaneProduct& p = product;
    const PackedTiles& tiles = packedTiles();
    const int64_t width = tiles.wide.columns;
    const int64_t stripes = (p.pixels + width - 1) / width;
    const int64_t items = p.batch * p.groups * stripes;
    const int64_t team = teamFor(p.threads, items, p.channels * p.outputs * width / tiles.lanes);
    parallelTeam(team, items, [&](int64_t member, int64_t begin, int64_t end) {
        float* const scratch = static_cast<float*>(workspace) + member * restFloats(p);
        while (begin < end) {
            // Stripes of one group, one after the other.
            const int64_t plane = begin / stripes;
            const int64_t last = std::min(end, (plane + 1) * stripes);
            const int64_t group = plane % p.groups;
            const Stripe stripe(p, image + plane * p.channels * p.pixels, weights + group * p.outputs * p.channels,
                                bias != nullptr ? bias + group * p.outputs : nullptr,
                                result + plane * p.outputs * p.pixels, scratch);
            stripe.run((begin - plane * stripes) * width, std::min(p.pixels, (last - plane * stripes) * width));
            begin = last;
        }
    });
}

} // namespace tenon::cpu
