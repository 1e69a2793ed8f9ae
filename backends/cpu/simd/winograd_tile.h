// The transforms around the products of a Winograd convolution: windows of image and of weights into tiles, and sums of products into results. Vectors run over
// channels, so images are blocked by channels or have their channels last.
//
// Who uses it: convolutions of 3 x 3 of the cpu backend. The functions exist once per instruction set. What they must not know: tensors.
#pragma once

#include <cstdint>

namespace tenon::cpu {

// Elements of a tile per dimension; the results of one are two fewer.
inline constexpr int kLargestWinogradTile = 6;

// A line of tiles, of one vector of channels: v[e * element + t * tile] = element e (row by row) of what tile t is transformed to.
struct WinogradInput {
    const float*
        rows[kLargestWinogradTile]; // column 0 of the image's lines that the tiles cover; null: outside the image
    int64_t pixel;                  // from one column to the next
    int64_t width;
    int64_t first; // column that the first tile begins at; may be negative
    int64_t tiles;
    int64_t channels; // of the vector; lanes behind them become zero
    float* v;
    int64_t element;
    int64_t tile;
};

// The way back: y[r * line + c * pixel], r < lines, c < columns, of one vector of channels, and the largest of every two by two of them.
struct WinogradOutput {
    const float* m; // as v above
    int64_t element;
    int64_t tile;
    int64_t columns;
    int64_t lines;
    int64_t channels;
    const float* start; // a vector that is added to each result; null: nothing
    const float* other; // a tensor that is added, laid out as y is; null: nothing
    float low;          // bounds of what is written
    float high;
    float* y; // null: not wanted
    int64_t pixel;
    int64_t line;
    float* largest; // [r / 2 * largestLine + c / 2 * pixel]; null: not wanted
    int64_t largestLine;
};

// Windows of weights into tiles, of vectors of output channels: u[e * element + c * columns + k] from taps[(c * 9 + t) * columns + k], t the taps of a window row by
// row, c < channels, k < columns, whole vectors.
struct WinogradTaps {
    const float* taps;
    int64_t channels;
    int64_t columns;
    float* u;
    int64_t element;
};

struct WinogradTile {
    int64_t results; // per dimension
    void (*weights)(const WinogradTaps& args);
    void (*input)(const WinogradInput& args);
    void (*output)(const WinogradOutput& args);
};

// For tiles of `results` x `results`: 2 or 4.
const WinogradTile& winogradTile(int64_t results);

} // namespace tenon::cpu
