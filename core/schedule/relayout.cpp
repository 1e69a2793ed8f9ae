#include "core/schedule/relayout.h"

#include "core/ir/half.h"
#include "core/schedule/build_threads.h"
#include "core/schedule/tensor_data.h"

#include <algorithm>
#include <cstring>

namespace tenon::schedule {

namespace {

struct Half {
    uint16_t bits;
};
struct Brain {
    uint16_t bits;
};

float widen(Half value) { return ir::halfToFloat(value.bits); }
float widen(Brain value) { return ir::bfloat16ToFloat(value.bits); }
float widen(float value) { return value; }
double widen(double value) { return value; }

template <class From>
void narrow(From from, Half& to) {
    to.bits = ir::floatToHalf(static_cast<float>(widen(from)));
}
template <class From>
void narrow(From from, Brain& to) {
    to.bits = ir::floatToBfloat16(static_cast<float>(widen(from)));
}
template <class From>
void narrow(From from, float& to) {
    to = static_cast<float>(widen(from));
}
template <class From>
void narrow(From from, double& to) {
    to = static_cast<double>(widen(from));
}

template <class Use>
void withFloat(ir::DataType type, Use&& use) {
    if (type == ir::DataType::kF16) {
        use(Half());
    } else if (type == ir::DataType::kBF16) {
        use(Brain());
    } else if (type == ir::DataType::kF32) {
        use(float());
    } else {
        use(double());
    }
}

template <class Use>
void withWord(int64_t bytes, Use&& use) {
    if (bytes == 1) {
        use(uint8_t());
    } else if (bytes == 2) {
        use(uint16_t());
    } else if (bytes == 4) {
        use(uint32_t());
    } else {
        use(uint64_t());
    }
}

bool isWide(ir::DataType type) {
    return type == ir::DataType::kF16 || type == ir::DataType::kBF16 || type == ir::DataType::kF32 ||
           type == ir::DataType::kF64;
}

bool isStructural(const PortLayout& port) {
    const bool blocksAndPitch = port.format.block_count > 0 && port.format.outer_pitch > 0;
    return !ir::isOpaque(port.format) && !blocksAndPitch &&
           ir::bitsOf(static_cast<ir::DataType>(port.dtype)) % 8 == 0 &&
           static_cast<ir::DataType>(port.dtype) != ir::DataType::kString;
}

// A structural layout adds up what each coordinate contributes: by dimension and coordinate, in elements.
using Offsets = std::vector<std::vector<int64_t>>;

Offsets offsetsOf(const TnFormat& format, const std::vector<int64_t>& dims) {
    Offsets offsets(dims.size());
    std::vector<int64_t> coordinate(dims.size() + 1, 0);
    for (size_t d = 0; d < dims.size(); ++d) {
        for (int64_t i = 0; i < dims[d]; ++i) {
            coordinate[d] = i;
            offsets[d].push_back(ir::offsetOf(format, dims.data(), coordinate.data()));
        }
        coordinate[d] = 0;
    }
    return offsets;
}

// Rows of the last dimension, in pieces that are worth a thread.
template <class Move>
void forRows(const std::vector<int64_t>& dims, const Offsets& from, const Offsets& to, const Move& move) {
    constexpr int64_t kPieceElements = 1 << 18;
    const int64_t length = dims.empty() ? 1 : dims.back();
    int64_t rows = 1;
    for (size_t d = 0; d + 1 < dims.size(); ++d) {
        rows *= dims[d];
    }
    if (rows == 0 || length == 0) {
        return;
    }
    const int64_t step = std::max<int64_t>(1, kPieceElements / length);
    const auto piece = [&](size_t index) {
        const int64_t first = static_cast<int64_t>(index) * step;
        for (int64_t row = first; row < std::min(rows, first + step); ++row) {
            int64_t rest = row;
            int64_t source = 0;
            int64_t target = 0;
            for (size_t d = dims.empty() ? 0 : dims.size() - 1; d-- > 0;) {
                const auto at = static_cast<size_t>(rest % dims[d]);
                source += from[d][at];
                target += to[d][at];
                rest /= dims[d];
            }
            move(source, target, static_cast<size_t>(length));
        }
    };
    inParallel(static_cast<size_t>((rows + step - 1) / step), piece, [] { return false; });
}

template <class From, class To, class Convert>
void moveAll(const std::vector<int64_t>& dims, const PortLayout& fromPort, const PortLayout& toPort,
             const std::byte* from, std::byte* to, const Convert& convert) {
    const Offsets sources = offsetsOf(fromPort.format, dims);
    const Offsets targets = offsetsOf(toPort.format, dims);
    static constexpr int64_t kOrigin[] = {0};
    const int64_t* const sourceRow = dims.empty() ? &kOrigin[0] : sources.back().data();
    const int64_t* const targetRow = dims.empty() ? &kOrigin[0] : targets.back().data();
    forRows(dims, sources, targets, [&](int64_t source, int64_t target, size_t length) {
        for (size_t i = 0; i < length; ++i) {
            From read;
            To written;
            std::memcpy(&read, from + (source + sourceRow[i]) * static_cast<int64_t>(sizeof(From)), sizeof(From));
            convert(read, written);
            std::memcpy(to + (target + targetRow[i]) * static_cast<int64_t>(sizeof(To)), &written, sizeof(To));
        }
    });
}

} // namespace

bool canRelayout(const PortLayout& from, const PortLayout& to) {
    const auto a = static_cast<ir::DataType>(from.dtype);
    const auto b = static_cast<ir::DataType>(to.dtype);
    return isStructural(from) && isStructural(to) && from.format.rank == to.format.rank &&
           (a == b || (isWide(a) && isWide(b)));
}

support::Result<ir::ConstantPtr> relayout(const ir::ConstantPtr& from, const PortLayout& fromPort,
                                          const PortLayout& toPort) {
    if (fromPort.dtype == toPort.dtype && ir::equal(fromPort.format, toPort.format)) {
        return from;
    }
    const auto fromType = static_cast<ir::DataType>(fromPort.dtype);
    const auto toType = static_cast<ir::DataType>(toPort.dtype);
    const int64_t bytes = ir::bytesOf(toPort.format, toType, from->dims.data());
    const std::shared_ptr<std::byte> memory = bytes < 0 ? nullptr : pagesFor(bytes);
    if (!memory) {
        return support::makeError(support::Code::kOutOfMemory, "no memory for a tensor of ", from->elements(),
                                  " elements");
    }
    if (fromType == toType) {
        withWord(ir::bitsOf(fromType) / 8, [&](auto word) {
            using Word = decltype(word);
            moveAll<Word, Word>(from->dims, fromPort, toPort, from->data, memory.get(), [](Word a, Word& b) { b = a; });
        });
    } else {
        withFloat(fromType, [&](auto source) {
            withFloat(toType, [&](auto target) {
                using Source = decltype(source);
                using Target = decltype(target);
                moveAll<Source, Target>(from->dims, fromPort, toPort, from->data, memory.get(),
                                        [](Source a, Target& b) { narrow(a, b); });
            });
        });
    }
    auto made = std::make_shared<ir::Constant>();
    made->dtype = toType;
    made->dims = from->dims;
    made->owner = memory;
    made->data = memory.get();
    made->bytes = bytes;
    return ir::ConstantPtr(std::move(made));
}

} // namespace tenon::schedule
