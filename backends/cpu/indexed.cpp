#include "backends/cpu/indexed.h"

#include "backends/common/parallel.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tenon::cpu {

namespace {

template <class T>
T elementOf(TnDataType type, double value) {
    T bits{};
    if (contains(kFloats, type)) {
        dispatchFloat(type, [&](auto tag) {
            typename decltype(tag)::Type stored{};
            narrow(value, stored);
            std::memcpy(&bits, &stored, std::min(sizeof bits, sizeof stored));
        });
    } else if (type == TN_BOOL) {
        bits = value != 0 ? 1 : 0;
    } else if (contains(kInts, type)) {
        bits = static_cast<T>(value >= 0x1p63 ? INT64_MAX : value <= -0x1p63 ? INT64_MIN : static_cast<int64_t>(value));
    }
    return bits;
}

// A piece of the last dimension: neighbours in the input, the same element again and again, filler, or any order.
enum class PieceKind : uint8_t { kRun, kFill, kGather };
struct Piece {
    PieceKind kind;
    int64_t begin;
    int64_t count;
    int64_t from; // of a run its first source, of any order where its sources lie in Pieces::sources
};

struct Pieces {
    std::vector<Piece> list;
    Dims sources; // of pieces in any order
};

Pieces piecesOf(const Dims& sources) {
    Pieces result;
    std::vector<Piece>& pieces = result.list;
    const auto size = static_cast<int64_t>(sources.size());
    for (int64_t i = 0; i < size;) {
        int64_t end = i + 1;
        const int64_t first = sources[static_cast<size_t>(i)];
        if (first < 0) {
            while (end < size && sources[static_cast<size_t>(end)] < 0) {
                ++end;
            }
            pieces.push_back({PieceKind::kFill, i, end - i, -1});
        } else {
            while (end < size && sources[static_cast<size_t>(end)] == first + (end - i)) {
                ++end;
            }
            // Short runs one after the other are cheaper looked up.
            if (end - i >= 4) {
                pieces.push_back({PieceKind::kRun, i, end - i, first});
            } else {
                if (pieces.empty() || pieces.back().kind != PieceKind::kGather) {
                    pieces.push_back({PieceKind::kGather, i, 0, static_cast<int64_t>(result.sources.size())});
                }
                pieces.back().count += end - i;
                result.sources.insert(result.sources.end(), sources.begin() + i, sources.begin() + end);
            }
        }
        i = end;
    }
    return result;
}

} // namespace

Plan planIndexed(const Call& call, const Sources& sources, double fill, int32_t fillInput) {
    const TnDataType type = call.out().dtype;
    const Dims strides = rowMajorStrides(call.in(0).dims);
    const Dims out = call.out().dims;
    const int64_t length = out.empty() ? 1 : out.back();
    const int64_t rows = call.out().elements == 0 ? 0 : call.out().elements / length;
    const Pieces pieces = piecesOf(out.empty() ? Dims{0} : sources.back());
    // The last dimension is in pieces: a table of it would be as long as a line.
    const Sources outer(sources.begin(), out.empty() ? sources.begin() : sources.end() - 1);
    const int64_t team = teamFor(call.threads(), rows, length);
    const auto make = [&](auto zero) -> Plan {
        using T = decltype(zero);
        const T filler = elementOf<T>(type, fill);
        return {[=](const Buffers& b) {
                    T value = filler;
                    if (fillInput >= 0) {
                        std::memcpy(&value, b.inputs[fillInput], sizeof value);
                    }
                    parallelTeam(team, rows, [&](int64_t, int64_t begin, int64_t end) {
                        int64_t lastOrigin = -2;
                        for (int64_t row = begin; row < end; ++row) {
                            int64_t rest = row;
                            int64_t origin = 0;
                            for (size_t d = out.empty() ? 0 : out.size() - 1; d-- > 0;) {
                                const int64_t at = outer[d][static_cast<size_t>(rest % out[d])];
                                origin = at < 0 || origin < 0 ? -1 : origin + at * strides[d];
                                rest /= out[d];
                            }
                            T* to = b.out<T>() + row * length;
                            if (origin < 0) {
                                std::fill(to, to + length, value);
                            } else if (origin == lastOrigin) {
                                std::memcpy(to, to - length, static_cast<size_t>(length) * sizeof(T));
                            } else {
                                const T* from = b.in<T>(0) + origin;
                                for (const Piece& piece : pieces.list) {
                                    T* target = to + piece.begin;
                                    switch (piece.kind) {
                                    case PieceKind::kRun:
                                        std::memcpy(target, from + piece.from,
                                                    static_cast<size_t>(piece.count) * sizeof(T));
                                        break;
                                    case PieceKind::kFill:
                                        std::fill(target, target + piece.count, value);
                                        break;
                                    case PieceKind::kGather:
                                        for (int64_t i = 0; i < piece.count; ++i) {
                                            target[i] = from[pieces.sources[static_cast<size_t>(piece.from + i)]];
                                        }
                                        break;
                                    }
                                }
                            }
                            lastOrigin = origin;
                        }
                    });
                    return Code::kOk;
                },
                0};
    };
    switch (bytesOf(type)) {
    case 1:
        return make(uint8_t{});
    case 2:
        return make(uint16_t{});
    case 4:
        return make(uint32_t{});
    default:
        return make(uint64_t{});
    }
}

} // namespace tenon::cpu
