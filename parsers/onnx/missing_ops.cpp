#include "parsers/onnx/missing_ops.h"

#include "parsers/onnx/text.h"

#include <algorithm>
#include <span>

namespace tenon::onnx {

namespace {

struct Family {
    std::string_view why;
    bool byPlugin; // a plugin, of tensors whose extents follow from extents, could compute it
    std::span<const std::string_view> ops;
};

constexpr std::string_view kControl[] = {"If", "Loop", "Scan", "SequenceMap"};
constexpr std::string_view kDataDependent[] = {"Compress", "NonMaxSuppression", "NonZero", "Unique"};
constexpr std::string_view kRecurrent[] = {"GRU", "LSTM", "RNN"};
constexpr std::string_view kSequences[] = {"ConcatFromSequence", "Optional",       "OptionalGetElement",
                                           "OptionalHasElement", "SequenceAt",     "SequenceConstruct",
                                           "SequenceEmpty",      "SequenceErase",  "SequenceInsert",
                                           "SequenceLength",     "SplitToSequence"};
constexpr std::string_view kStrings[] = {"RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit",
                                         "TfIdfVectorizer"};
constexpr std::string_view kRandom[] = {"Bernoulli",        "Multinomial",   "RandomNormal",
                                        "RandomNormalLike", "RandomUniform", "RandomUniformLike"};
constexpr std::string_view kTraining[] = {"NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"};
constexpr std::string_view kOthers[] = {"AffineGrid",      "BitCast",
                                        "BlackmanWindow",  "CausalConvWithState",
                                        "CenterCropPad",   "Col2Im",
                                        "CumProd",         "DFT",
                                        "DeformConv",      "Det",
                                        "GridSample",      "HammingWindow",
                                        "HannWindow",      "ImageDecoder",
                                        "LinearAttention", "MaxRoiPool",
                                        "MaxUnpool",       "MelWeightMatrix",
                                        "ReverseSequence", "RoiAlign",
                                        "RotaryEmbedding", "STFT",
                                        "Shrink",          "SwiGLU",
                                        "TensorScatter"};

constexpr Family kFamilies[] = {
    {"Tenon has no loops and conditionals", false, kControl},
    {"Tenon has no tensors whose extents depend on data", false, kDataDependent},
    {"Tenon has no recurrent layers", true, kRecurrent},
    {"Tenon has no sequences and optional values", false, kSequences},
    {"Tenon has no strings", false, kStrings},
    {"Tenon has no random numbers", true, kRandom},
    {"Tenon has no losses, which are for training", true, kTraining},
    {"Tenon has no importer for it", true, kOthers},
};

} // namespace

std::string whyMissing(std::string_view op) {
    for (const Family& family : kFamilies) {
        if (std::find(family.ops.begin(), family.ops.end(), op) != family.ops.end()) {
            return cat("the standard op ", op, " is not supported: ", family.why,
                       family.byPlugin ? "; a plugin library with a creator of its name, or a module with an importer "
                                         "for it, brings it"
                                       : "; export the network without it, or cut it out and compute it outside");
        }
    }
    return {};
}

} // namespace tenon::onnx
