// Arguments of the generated kernels, by value. One text for both sides: the host compiles it, and it stands before every kernel's source.
//
// Who uses it: plans of ops (they fill these in) and device code (it reads them). It must not know anything but built-in types: NVRTC
// compiles it without a header.
#pragma once

namespace tenon::cuda {

constexpr int kMostInputs = 16;
constexpr int kMostOutputs = 8;
constexpr int kLoopDims = 16;
constexpr int kTensorDims = 8;
constexpr int kSpatialDims = 6;
constexpr int kMostCopies = 8;

using I64 = long long;
using U64 = unsigned long long;

// Addresses of a launch, by port of the task.
struct Ports {
    const void* in[kMostInputs];
    void* out[kMostOutputs];
    void* workspace;
};

// Operands of a node: which port each is; -1: left out. All kernels but the pointwise one address by operand.
struct Operands {
    signed char in[kMostInputs];
    signed char out[kMostOutputs];
};

struct PointwiseArgs {
    I64 count;
    int rank;
    I64 dims[kLoopDims];
    I64 strides[kMostInputs][kLoopDims];
};

struct CopyArgs {
    Operands operands;
    int input;
    int output;
    I64 count;
    I64 fromFirst;
    I64 toFirst;
    int rank;
    I64 dims[kLoopDims];
    I64 from[kLoopDims];
    I64 to[kLoopDims];
};

// Copies of one kind at once: a row of blocks for each.
struct CopiesArgs {
    CopyArgs each[kMostCopies];
};

// Where each output index of a dimension comes from: begin + i * step, folded into the extent.
enum MoveMode { kMoveFill = 0, kMoveClamp = 1, kMoveWrap = 2, kMoveReflect = 3 };
struct MoveArgs {
    Operands operands;
    I64 count;
    int rank;
    int mode;
    int fillInput; // -1: `fill`
    U64 fill;
    I64 outDims[kTensorDims];
    I64 inDims[kTensorDims];
    I64 inStrides[kTensorDims];
    I64 begin[kTensorDims];
    I64 step[kTensorDims];
};

enum ResizeMode { kResizeNearest = 0, kResizeLinear = 1, kResizeCubic = 2 };
enum ResizeCoordinate {
    kHalfPixel = 0,
    kAlignCorners = 1,
    kAsymmetric = 2,
    kCropAndResize = 3,
    kHalfPixelForNearest = 4,
    kHalfPixelSymmetric = 5,
    kPytorchHalfPixel = 6
};
enum ResizeRounding { kRoundPreferFloor = 0, kRoundPreferCeil = 1, kRoundFloor = 2, kRoundCeil = 3 };
struct ResizeArgs {
    Operands operands;
    I64 count;
    int rank;
    int mode;
    int coordinate;
    int rounding;
    int excludeOutside;
    int antialias;
    double cubicA;
    double extrapolation;
    I64 outDims[kTensorDims];
    I64 inDims[kTensorDims];
    I64 inStrides[kTensorDims];
    int mapped[kTensorDims]; // 0: the index is taken as it is
    double scale[kTensorDims];
    double roiBegin[kTensorDims];
    double roiEnd[kTensorDims];
};

struct ReduceArgs {
    Operands operands;
    I64 outputs;
    I64 count; // elements of one output
    int keptRank;
    int reducedRank;
    I64 keptDims[kTensorDims];
    I64 keptStrides[kTensorDims];
    I64 reducedDims[kTensorDims];
    I64 reducedStrides[kTensorDims];
};

// Lines along one axis: line s starts at s / inner * length * inner + s % inner and steps by inner.
struct AxisArgs {
    Operands operands;
    I64 slices;
    I64 length;
    I64 inner;
    I64 k;
    int largest;    // topk; arg: wants the maximum
    int selectLast; // arg
    int exclusive;  // cumsum
    int reverse;
    int p; // lp_norm
};

// Operands: data and indices of each addend in turn, then scale and bias; results: the sum, its norm.
constexpr int kMostAddends = 4;
constexpr int kEmbeddingScale = 2 * kMostAddends;
constexpr int kEmbeddingBias = kEmbeddingScale + 1;
struct EmbeddingArgs {
    Operands operands;
    I64 rows;
    int rank; // of the rows
    I64 dims[kTensorDims];
    I64 strides[kMostAddends][kTensorDims];
    I64 extents[kMostAddends]; // rows of each table
    double epsilon;
};

struct ExciteArgs {
    Operands operands;
    I64 batch;
    I64 positions;
    I64 chunks; // that the positions of an item are summed in
};

struct NormArgs {
    Operands operands;
    I64 outer;
    I64 length;
    double epsilon;
    int center;
    int rank; // of the tensor as scale and bias broadcast to it
    I64 dims[kTensorDims];
    I64 scale[kTensorDims];
    I64 bias[kTensorDims];
};

struct LrnArgs {
    Operands operands;
    I64 count;
    I64 channels;
    I64 inner;
    I64 size;
    double alpha;
    double beta;
    double bias;
};

struct MatmulArgs {
    Operands operands;
    I64 rows;
    I64 columns;
    I64 depth;
    I64 aRow;
    I64 aColumn;
    I64 bRow;
    I64 bColumn;
    int batchRank;
    I64 batchDims[kTensorDims];
    I64 batchA[kTensorDims]; // elements
    I64 batchB[kTensorDims];
};

// Convolution, deconvolution and pooling. Strides are elements; spatial dimensions follow batch and channel.
struct WindowArgs {
    Operands operands;
    int hasBias;
    int countPads;    // avg: pads count
    int storageOrder; // max: column-major indices
    int p;            // lp
    I64 batch;
    I64 channels; // of the input
    I64 outputs;  // channels of the output
    I64 groups;
    I64 groupChannels;
    I64 groupOutputs;
    I64 taps;
    I64 outputSize; // spatial elements
    I64 input[kSpatialDims];
    I64 output[kSpatialDims];
    I64 kernel[kSpatialDims];
    I64 step[kSpatialDims];
    I64 dilation[kSpatialDims];
    I64 padBegin[kSpatialDims];
    I64 padEnd[kSpatialDims];
    I64 xBatch;
    I64 xChannel;
    I64 x[kSpatialDims];
    I64 wOutput; // conv: output channel; deconv: output channel within the group
    I64 wChannel;
    I64 w[kSpatialDims];
    I64 yBatch;
    I64 yChannel;
    I64 y[kSpatialDims];
};

// Strides are elements: of batches, heads, positions and elements; of the mask, the last is of keys.
struct AttentionArgs {
    Operands operands;
    I64 count; // rows of the result
    I64 batches;
    I64 heads;
    I64 group; // heads of q per head of k and v
    I64 queries;
    I64 keys;
    I64 q[4];
    I64 k[4];
    I64 v[4];
    I64 y[4];
    I64 mask[4];
    double scale;
    double fill;
    int causal;
    int maskKeeps;
    int nanToZero;
};
// On tensor cores: columns of all warps of a block, in blocks of 64 (their parts of 16 rows share 32 KiB), and keys at a time of rows that have together
// no more elements than these, half as many of longer ones.
constexpr int kColumnsOfWarps = 512;
constexpr int kKeysOfShortRows = 32;
constexpr int kShortRows = 128;

struct GatherArgs {
    Operands operands;
    I64 count;  // elements of the output
    I64 extent; // of the axis
    I64 block;  // elements after the axis; nd: of one slice
    I64 indices;
    int rank;
    int width; // nd: indices per row
    I64 batches;
    I64 perBatch;
    I64 rows; // per batch
    I64 step;
    I64 dims[kTensorDims];    // elements: of the output; nd: of the indexed data dimensions
    I64 strides[kTensorDims]; // elements: of the data, 0 along the axis; nd: of the indexed data dimensions
};

enum ScatterHow { kReplace = 0, kAdd = 1, kMultiply = 2, kMaximum = 3, kMinimum = 4 };
struct ScatterArgs {
    Operands operands;
    int how;
    int rank;
    int width;
    I64 lines;  // elements: lines along the axis; nd: threads
    I64 length; // elements: updates along the axis; nd: rows that one thread applies in order
    I64 block;
    I64 extent;
    I64 step;       // of the data along the axis
    I64 updateStep; // of the updates along the axis
    I64 dims[kTensorDims];
    I64 strides[kTensorDims];
    I64 updateStrides[kTensorDims];
};

struct GenerateArgs {
    Operands operands;
    I64 count;
    I64 depth; // one_hot
    I64 inner;
    I64 rows; // eye_like, trilu
    I64 columns;
    I64 shift;
    int upper;
    U64 value;               // fill, eye_like
    I64 values[kTensorDims]; // shape, size
};

constexpr int kEinsumInputs = 8;
struct EinsumArgs {
    Operands operands;
    I64 outputs;
    I64 summed;
    int outputRank;
    int rank;
    I64 dims[kLoopDims];
    I64 strides[kEinsumInputs][kLoopDims];
};

// offset = sum over pieces of (coordinate[dim] / divisor % modulus) * stride
constexpr int kMostPieces = 12;
struct LayoutArgs {
    int pieces;
    int dim[kMostPieces];
    I64 divisor[kMostPieces];
    I64 modulus[kMostPieces];
    I64 stride[kMostPieces];
};
// From planes of channels to `width` channels side by side, those that are not there zero.
constexpr int kMostPixelChannels = 8;
struct PixelArgs {
    Operands operands;
    I64 items;
    I64 pixels; // of an item
    int channels;
    int width;
};
struct ConvertArgs {
    Operands operands;
    I64 count; // of `padded`
    int rank;
    int order[kTensorDims]; // outermost first: how elements are walked
    I64 dims[kTensorDims];
    I64 padded[kTensorDims]; // rounded up to the output's blocks
    LayoutArgs from;
    LayoutArgs to;
};

} // namespace tenon::cuda
