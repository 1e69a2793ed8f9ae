#include "backends/cpu/program_runner.h"

#include <algorithm>
#include <cstring>

namespace tenon::cpu {

namespace {

StepFunction loaderOf(TnDataType dtype) {
    const Step step = dtype == TN_F16    ? Step::kLoadF16
                      : dtype == TN_BF16 ? Step::kLoadBf16
                      : dtype == TN_U8   ? Step::kLoadU8
                      : dtype == TN_I8   ? Step::kLoadI8
                                         : Step::kCount;
    const ElementClass type = dtype == TN_U8 || dtype == TN_I8 ? ElementClass::kInt : ElementClass::kFloat;
    return step == Step::kCount ? nullptr : stepTable().of(step, type);
}

StepFunction storerOf(TnDataType dtype) {
    const Step step = dtype == TN_F16    ? Step::kStoreF16
                      : dtype == TN_BF16 ? Step::kStoreBf16
                      : dtype == TN_U8   ? Step::kStoreU8
                      : dtype == TN_I8   ? Step::kStoreI8
                                         : Step::kCount;
    const ElementClass type = dtype == TN_U8 || dtype == TN_I8 ? ElementClass::kInt : ElementClass::kFloat;
    return step == Step::kCount ? nullptr : stepTable().of(step, type);
}

void convertRun(TnDataType dtype, ElementClass type, const std::byte* from, int64_t count, std::byte* to) {
    const StepFunction loader = loaderOf(dtype);
    if (loader == nullptr) {
        std::memcpy(to, from, static_cast<size_t>(count * bytesOfClass(type)));
        return;
    }
    StepArgs args{};
    args.to = to;
    args.a = from;
    args.count = count;
    loader(args);
}

template <class T>
void fillRun(std::byte* to, int64_t count) {
    T value;
    std::memcpy(&value, to, sizeof value);
    std::fill(reinterpret_cast<T*>(to), reinterpret_cast<T*>(to) + count, value);
}

// A row of an operand into a register: neighbours, one element repeated, or elements some distance apart.
void loadRow(const Operand& operand, const std::byte* from, int64_t count, std::byte* to) {
    const int64_t size = bytesOf(operand.dtype);
    const int64_t registerSize = bytesOfClass(operand.type);
    if (operand.columnStride == 1) {
        convertRun(operand.dtype, operand.type, from, count, to);
        return;
    }
    if (operand.columnStride == 0) {
        convertRun(operand.dtype, operand.type, from, 1, to);
        switch (registerSize) {
        case 8:
            fillRun<uint64_t>(to, count);
            break;
        case 4:
            fillRun<uint32_t>(to, count);
            break;
        default:
            fillRun<uint8_t>(to, count);
            break;
        }
        return;
    }
    for (int64_t i = 0; i < count; ++i) {
        convertRun(operand.dtype, operand.type, from + i * operand.columnStride * size, 1, to + i * registerSize);
    }
}

// `rows` times what is there once, by copies of what has been copied: rows may be as short as a vector.
void repeatRow(std::byte* to, int64_t bytes, int64_t rows) {
    const int64_t all = bytes * rows;
    for (int64_t done = bytes; done < all; done *= 2) {
        std::memcpy(to + done, to, static_cast<size_t>(std::min(done, all - done)));
    }
}

} // namespace

bool isNatural(TnDataType dtype) { return loaderOf(dtype) == nullptr; }

void Runner::run(const Buffers& b, std::byte* scratch, int64_t firstTile, int64_t lastTile) const {
    // Registers point into slots, inputs or outputs.
    constexpr int32_t kMostRegisters = 1024;
    std::byte* pointers[kMostRegisters];
    for (const Action& action : once) {
        pointers[action.target] = scratch + action.slot * slotBytes;
        loadRow(inputs[static_cast<size_t>(action.port)], static_cast<const std::byte*>(b.inputs[action.port]),
                tileRows * tileColumns, pointers[action.target]);
    }
    // What the slots of repeated rows hold.
    struct Repeated {
        const std::byte* from;
        int64_t width;
        int64_t count;
    };
    Repeated repeated[kMostRegisters];
    for (const Action& action : actions) {
        if (action.repeats) {
            repeated[action.target] = {};
        }
    }
    const size_t outerRank = loop.dims.size() > 2 ? loop.dims.size() - 2 : 0;
    for (int64_t tile = firstTile; tile < lastTile; ++tile) {
        const int64_t column = tile % columnTiles * tileColumns;
        const int64_t row = tile / columnTiles % rowTiles * tileRows;
        const int64_t width = std::min(tileColumns, columns - column);
        const int64_t height = std::min(tileRows, rows - row);
        const int64_t count = width * height;
        int64_t rest = tile / (columnTiles * rowTiles);
        int64_t coordinate[3 * TN_MAX_DIMS];
        for (size_t d = outerRank; d-- > 0;) {
            coordinate[d] = rest % loop.dims[d];
            rest /= loop.dims[d];
        }
        const auto offsetOf = [&](size_t operand, int64_t rowStride, int64_t columnStride) {
            int64_t offset = row * rowStride + column * columnStride;
            for (size_t d = 0; d < outerRank; ++d) {
                offset += coordinate[d] * loop.strides[operand][d];
            }
            return offset;
        };
        const int64_t outputOffset = offsetOf(0, columns, 1);
        for (const Action& action : actions) {
            switch (action.kind) {
            case ActionKind::kPoint: {
                const Operand& operand = inputs[static_cast<size_t>(action.port)];
                const int64_t offset =
                    offsetOf(static_cast<size_t>(action.port) + 1, operand.rowStride, operand.columnStride);
                // Read only: no step writes to a register that is an input.
                pointers[action.target] = const_cast<std::byte*>(static_cast<const std::byte*>(b.inputs[action.port])) +
                                          offset * bytesOf(operand.dtype);
                break;
            }
            case ActionKind::kLoad: {
                const Operand& operand = inputs[static_cast<size_t>(action.port)];
                const int64_t size = bytesOf(operand.dtype);
                const auto* from =
                    static_cast<const std::byte*>(b.inputs[action.port]) +
                    offsetOf(static_cast<size_t>(action.port) + 1, operand.rowStride, operand.columnStride) * size;
                std::byte* to = scratch + action.slot * slotBytes;
                pointers[action.target] = to;
                if (operand.columnStride == 1 && (height == 1 || operand.rowStride == width)) {
                    convertRun(operand.dtype, operand.type, from, count, to);
                    break;
                }
                const int64_t rowBytes = width * bytesOfClass(operand.type);
                if (action.repeats) {
                    Repeated& there = repeated[action.target];
                    if (there.from != from || there.width != width || there.count < count) {
                        loadRow(operand, from, width, to);
                        repeatRow(to, rowBytes, height);
                        there = {from, width, count};
                    }
                    break;
                }
                for (int64_t r = 0; r < height; ++r) {
                    loadRow(operand, from + r * operand.rowStride * size, width, to + r * rowBytes);
                }
                break;
            }
            case ActionKind::kStep: {
                const ProgramStep& step = action.step;
                pointers[action.target] =
                    action.outputPort >= 0 ? static_cast<std::byte*>(b.outputs[action.outputPort]) +
                                                 outputOffset * bytesOf(outputs[static_cast<size_t>(action.outputPort)])
                                           : scratch + action.slot * slotBytes;
                StepArgs args{};
                args.to = pointers[action.target];
                args.a = pointers[step.operands[0]];
                args.b = step.operands[1] >= 0 ? pointers[step.operands[1]] : nullptr;
                args.c = step.operands[2] >= 0 ? pointers[step.operands[2]] : nullptr;
                args.count = count;
                args.p0 = step.p0;
                args.p1 = step.p1;
                args.low = step.low;
                args.high = step.high;
                args.scalarB = action.scalarB;
                action.function(args);
                break;
            }
            case ActionKind::kStore: {
                const TnDataType dtype = outputs[static_cast<size_t>(action.port)];
                std::byte* to = static_cast<std::byte*>(b.outputs[action.port]) + outputOffset * bytesOf(dtype);
                const StepFunction storer = storerOf(dtype);
                if (storer == nullptr) {
                    if (to != pointers[action.target]) {
                        std::memcpy(to, pointers[action.target], static_cast<size_t>(count * bytesOf(dtype)));
                    }
                    break;
                }
                StepArgs args{};
                args.to = to;
                args.a = pointers[action.target];
                args.count = count;
                storer(args);
                break;
            }
            }
        }
    }
}

} // namespace tenon::cpu
