// arg.max, arg.min and topk of floats. What lies along the axis is searched by vectors, rows of neighbours where the axis is an outer one; other
// element types go the reference's way.
#include "backends/cpu/simd/order.h"
#include "backends/common/parallel.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/simd/rows.h"
#include "backends/reference/ops.h"

#include <algorithm>
#include <cstring>
#include <functional>

namespace tenon::cpu {

namespace {

// Elements converted at a time, and columns searched at a time: they stay in the first-level cache.
constexpr int64_t kPiece = 4096;
constexpr int64_t kStripe = 1024;
// Lines of an outer axis that are read together: what a cache line holds.
constexpr int64_t kLines = 16;

const KernelTable& plainOrder() {
    static const KernelTable table = [] {
        KernelTable made;
        reference::addOrder(made);
        return made;
    }();
    return table;
}
Plan planPlain(const Call& call) { return plainOrder().find(call.op())->plan(call); }

struct Axis {
    TnDataType type;
    int64_t outer, length, inner; // the input is [outer, length, inner]
};

// False for what the vector loops do not take.
bool readAxis(const Call& call, int64_t fallback, Axis& axis) {
    const Dims& dims = call.in(0).dims;
    if (dims.empty() || (maskOf(call.in(0).dtype) & kVectorFloats) == 0) {
        return false;
    }
    const auto at = static_cast<size_t>(call.axis("axis", fallback, dims.size()));
    axis = {call.in(0).dtype, product(dims, 0, at), dims[at], product(dims, at + 1, dims.size())};
    return axis.length > 0 && axis.length <= INT32_MAX && axis.outer * axis.inner > 0;
}

Plan planArg(const Call& call) {
    Axis axis{};
    if (!readAxis(call, 0, axis)) {
        return planPlain(call);
    }
    const bool wantsLeast = call.op() == "arg.min";
    const bool wantsLast = call.intOr("select_last", 0) != 0;
    const int threads = call.threads();
    Plan plan;
    plan.workspace = threads * (kPiece + 2 * kStripe) * static_cast<int64_t>(sizeof(float));
    if (axis.inner == 1) {
        const int64_t team = teamFor(threads, axis.outer, axis.length / 4 + 8);
        plan.run = [=](const Buffers& b) {
            parallelTeam(team, axis.outer, [&](int64_t member, int64_t begin, int64_t end) {
                float* scratch = static_cast<float*>(b.workspace) + member * kPiece;
                for (int64_t row = begin; row < end; ++row) {
                    Foremost found;
                    for (int64_t i = 0; i < axis.length; i += kPiece) {
                        const int64_t count = std::min(kPiece, axis.length - i);
                        const float* x = readRow(axis.type, b.inputs[0], row * axis.length + i, count, scratch);
                        const Foremost next = orderTable().inRow(x, count, wantsLeast, wantsLast);
                        if (next.key > found.key || (wantsLast && next.key == found.key)) {
                            found = {next.key, i + next.place};
                        }
                    }
                    b.out<int64_t>()[row] = found.place;
                }
            });
            return Code::kOk;
        };
        return plan;
    }
    const int64_t stripes = (axis.inner + kStripe - 1) / kStripe;
    const int64_t team = teamFor(threads, axis.outer * stripes, axis.length * std::min(axis.inner, kStripe) / 4);
    plan.run = [=](const Buffers& b) {
        parallelTeam(team, axis.outer * stripes, [&](int64_t member, int64_t begin, int64_t end) {
            float* scratch = static_cast<float*>(b.workspace) + member * (kPiece + 2 * kStripe);
            auto* keys = static_cast<int32_t*>(static_cast<void*>(scratch + kPiece));
            int32_t* places = keys + kStripe;
            for (int64_t item = begin; item < end; ++item) {
                const int64_t block = item / stripes;
                const int64_t column = item % stripes * kStripe;
                const int64_t width = std::min(kStripe, axis.inner - column);
                std::fill(keys, keys + width, Foremost().key);
                for (int64_t i = 0; i < axis.length; ++i) {
                    const int64_t first = (block * axis.length + i) * axis.inner + column;
                    const float* x = readRow(axis.type, b.inputs[0], first, width, scratch);
                    orderTable().intoColumns(keys, places, x, static_cast<int32_t>(i), wantsLeast, wantsLast, width);
                }
                std::copy(places, places + width, b.out<int64_t>() + block * axis.inner + column);
            }
        });
        return Code::kOk;
    };
    return plan;
}

// The foremost k of what it is shown, as words (order.h). It holds more than k and drops the others now and then, so that most elements cost one
// comparison with the last that counts.
class Selection {
public:
    static int64_t wordsFor(int64_t k) { return 2 * k + kLeastRoom; }

    Selection(int64_t k, bool wantsLeast, uint64_t* words) : mK(k), mWantsLeast(wantsLeast), mWords(words) {}

    void take(const float* x, int64_t count, int64_t place) {
        while (count > 0) {
            int64_t read = 0;
            mHeld += orderTable().wordsAbove(mAbove, x, count, mWantsLeast, static_cast<uint32_t>(place),
                                             mWords + mHeld, wordsFor(mK) - mHeld, &read);
            x += read;
            place += read;
            count -= read;
            if (count > 0) {
                cut();
            }
        }
    }
    // Leaves those that count, in no order.
    void cut() {
        if (mHeld > mK) {
            std::nth_element(mWords, mWords + mK - 1, mWords + mHeld, std::greater<>());
            mHeld = mK;
            mAbove = keyOfWord(mWords[mK - 1]);
        }
    }
    int64_t held() const { return mHeld; }

private:
    int64_t mK;
    bool mWantsLeast;
    uint64_t* mWords;
    int64_t mHeld = 0;
    int32_t mAbove = Foremost().key;
};

struct Topk {
    Axis axis;
    int64_t k;
    bool wantsLeast, wantsIndices;
};

// Sorts the words of a line and writes its results.
void writeLine(const Topk& t, int64_t outer, int64_t inner, uint64_t* words, int64_t held, const Buffers& b) {
    std::partial_sort(words, words + t.k, words + held, std::greater<>());
    const size_t bytes = static_cast<size_t>(bytesOf(t.axis.type));
    for (int64_t i = 0; i < t.k; ++i) {
        const int64_t place = placeOfWord(words[i]);
        const int64_t to = (outer * t.k + i) * t.axis.inner + inner;
        if (b.outputs[0] != nullptr) {
            const int64_t from = (outer * t.axis.length + place) * t.axis.inner + inner;
            std::memcpy(b.bytesOut() + static_cast<size_t>(to) * bytes,
                        b.bytesIn(0) + static_cast<size_t>(from) * bytes, bytes);
        }
        if (t.wantsIndices) {
            b.out<int64_t>(1)[to] = place;
        }
    }
}

void takeRow(const Topk& t, int64_t row, int64_t begin, int64_t end, float* scratch, Selection& selection,
             const Buffers& b) {
    for (int64_t i = begin; i < end; i += kPiece) {
        const int64_t count = std::min(kPiece, end - i);
        selection.take(readRow(t.axis.type, b.inputs[0], row * t.axis.length + i, count, scratch), count, i);
    }
}

// Neighbouring lines of an outer axis, turned into rows.
void searchLines(const Topk& t, int64_t outer, int64_t column, float* scratch, uint64_t* words, const Buffers& b) {
    const Axis& axis = t.axis;
    const int64_t lines = std::min(kLines, axis.inner - column);
    float converted[kLines];
    for (int64_t i = 0; i < axis.length; ++i) {
        const int64_t first = (outer * axis.length + i) * axis.inner + column;
        const float* x = readRow(axis.type, b.inputs[0], first, lines, converted);
        for (int64_t line = 0; line < lines; ++line) {
            scratch[line * axis.length + i] = x[line];
        }
    }
    for (int64_t line = 0; line < lines; ++line) {
        Selection selection(t.k, t.wantsLeast, words);
        selection.take(scratch + line * axis.length, axis.length, 0);
        writeLine(t, outer, column + line, words, selection.held(), b);
    }
}

Plan planTopk(const Call& call) {
    Topk t{};
    const Dims& out = call.out(call.wants(0) ? 0 : 1).dims; // either may be unread
    if (!readAxis(call, -1, t.axis) || out.size() != call.in(0).dims.size()) {
        return planPlain(call);
    }
    t.k = out[static_cast<size_t>(call.axis("axis", -1, out.size()))];
    t.wantsLeast = call.intOr("largest", 1) == 0;
    t.wantsIndices = call.wants(1);
    const Axis& axis = t.axis;
    if (t.k < 1 || t.k > axis.length) {
        return planPlain(call); // nothing to do, or to be said
    }
    const int threads = call.threads();
    const int64_t words = Selection::wordsFor(t.k) + 1; // the last one counts the others where several search one line
    // Which way is taken depends on extents; the size of the workspace must only rise with them.
    const bool isLastAxis = call.axis("axis", -1, out.size()) + 1 == static_cast<int64_t>(out.size());
    const int64_t scratch = isLastAxis ? kPiece : std::max(kPiece, kLines * axis.length);
    Plan plan;
    plan.workspace =
        threads * (words * static_cast<int64_t>(sizeof(uint64_t)) + scratch * static_cast<int64_t>(sizeof(float)));
    const auto wordsOf = [=](const Buffers& b, int64_t member) {
        return static_cast<uint64_t*>(b.workspace) + member * words;
    };
    const auto scratchOf = [=](const Buffers& b, int64_t member) {
        return static_cast<float*>(static_cast<void*>(static_cast<uint64_t*>(b.workspace) + threads * words)) +
               member * scratch;
    };
    const int64_t stripes = (axis.inner + kLines - 1) / kLines;
    const int64_t cost = axis.length / 4 + 16 * t.k;
    if (axis.inner == 1 && axis.outer < threads && axis.length >= 2 * kPiece) {
        // Few long lines: parts of each are searched by all, and what they found by one.
        const int64_t team = teamFor(threads, axis.length / kPiece, kPiece / 4);
        plan.run = [=](const Buffers& b) {
            for (int64_t row = 0; row < axis.outer; ++row) {
                parallelTeam(team, axis.length, [&](int64_t member, int64_t begin, int64_t end) {
                    Selection selection(t.k, t.wantsLeast, wordsOf(b, member));
                    takeRow(t, row, begin, end, scratchOf(b, member), selection, b);
                    selection.cut();
                    wordsOf(b, member)[words - 1] = static_cast<uint64_t>(selection.held());
                });
                uint64_t* all = wordsOf(b, 0);
                auto sum = static_cast<int64_t>(all[words - 1]);
                for (int64_t member = 1; member < team; ++member) {
                    const auto own = static_cast<int64_t>(wordsOf(b, member)[words - 1]);
                    std::memmove(all + sum, wordsOf(b, member), static_cast<size_t>(own) * sizeof(uint64_t));
                    sum += own;
                }
                writeLine(t, row, 0, all, sum, b);
            }
            return Code::kOk;
        };
        return plan;
    }
    const int64_t items = axis.outer * stripes;
    const int64_t team = teamFor(threads, items, cost * std::min(axis.inner, kLines));
    plan.run = [=](const Buffers& b) {
        parallelTeam(team, items, [&](int64_t member, int64_t begin, int64_t end) {
            for (int64_t item = begin; item < end; ++item) {
                if (axis.inner == 1) {
                    Selection selection(t.k, t.wantsLeast, wordsOf(b, member));
                    takeRow(t, item, 0, axis.length, scratchOf(b, member), selection, b);
                    writeLine(t, item, 0, wordsOf(b, member), selection.held(), b);
                } else {
                    searchLines(t, item / stripes, item % stripes * kLines, scratchOf(b, member), wordsOf(b, member),
                                b);
                }
            }
        });
        return Code::kOk;
    };
    return plan;
}

} // namespace

void addOrder(KernelTable& table) {
    for (const auto& [op, def] : plainOrder()) {
        KernelDef own = def;
        own.plan = op == "topk" ? planTopk : op.starts_with("arg.") ? planArg : def.plan;
        table.add(own);
    }
}

} // namespace tenon::cpu
