#include "backends/cpu/concat.h"

#include "backends/common/parallel.h"
#include "backends/common/ports.h"

#include <algorithm>
#include <cstring>

namespace tenon::cpu {

namespace {

// A thread copies about so much at a time.
constexpr int64_t kPieceBytes = 64 * 1024;

// Some rows of an input, or a part of one.
struct Piece {
    size_t input;
    int64_t rows;
    int64_t bytes; // of each row
    int64_t from;
    int64_t fromRow;
    int64_t to;
    int64_t toRow;
};

int32_t axisOf(const module::GraphView& body) {
    const module::NodeView node = body.node(0);
    const int32_t rank = node.output(0).rank();
    const auto axis = static_cast<int32_t>(node.intOr("axis", 0));
    return axis < 0 ? axis + rank : axis;
}

void copy(const Piece& piece, const Buffers& b) {
    const char* from = b.bytesIn(piece.input) + piece.from;
    char* to = b.bytesOut() + piece.to;
    for (int64_t row = 0; row < piece.rows; ++row) {
        std::memcpy(to, from, static_cast<size_t>(piece.bytes));
        from += piece.fromRow;
        to += piece.toRow;
    }
}

} // namespace

void checkConcat(const Task& task) {
    const module::GraphView& body = task.body;
    if (body.nodeCount() != 1 || body.node(0).op() != "concat" || task.outputs.size() != 1) {
        refuse("no concatenation");
    }
    const TnFormat& format = task.outputs[0].format;
    const int32_t axis = axisOf(body);
    if (module::isOpaque(format) || format.outer_pitch != 0 || axis < 0 || axis >= format.rank ||
        bitsOf(task.outputs[0].dtype) % 8 != 0 || bitsOf(task.outputs[0].dtype) == 0) {
        refuse("a concatenation in the layout ", module::describe(format));
    }
    for (int32_t i = 0; i < format.block_count; ++i) {
        if (format.blocks[i].dim != axis) {
            refuse("a concatenation along another dimension than the blocks of ", module::describe(format));
        }
    }
    for (size_t i = 0; i < task.inputs.size(); ++i) {
        const module::ValueView input = body.value(body.inputs()[i]);
        if (!module::equal(task.inputs[i].format, format) || task.inputs[i].dtype != task.outputs[0].dtype) {
            refuse("a concatenation of different layouts or types");
        }
        if (format.block_count > 0 &&
            (!input.isStatic(axis) || input.dim(axis).opt % module::blockOf(format, axis) != 0)) {
            refuse("a concatenation of parts that do not fill the blocks of ", module::describe(format));
        }
    }
}

TaskPlan planConcat(const Task& task, const PortShapes& shapes) {
    const module::NodeView node = task.body.node(0);
    const TnFormat& format = task.outputs[0].format;
    const int32_t axis = axisOf(task.body);
    const Dims& result = shapes.outputs[0].dims;
    int64_t rows = 1; // of each input: what lies outside of the axis
    for (int32_t i = 0; format.order[i] != axis; ++i) {
        rows *= result[static_cast<size_t>(format.order[i])];
    }
    const int64_t bytes = bitsOf(task.outputs[0].dtype) / 8;
    const int64_t toRow = rows == 0 ? 0 : shapes.outputs[0].elements / rows * bytes;
    TaskPlan plan;
    plan.outputPorts = {0};
    std::vector<Piece> pieces;
    int64_t first = 0; // of an input in a row of the result
    for (int32_t i = 0; i < node.inputCount(); ++i) {
        const int32_t port = kernels::portOf(task.body.inputs(), node.inputIndex(i));
        plan.inputPorts.push_back(port);
        const int64_t row = rows == 0 ? 0 : shapes.inputs[static_cast<size_t>(port)].elements / rows * bytes;
        if (row == 0) {
            continue;
        }
        const int64_t parts = (row + kPieceBytes - 1) / kPieceBytes; // of a row
        const int64_t together = std::max<int64_t>(1, kPieceBytes / row);
        for (int64_t r = 0; r < rows; r += together) {
            for (int64_t p = 0; p < parts; ++p) {
                const int64_t begin = row * p / parts;
                pieces.push_back({static_cast<size_t>(i), std::min(together, rows - r), row * (p + 1) / parts - begin,
                                  r * row + begin, row, r * toRow + first + begin, toRow});
            }
        }
        first += row;
    }
    const int64_t team = teamFor(shapes.threads, static_cast<int64_t>(pieces.size()), kPieceBytes / 64);
    plan.plan.run = [pieces = std::move(pieces), team](const Buffers& b) {
        parallelTeam(team, static_cast<int64_t>(pieces.size()), [&](int64_t, int64_t begin, int64_t end) {
            for (int64_t p = begin; p < end; ++p) {
                copy(pieces[static_cast<size_t>(p)], b);
            }
        });
        return Code::kOk;
    };
    return plan;
}

} // namespace tenon::cpu
