// Vector loops over rows of floats, compiled once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/rows.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "backends/cpu/simd/math-inl.h"
#include "backends/cpu/simd/rows.h"
#include "backends/cpu/simd/steps.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace tenon::cpu {
namespace HWY_NAMESPACE {

// A full vector of what is left of a row; the other lanes hold `filler`.
HWY_INLINE FloatVec LoadRest(FloatTag d, const float* x, int64_t count, float filler) {
    HWY_ALIGN float rest[HWY_MAX_BYTES / sizeof(float)];
    hn::Store(hn::Set(d, filler), d, rest);
    std::memcpy(rest, x, static_cast<size_t>(count) * sizeof(float));
    return hn::Load(d, rest);
}
HWY_INLINE void StoreRest(FloatTag d, FloatVec v, float* to, int64_t count) {
    HWY_ALIGN float rest[HWY_MAX_BYTES / sizeof(float)];
    hn::Store(v, d, rest);
    std::memcpy(to, rest, static_cast<size_t>(count) * sizeof(float));
}

// Folds a row with four partial results, so that one element does not wait for the last.
template <class Step, class Merge>
HWY_INLINE FloatVec Fold(const float* x, int64_t count, float start, Step step, Merge merge) {
    const FloatTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    FloatVec a = hn::Set(d, start);
    FloatVec b = a;
    FloatVec c = a;
    FloatVec e = a;
    int64_t i = 0;
    for (; i + 4 * lanes <= count; i += 4 * lanes) {
        a = step(d, a, hn::LoadU(d, x + i));
        b = step(d, b, hn::LoadU(d, x + i + lanes));
        c = step(d, c, hn::LoadU(d, x + i + 2 * lanes));
        e = step(d, e, hn::LoadU(d, x + i + 3 * lanes));
    }
    for (; i + lanes <= count; i += lanes) {
        a = step(d, a, hn::LoadU(d, x + i));
    }
    return merge(d, merge(d, a, b), merge(d, c, e));
}

struct AddStep {
    HWY_INLINE FloatVec operator()(FloatTag, FloatVec a, FloatVec x) const { return hn::Add(a, x); }
};
struct MultiplyStep {
    HWY_INLINE FloatVec operator()(FloatTag, FloatVec a, FloatVec x) const { return hn::Mul(a, x); }
};
struct AddAbsStep {
    HWY_INLINE FloatVec operator()(FloatTag, FloatVec a, FloatVec x) const { return hn::Add(a, hn::Abs(x)); }
};
struct AddSquareStep {
    float center;
    HWY_INLINE FloatVec operator()(FloatTag d, FloatVec a, FloatVec x) const {
        const FloatVec centered = hn::Sub(x, hn::Set(d, center));
        return hn::MulAdd(centered, centered, a);
    }
};
// A lane that met a NaN keeps it.
struct MaxStep {
    HWY_INLINE FloatVec operator()(FloatTag, FloatVec a, FloatVec x) const {
        return hn::IfThenElse(hn::Or(hn::Gt(x, a), hn::Ne(x, x)), x, a);
    }
};
struct MinStep {
    HWY_INLINE FloatVec operator()(FloatTag, FloatVec a, FloatVec x) const {
        return hn::IfThenElse(hn::Or(hn::Lt(x, a), hn::Ne(x, x)), x, a);
    }
};

// The lanes and the rest of the row, in order.
template <class Each>
HWY_INLINE void ForLanes(FloatVec v, const float* x, int64_t count, Each each) {
    const FloatTag d;
    HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)];
    hn::Store(v, d, lanes);
    for (size_t i = 0; i < hn::Lanes(d); ++i) {
        each(lanes[i], false);
    }
    for (int64_t i = count - count % static_cast<int64_t>(hn::Lanes(d)); i < count; ++i) {
        each(x[i], true);
    }
}

float Max(const float* x, int64_t count) {
    float best = -std::numeric_limits<float>::infinity();
    ForLanes(Fold(x, count, best, MaxStep{}, MaxStep{}), x, count,
             [&](float v, bool) { best = v > best || v != v ? v : best; });
    return best;
}
float Min(const float* x, int64_t count) {
    float best = std::numeric_limits<float>::infinity();
    ForLanes(Fold(x, count, best, MinStep{}, MinStep{}), x, count,
             [&](float v, bool) { best = v < best || v != v ? v : best; });
    return best;
}
// The lanes pairwise, then the rest of the row.
template <class Element>
HWY_INLINE float AddLanes(FloatVec v, const float* x, int64_t count, Element element) {
    const FloatTag d;
    float sum = hn::GetLane(hn::SumOfLanes(d, v));
    for (int64_t i = count - count % static_cast<int64_t>(hn::Lanes(d)); i < count; ++i) {
        sum += element(x[i]);
    }
    return sum;
}

float Sum(const float* x, int64_t count) {
    return AddLanes(Fold(x, count, 0.0F, AddStep{}, AddStep{}), x, count, [](float v) HWY_ATTR { return v; });
}
float SumOfSquares(const float* x, float center, int64_t count) {
    return AddLanes(Fold(x, count, 0.0F, AddSquareStep{center}, AddStep{}), x, count,
                    [=](float v) HWY_ATTR { return (v - center) * (v - center); });
}
float Variance(const float* x, int64_t count, float* mean) {
    const FloatTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const auto elements = static_cast<float>(count);
    const float near = Sum(x, count) / elements;
    const FloatVec center = hn::Set(d, near);
    FloatVec sumA = hn::Zero(d);
    FloatVec sumB = sumA;
    FloatVec squaresA = sumA;
    FloatVec squaresB = sumA;
    FloatVec squaresC = sumA;
    FloatVec squaresE = sumA;
    int64_t i = 0;
    for (; i + 4 * lanes <= count; i += 4 * lanes) {
        const FloatVec a = hn::Sub(hn::LoadU(d, x + i), center);
        const FloatVec b = hn::Sub(hn::LoadU(d, x + i + lanes), center);
        const FloatVec c = hn::Sub(hn::LoadU(d, x + i + 2 * lanes), center);
        const FloatVec e = hn::Sub(hn::LoadU(d, x + i + 3 * lanes), center);
        sumA = hn::Add(sumA, hn::Add(a, b));
        sumB = hn::Add(sumB, hn::Add(c, e));
        squaresA = hn::MulAdd(a, a, squaresA);
        squaresB = hn::MulAdd(b, b, squaresB);
        squaresC = hn::MulAdd(c, c, squaresC);
        squaresE = hn::MulAdd(e, e, squaresE);
    }
    for (; i + lanes <= count; i += lanes) {
        const FloatVec a = hn::Sub(hn::LoadU(d, x + i), center);
        sumA = hn::Add(sumA, a);
        squaresA = hn::MulAdd(a, a, squaresA);
    }
    float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(sumA, sumB)));
    float squares = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(squaresA, squaresB), hn::Add(squaresC, squaresE))));
    for (; i < count; ++i) {
        const float rest = x[i] - near;
        sum += rest;
        squares += rest * rest;
    }
    const float correction = sum / elements;
    *mean = near + correction;
    const float spread = squares / elements;
    if (!std::isfinite(spread)) {
        return spread; // the correction's square may be infinite too, and their difference no number
    }
    return std::max(spread - correction * correction, 0.0F); // rounding may leave less than nothing
}
float SumOfAbs(const float* x, int64_t count) {
    return AddLanes(Fold(x, count, 0.0F, AddAbsStep{}, AddStep{}), x, count,
                    [](float v) HWY_ATTR { return std::fabs(v); });
}
float Product(const float* x, int64_t count) {
    float product = 1;
    ForLanes(Fold(x, count, 1.0F, MultiplyStep{}, MultiplyStep{}), x, count, [&](float v, bool) { product *= v; });
    return product;
}

float Dot(const float* x, const float* y, int64_t count) {
    const FloatTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    FloatVec a = hn::Zero(d);
    FloatVec b = a;
    FloatVec c = a;
    FloatVec e = a;
    int64_t i = 0;
    for (; i + 4 * lanes <= count; i += 4 * lanes) {
        a = hn::MulAdd(hn::LoadU(d, x + i), hn::LoadU(d, y + i), a);
        b = hn::MulAdd(hn::LoadU(d, x + i + lanes), hn::LoadU(d, y + i + lanes), b);
        c = hn::MulAdd(hn::LoadU(d, x + i + 2 * lanes), hn::LoadU(d, y + i + 2 * lanes), c);
        e = hn::MulAdd(hn::LoadU(d, x + i + 3 * lanes), hn::LoadU(d, y + i + 3 * lanes), e);
    }
    for (; i + lanes <= count; i += lanes) {
        a = hn::MulAdd(hn::LoadU(d, x + i), hn::LoadU(d, y + i), a);
    }
    float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(a, b), hn::Add(c, e))));
    for (; i < count; ++i) {
        sum += x[i] * y[i];
    }
    return sum;
}

float ExpMinus(const float* x, float top, float* to, int64_t count) {
    const FloatTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const FloatVec offset = hn::Set(d, top);
    FloatVec a = hn::Zero(d);
    FloatVec b = a;
    int64_t i = 0;
    for (; i + 2 * lanes <= count; i += 2 * lanes) {
        const FloatVec first = ExpNegative(d, hn::Sub(hn::LoadU(d, x + i), offset));
        const FloatVec second = ExpNegative(d, hn::Sub(hn::LoadU(d, x + i + lanes), offset));
        hn::StoreU(first, d, to + i);
        hn::StoreU(second, d, to + i + lanes);
        a = hn::Add(a, first);
        b = hn::Add(b, second);
    }
    for (; i + lanes <= count; i += lanes) {
        const FloatVec first = ExpNegative(d, hn::Sub(hn::LoadU(d, x + i), offset));
        hn::StoreU(first, d, to + i);
        a = hn::Add(a, first);
    }
    float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(a, b)));
    if (i < count) {
        StoreRest(d, ExpNegative(d, hn::Sub(LoadRest(d, x + i, count - i, top), offset)), to + i, count - i);
        for (; i < count; ++i) {
            sum += to[i];
        }
    }
    return sum;
}

// One vector at a time; what is left goes through a vector of its own.
template <class Function>
HWY_INLINE void MapRow(const float* x, float* to, int64_t count, Function function) {
    const FloatTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        hn::StoreU(function(d, hn::LoadU(d, x + i), i, false), d, to + i);
    }
    if (i < count) {
        StoreRest(d, function(d, LoadRest(d, x + i, count - i, 1.0F), i, true), to + i, count - i);
    }
}

void Scale(const float* x, float factor, float* to, int64_t count) {
    MapRow(x, to, count,
           [=](FloatTag d, FloatVec v, int64_t, bool) HWY_ATTR { return hn::Mul(v, hn::Set(d, factor)); });
}
void Shift(const float* x, float offset, float* to, int64_t count) {
    MapRow(x, to, count,
           [=](FloatTag d, FloatVec v, int64_t, bool) HWY_ATTR { return hn::Add(v, hn::Set(d, offset)); });
}
void Add(const float* x, const float* y, float* to, int64_t count) {
    MapRow(x, to, count, [=](FloatTag d, FloatVec v, int64_t i, bool isRest) HWY_ATTR {
        return hn::Add(v, isRest ? LoadRest(d, y + i, count - i, 1.0F) : hn::LoadU(d, y + i));
    });
}
void Normalize(const float* x, float mean, float factor, const float* scale, const float* bias, float* to,
               int64_t count) {
    MapRow(x, to, count, [=](FloatTag d, FloatVec v, int64_t i, bool isRest) HWY_ATTR {
        FloatVec y = hn::Mul(hn::Sub(v, hn::Set(d, mean)), hn::Set(d, factor));
        if (scale != nullptr) {
            y = hn::Mul(y, isRest ? LoadRest(d, scale + i, count - i, 1.0F) : hn::LoadU(d, scale + i));
        }
        if (bias != nullptr) {
            y = hn::Add(y, isRest ? LoadRest(d, bias + i, count - i, 1.0F) : hn::LoadU(d, bias + i));
        }
        return y;
    });
}
void DivideByPower(const float* x, const float* squares, float factor, float bias, float power, float* to,
                   int64_t count) {
    const auto map = [=](auto raise) HWY_ATTR {
        MapRow(x, to, count, [=](FloatTag d, FloatVec v, int64_t i, bool isRest) HWY_ATTR {
            const FloatVec sum = isRest ? LoadRest(d, squares + i, count - i, 1.0F) : hn::LoadU(d, squares + i);
            return raise(d, v, hn::MulAdd(sum, hn::Set(d, factor), hn::Set(d, bias)));
        });
    };
    // What networks have are square roots.
    if (power == 0.75F) {
        map([](FloatTag, FloatVec v, FloatVec t) HWY_ATTR {
            const FloatVec root = hn::Sqrt(t);
            return hn::Div(v, hn::Mul(root, hn::Sqrt(root)));
        });
    } else if (power == 0.5F) {
        map([](FloatTag, FloatVec v, FloatVec t) HWY_ATTR { return hn::Div(v, hn::Sqrt(t)); });
    } else {
        map([=](FloatTag d, FloatVec v, FloatVec t)
                HWY_ATTR { return hn::Mul(v, ExpOf(d, hn::Mul(LogOf(d, t), hn::Set(d, -power)))); });
    }
}

template <class Function>
HWY_INLINE void TwoRows(float* into, const float* x, int64_t count, Function function) {
    const FloatTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        hn::StoreU(function(d, hn::LoadU(d, into + i), hn::LoadU(d, x + i)), d, into + i);
    }
    if (i < count) {
        StoreRest(d, function(d, LoadRest(d, into + i, count - i, 1.0F), LoadRest(d, x + i, count - i, 1.0F)), into + i,
                  count - i);
    }
}
void MaxInto(float* into, const float* x, int64_t count) { TwoRows(into, x, count, MaxStep{}); }
void MinInto(float* into, const float* x, int64_t count) { TwoRows(into, x, count, MinStep{}); }
void AddInto(float* into, const float* x, int64_t count) { TwoRows(into, x, count, AddStep{}); }
void MultiplyInto(float* into, const float* x, int64_t count) { TwoRows(into, x, count, MultiplyStep{}); }
void AddSquaresInto(float* into, const float* x, int64_t count) { TwoRows(into, x, count, AddSquareStep{0.0F}); }
void AddAbsInto(float* into, const float* x, int64_t count) { TwoRows(into, x, count, AddAbsStep{}); }
void AddScaledInto(float* into, const float* x, float factor, int64_t count) {
    TwoRows(into, x, count,
            [=](FloatTag d, FloatVec a, FloatVec v) HWY_ATTR { return hn::MulAdd(v, hn::Set(d, factor), a); });
}
void ExpMinusColumns(const float* x, const float* top, float* to, float* sums, int64_t count) {
    MapRow(x, to, count, [=](FloatTag d, FloatVec v, int64_t i, bool isRest) HWY_ATTR {
        const FloatVec offset = isRest ? LoadRest(d, top + i, count - i, 1.0F) : hn::LoadU(d, top + i);
        const FloatVec y = ExpNegative(d, hn::Sub(v, offset));
        if (isRest) {
            StoreRest(d, hn::Add(LoadRest(d, sums + i, count - i, 1.0F), y), sums + i, count - i);
        } else {
            hn::StoreU(hn::Add(hn::LoadU(d, sums + i), y), d, sums + i);
        }
        return y;
    });
}
void MultiplyColumns(const float* x, const float* factors, float* to, int64_t count) {
    MapRow(x, to, count, [=](FloatTag d, FloatVec v, int64_t i, bool isRest) HWY_ATTR {
        return hn::Mul(v, isRest ? LoadRest(d, factors + i, count - i, 1.0F) : hn::LoadU(d, factors + i));
    });
}
void SubtractColumns(const float* x, const float* offsets, float* to, int64_t count) {
    MapRow(x, to, count, [=](FloatTag d, FloatVec v, int64_t i, bool isRest) HWY_ATTR {
        return hn::Sub(v, isRest ? LoadRest(d, offsets + i, count - i, 1.0F) : hn::LoadU(d, offsets + i));
    });
}

const RowTable& Rows() {
    static const RowTable table{Max,
                                Min,
                                Sum,
                                SumOfSquares,
                                Variance,
                                SumOfAbs,
                                Product,
                                Dot,
                                ExpMinus,
                                Scale,
                                Shift,
                                Add,
                                Normalize,
                                DivideByPower,
                                MaxInto,
                                MinInto,
                                AddInto,
                                AddScaledInto,
                                MultiplyInto,
                                AddSquaresInto,
                                AddAbsInto,
                                ExpMinusColumns,
                                MultiplyColumns,
                                SubtractColumns};
    return table;
}

} // namespace HWY_NAMESPACE
} // namespace tenon::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon::cpu {

HWY_EXPORT(Rows);
const RowTable& rowTable() { return HWY_DYNAMIC_DISPATCH(Rows)(); }

void dealRow(const float* x, int64_t count, int64_t stride, int64_t phase, float* to) {
    if (stride == 2) {
        const int64_t pairs = count / 2;
        for (int64_t i = 0; i < pairs; ++i) {
            to[i] = x[2 * i];
            to[phase + i] = x[2 * i + 1];
        }
        if (count % 2 != 0) {
            to[pairs] = x[count - 1];
        }
        return;
    }
    for (int64_t p = 0; p < stride; ++p) {
        for (int64_t i = p; i < count; i += stride) {
            to[p * phase + i / stride] = x[i];
        }
    }
}

const float* readRow(TnDataType type, const void* tensor, int64_t first, int64_t count, float* scratch) {
    if (type == TN_F32) {
        return static_cast<const float*>(tensor) + first;
    }
    StepArgs args{};
    args.a = static_cast<const uint16_t*>(tensor) + first;
    args.to = scratch;
    args.count = count;
    stepTable().of(type == TN_F16 ? Step::kLoadF16 : Step::kLoadBf16, ElementClass::kFloat)(args);
    return scratch;
}

float* targetRow(TnDataType type, void* tensor, int64_t first, float* scratch) {
    return type == TN_F32 ? static_cast<float*>(tensor) + first : scratch;
}

void finishRow(TnDataType type, void* tensor, int64_t first, int64_t count, const float* row) {
    if (type == TN_F32) {
        return;
    }
    StepArgs args{};
    args.a = row;
    args.to = static_cast<uint16_t*>(tensor) + first;
    args.count = count;
    stepTable().of(type == TN_F16 ? Step::kStoreF16 : Step::kStoreBf16, ElementClass::kFloat)(args);
}

} // namespace tenon::cpu
#endif
