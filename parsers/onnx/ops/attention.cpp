// Attention: the op that Tenon has, or its parts where the model caps the scores or shows them.
#include "parsers/onnx/importer_registry.h"
#include "parsers/onnx/text.h"

#include <cmath>
#include <limits>

namespace tenon::onnx {

namespace {

using nvinfer1::DataType;
using nvonnxparser::ErrorCode;

constexpr double kHidden = -std::numeric_limits<double>::infinity();

// Values that the attribute qk_matmul_output_mode has, by the step after which the scores are shown.
enum class Shown : int64_t { kProduct, kCapped, kMasked, kProbabilities };

class AttentionImport {
public:
    explicit AttentionImport(NodeImport& node) : mNode(node) {}

    bool run() {
        if (!read()) {
            return false;
        }
        ITensor* result = mByParts ? byParts() : asOp();
        if (mFlat) {
            if (!mHeadsLast) {
                result = swapped(result);
            }
            result = mNode.add("reshape", {result, mNode.integersOf({0, 0, -1})});
        }
        return mNode.output(0, result);
    }

private:
    // --- Operands --------------------------------------------------------------------------------------------------------

    bool read() {
        mQ = mNode.input(0);
        mK = mNode.input(1);
        mV = mNode.input(2);
        if (!mQ || !mK || !mV) {
            return false;
        }
        const int32_t rank = mNode.rank(mQ);
        if ((rank != 3 && rank != 4) || mNode.rank(mK) != rank || mNode.rank(mV) != rank) {
            return mNode.fail(ErrorCode::kUNSUPPORTED_NODE_SHAPE,
                              cat("Q, K and V must have 3 or 4 dimensions alike; they have ", rank, ", ",
                                  mNode.rank(mK), " and ", mNode.rank(mV)));
        }
        const bool hasPast = mNode.hasInput(4);
        if (hasPast != mNode.hasInput(5) || (hasPast && mNode.hasInput(6))) {
            return mNode.fail(ErrorCode::kINVALID_NODE,
                              "past_key and past_value come together, and not with nonpad_kv_seqlen");
        }
        mFlat = rank == 3;
        mByParts = mNode.number("softcap", 0) != 0 || mNode.hasOutput(3);
        mHeadsLast = mFlat && !mByParts && !hasPast && !mNode.hasOutput(1) && !mNode.hasOutput(2);
        return readHeads() && readScale() && arrange() && readMasks();
    }

    bool readHeads() {
        mHeads = mFlat ? mNode.integer("q_num_heads", 0) : extentOf(mQ, 1);
        mSharedHeads = mFlat ? mNode.integer("kv_num_heads", 0) : extentOf(mK, 1);
        if (mFlat && (mHeads <= 0 || mSharedHeads <= 0)) {
            return mNode.fail(ErrorCode::kINVALID_NODE,
                              "Q of 3 dimensions needs the attributes q_num_heads and kv_num_heads");
        }
        const bool areKnown = mHeads > 0 && mSharedHeads > 0;
        if (areKnown ? mHeads % mSharedHeads != 0 : mByParts) {
            return mNode.fail(ErrorCode::kUNSUPPORTED_NODE_SHAPE,
                              areKnown
                                  ? cat(mHeads, " heads of Q cannot share ", mSharedHeads, " heads of K evenly")
                                  : "the numbers of heads must be known where softcap or qk_matmul_output is used");
        }
        return true;
    }

    bool readScale() {
        const int64_t width = extentOf(mQ, mFlat ? 2 : 3);
        mScale = mNode.number("scale", 0);
        if (!mNode.has("scale")) {
            if (width <= 0) {
                return mNode.fail(ErrorCode::kUNSUPPORTED_NODE_SHAPE,
                                  "the last extent of Q must be known where the attribute 'scale' is left out");
            }
            mScale = 1 / std::sqrt(static_cast<double>(mFlat ? width / mHeads : width));
        }
        return true;
    }

    // Heads become a dimension, and what was cached is put in front.
    bool arrange() {
        const auto parted = [this](ITensor* tensor, int64_t heads) {
            tensor = mFlat ? mNode.add("reshape", {tensor, mNode.integersOf({0, 0, heads, -1})}) : tensor;
            return mFlat && !mHeadsLast ? swapped(tensor) : tensor;
        };
        mQ = parted(mQ, mHeads);
        mK = parted(mK, mSharedHeads);
        mV = parted(mV, mSharedHeads);
        if (mNode.hasInput(4)) {
            ITensor* const pastKey = mNode.input(4);
            ITensor* const pastValue = mNode.input(5);
            if (!pastKey || !pastValue) {
                return false;
            }
            mOffset = extentTensor(pastKey, 2);
            mK = mNode.add("concat", {pastKey, mK}, Attributes().with("axis", 2));
            mV = mNode.add("concat", {pastValue, mV}, Attributes().with("axis", 2));
        }
        // An output is a tensor of its own.
        return (!mNode.hasOutput(1) || mNode.output(1, mNode.add("identity", {mK}))) &&
               (!mNode.hasOutput(2) || mNode.output(2, mNode.add("identity", {mV})));
    }

    ITensor* swapped(ITensor* tensor) {
        return mNode.add("transpose", {tensor}, Attributes().with("perm", std::vector<int64_t>{0, 2, 1, 3}));
    }
    static int64_t extentOf(const ITensor* tensor, int32_t axis) { return tensor->getDimensions().d[axis]; }
    ITensor* extentTensor(ITensor* tensor, int64_t axis) {
        return mNode.add("shape", {tensor}, Attributes().with("start", axis).with("end", axis + 1));
    }

    // --- Masks -----------------------------------------------------------------------------------------------------------

    bool readMasks() {
        const bool isCausal = mNode.integer("is_causal", 0) != 0;
        const int64_t left = mNode.integer("left_window_size", -1);
        const int64_t right = mNode.integer("right_window_size", -1);
        if (mNode.hasInput(3)) {
            ITensor* const mask = asLongAsKeys(mNode.input(3));
            if (!mask) {
                return false;
            }
            (mask->getType() == DataType::kBOOL ? mAllowed : mAdded) = mask;
        }
        ITensor* const valid = mNode.optionalInput(6);
        mCausal = isCausal && !mOffset && !valid && !mByParts;
        if (valid) {
            ITensor* const lengths =
                mNode.add("unsqueeze", {valid}, Attributes().with("axes", std::vector<int64_t>{1, 2, 3}));
            allow("binary.less", keyPositions(), lengths);
            mOffset = mNode.add("binary.sub", {lengths, extentTensor(mQ, mHeadsLast ? 1 : 2)});
        }
        if (isCausal && !mCausal) {
            allow("binary.less_equal", keyPositions(), queryPositions());
        }
        if (left >= 0) {
            allow("binary.less_equal", queryPositions(),
                  mNode.add("binary.add", {keyPositions(), mNode.integersOf({left})}));
        }
        if (right >= 0) {
            allow("binary.less_equal", keyPositions(),
                  mNode.add("binary.add", {queryPositions(), mNode.integersOf({right})}));
        }
        return mNode.outcome().ok();
    }

    // A mask may end before the keys do; what it lacks is hidden.
    ITensor* asLongAsKeys(ITensor* mask) {
        const int32_t rank = mNode.rank(mask);
        if (!mask || !mK || rank < 1) {
            return mask;
        }
        const int64_t own = extentOf(mask, rank - 1);
        const int64_t keys = extentOf(mK, mHeadsLast ? 1 : 2);
        if (own < 0 || keys < 0 || own >= keys || (own == 1 && !mNode.hasInput(6))) {
            return mask;
        }
        std::vector<int64_t> pads(2 * static_cast<size_t>(rank), 0);
        pads.back() = keys - own;
        Attributes attributes;
        if (mask->getType() != DataType::kBOOL) {
            attributes.with("value", kHidden);
        }
        return mNode.add("pad", {mask, mNode.integersOf(pads)}, attributes);
    }

    // Only where the comparison holds a query sees a key.
    void allow(const char* comparison, ITensor* a, ITensor* b) {
        ITensor* const both = mNode.add(comparison, {a, b});
        mAllowed = mAllowed ? mNode.add("binary.and", {mAllowed, both}) : both;
    }

    ITensor* positions(ITensor* tensor) {
        return mNode.add("range",
                         {mNode.integersOf({0}), extentTensor(tensor, mHeadsLast ? 1 : 2), mNode.integersOf({1})});
    }
    ITensor* keyPositions() {
        mKeyPositions = mKeyPositions ? mKeyPositions : positions(mK);
        return mKeyPositions;
    }
    // [S, 1], counted from where the keys begin.
    ITensor* queryPositions() {
        if (!mQueryPositions) {
            mQueryPositions =
                mNode.add("unsqueeze", {positions(mQ)}, Attributes().with("axes", std::vector<int64_t>{1}));
            mQueryPositions = mOffset ? mNode.add("binary.add", {mQueryPositions, mOffset}) : mQueryPositions;
        }
        return mQueryPositions;
    }

    // --- Results ---------------------------------------------------------------------------------------------------------

    ITensor* scalar(double value) { return mNode.scalarOf(value, mQ->getType()); }

    ITensor* asOp() {
        ITensor* mask = mAllowed ? mAllowed : mAdded;
        if (mAllowed && mAdded) {
            mask = mNode.add("where", {mAllowed, mAdded, mNode.scalarOf(kHidden, mAdded->getType())});
        }
        Attributes attributes;
        attributes.with("scale", mScale).with("causal", mCausal);
        attributes.with("heads_axis", mHeadsLast ? -2 : -3).with("nan_to_zero", mask != nullptr);
        return mNode.add("attention", {mQ, mK, mV, mask}, attributes);
    }

    ITensor* byParts() {
        ITensor* const keys = repeated(mK);
        ITensor* const values = repeated(mV);
        if (!keys || !values) {
            return nullptr;
        }
        ITensor* scores = mNode.add("matmul", {mNode.add("binary.mul", {mQ, scalar(mScale)}), keys},
                                    Attributes().with("trans_b", true));
        show(Shown::kProduct, scores);
        if (const double cap = mNode.number("softcap", 0); cap != 0) {
            scores = mNode.add("activation.tanh", {mNode.add("binary.mul", {scores, scalar(1 / cap)})});
            scores = mNode.add("binary.mul", {scores, scalar(cap)});
        }
        show(Shown::kCapped, scores);
        if (mAdded) {
            scores = mNode.add("binary.add", {scores, mAdded});
        }
        if (mAllowed) {
            scores = mNode.add("where", {mAllowed, scores, scalar(kHidden)});
        }
        show(Shown::kMasked, scores);
        const auto precision = elementTypeOf(static_cast<int32_t>(mNode.integer("softmax_precision", 0)));
        const bool casts = precision && *precision != mQ->getType();
        ITensor* probabilities = casts ? mNode.add("cast", {scores}, Attributes().with("to", *precision)) : scores;
        probabilities = mNode.add("softmax", {probabilities}, Attributes().with("axis", -1));
        if (casts) {
            probabilities = mNode.add("cast", {probabilities}, Attributes().with("to", mQ->getType()));
        }
        if (mAdded || mAllowed) { // a query that sees no key
            probabilities = mNode.add("where", {mNode.add("unary.isnan", {probabilities}), scalar(0), probabilities});
        }
        show(Shown::kProbabilities, probabilities);
        return mNode.add("matmul", {probabilities, values});
    }

    // Each head as often as heads of Q share it.
    ITensor* repeated(ITensor* tensor) {
        if (mHeads == mSharedHeads) {
            return tensor;
        }
        std::vector<int64_t> heads;
        for (int64_t head = 0; head < mHeads; ++head) {
            heads.push_back(head / (mHeads / mSharedHeads));
        }
        return mNode.add("gather", {tensor, mNode.integersOf(heads)}, Attributes().with("axis", 1));
    }

    void show(Shown step, ITensor* scores) {
        if (mNode.hasOutput(3) && mNode.integer("qk_matmul_output_mode", 0) == static_cast<int64_t>(step)) {
            mNode.output(3, mNode.add("identity", {scores}));
        }
    }

    NodeImport& mNode;
    ITensor* mQ = nullptr;
    ITensor* mK = nullptr;
    ITensor* mV = nullptr;
    ITensor* mAllowed = nullptr; // bool: which scores stay
    ITensor* mAdded = nullptr;   // float: added to the scores
    ITensor* mOffset = nullptr;  // of the queries behind the first key
    ITensor* mKeyPositions = nullptr;
    ITensor* mQueryPositions = nullptr;
    int64_t mHeads = 0;       // of Q; 0 or less: not known
    int64_t mSharedHeads = 0; // of K and V
    double mScale = 1;
    bool mFlat = false;      // operands of 3 dimensions
    bool mHeadsLast = false; // [B, S, H, D], else [B, H, S, D]
    bool mByParts = false;
    bool mCausal = false; // the op hides what comes later
};

bool attention(NodeImport& node) { return AttentionImport(node).run(); }

} // namespace

void addAttentionImporters(ImporterTable& table) { table.add("Attention", 23, attention); }

} // namespace tenon::onnx
