// The instructions of pointwise programs: each works on a block of elements that lies in the first-level cache.
//
// Who uses it: pointwise programs (program.h). The functions exist once per instruction set; stepTable() gives those of this machine.
// What it must not know: ops, tensors, layouts.
#pragma once

#include <cstdint>

namespace tenon::cpu {

// What an element is while it is computed. f16 and bf16 are computed in f32; u8 and i8 in i32.
enum class ElementClass : uint8_t { kFloat, kInt, kLong, kBool };
inline constexpr int kClassCount = 4;

enum class Step : uint8_t {
    // one operand
    kExp,
    kLog,
    kSqrt,
    kRsqrt,
    kRecip,
    kAbs,
    kNeg,
    kSin,
    kCos,
    kTan,
    kSinh,
    kCosh,
    kAsin,
    kAcos,
    kAtan,
    kAsinh,
    kAcosh,
    kAtanh,
    kCeil,
    kFloor,
    kRound,
    kSign,
    kErf,
    kIsNan,
    kIsInf,
    kNot,
    kBitwiseNot,
    kRelu,
    kSigmoid,
    kTanh,
    kSoftsign,
    kSoftplus,
    kMish,
    kHardSwish,
    kLeakyRelu,
    kElu,
    kSelu,
    kCelu,
    kHardSigmoid,
    kScaledTanh,
    kThresholdedRelu,
    kGeluErf,
    kGeluTanh,
    kSilu,
    kClip,
    kRoundToF16,
    kRoundToBf16,
    kToFloat,
    kToInt,
    kToLong,
    kToBool,
    kFromCodes, // (code - p1) * p0, of integers
    kToCodes,   // x / p0 rounded, + p1, cut to [low, high]: an integer
    // two operands
    kAdd,
    kSub,
    kMul,
    kDiv,
    kMax,
    kMin,
    kPow,
    kFloorDiv,
    kFloorMod,
    kTruncatedMod,
    kAnd,
    kOr,
    kXor,
    kEqual,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual,
    kPrelu,
    // three: condition, then, else
    kWhere,
    // memory to register and back
    kLoadF16,
    kLoadBf16,
    kLoadU8,
    kLoadI8,
    kStoreF16,
    kStoreBf16,
    kStoreU8,
    kStoreI8,
    kCount
};

struct StepArgs {
    void* to;
    const void* a;
    const void* b;
    const void* c;
    int64_t count;
    float p0;
    float p1;
    int64_t low; // integer bounds: of clip, and of what a float is cut to
    int64_t high;
    bool scalarB; // b holds one value, repeated
};

// Reads and writes exactly `count` elements. `to` may be `a`, `b` or `c`.
using StepFunction = void (*)(const StepArgs&);

struct StepTable {
    // By the class of the (first value) operand; null where the step does not exist for a class.
    StepFunction functions[static_cast<int>(Step::kCount)][kClassCount];

    StepFunction of(Step step, ElementClass type) const {
        return functions[static_cast<int>(step)][static_cast<int>(type)];
    }
};

const StepTable& stepTable();
// "AVX3", "AVX2", ...: the instruction set in use.
const char* instructionSet();

} // namespace tenon::cpu
