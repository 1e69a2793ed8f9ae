#include "backends/cublaslt/matmul.h"

#include "backends/common/ports.h"

#include <algorithm>
#include <span>

namespace tenon::cublaslt {

using kernels::Dims;
using kernels::invalid;
using kernels::refuse;
using nvidia::Step;
using nvidia::StepKind;

namespace {

Activation activationOf(const std::string& op) {
    if (op == "activation.relu") {
        return Activation::kRelu;
    }
    if (op == "activation.gelu_tanh") {
        return Activation::kGeluTanh;
    }
    if (op == "activation.gelu_erf") {
        return Activation::kGeluErf;
    }
    refuse("cuBLASLt has no epilogue for ", op);
}

// The sum of a product and a bias: which port the bias is. Throws Failure where it is something else.
int32_t biasOf(const module::GraphView& body, const module::NodeView& sum, int32_t product) {
    const bool first = sum.inputIndex(0) == product;
    const int32_t bias = sum.inputIndex(first ? 1 : 0);
    const int32_t port = kernels::portOf(body.inputs(), bias);
    const module::ValueView operand = body.value(bias);
    if (port < 0 || operand.rank() == 0 || !nvidia::sameExtent(operand.dim(-1), sum.output(0).dim(-1)) ||
        operand.maxElements() != operand.dim(-1).max) {
        refuse("among products of one operand, a sum that is no bias of one of them");
    }
    return port;
}

// Products of one A, each perhaps with a bias, each a result of the region.
Matmul readSiblings(const module::GraphView& body) {
    Matmul family;
    module::ValueView weights;
    std::vector<Sibling> members;
    std::vector<int32_t> values; // what each member has made so far
    for (size_t n = 0; n < body.nodeCount(); ++n) {
        const module::NodeView node = body.node(n);
        if (node.op() == "binary.add") {
            const auto product = std::find_if(values.begin(), values.end(), [&](int32_t value) {
                return value == node.inputIndex(0) || value == node.inputIndex(1);
            });
            Sibling* const member =
                product == values.end() ? nullptr : &members[static_cast<size_t>(product - values.begin())];
            if (member == nullptr || member->bias >= 0) {
                refuse("among products of one operand, a sum that is no bias of one of them");
            }
            member->bias = biasOf(body, node, *product);
            *product = node.outputIndex(0);
            continue;
        }
        if (node.op() != "matmul") {
            refuse("among products of one operand, ", node.op());
        }
        const bool isFirst = members.empty();
        Sibling member;
        const int32_t a = kernels::portOf(body.inputs(), node.inputIndex(0));
        member.b = kernels::portOf(body.inputs(), node.inputIndex(1));
        const bool transA = node.intOr("trans_a", 0) != 0;
        const bool transB = node.intOr("trans_b", 0) != 0;
        if (isFirst) {
            family.a = a;
            family.transA = transA;
            family.transB = transB;
            weights = node.input(1);
        }
        if (a < 0 || a != family.a || member.b < 0 || member.b == a || transA != family.transA ||
            transB != family.transB || node.input(1).rank() != 2 || !nvidia::sameExtents(node.input(1), weights)) {
            refuse("products that are not of one operand with matrices of one shape");
        }
        members.push_back(member);
        values.push_back(node.outputIndex(0));
    }
    for (size_t i = 0; i < members.size(); ++i) {
        members[i].output = kernels::portOf(body.outputs(), values[i]);
        if (members[i].output < 0 || (members[i].bias >= 0) != (members[0].bias >= 0)) {
            refuse("products of one operand must all have a bias or none, and all be results");
        }
    }
    if (members.size() != body.outputs().size()) {
        refuse("a region of products with other results than theirs");
    }
    family.b = members[0].b;
    family.bias = members[0].bias;
    family.output = members[0].output;
    family.siblings.assign(members.begin() + 1, members.end());
    return family;
}

} // namespace

Matmul readMatmul(const module::GraphView& body) {
    if (body.nodeCount() == 0 || body.node(0).op() != "matmul") {
        refuse("cublaslt computes matmul with what follows it, not ",
               body.nodeCount() == 0 ? std::string_view("nothing") : body.node(0).op());
    }
    if (body.outputs().size() > 1) {
        return readSiblings(body);
    }
    const nvidia::Chain chain = nvidia::readChain(body, -1);
    Matmul matmul;
    matmul.a = chain.operand(0);
    matmul.b = chain.operand(1);
    if (matmul.a < 0 || matmul.b < 0) {
        refuse("a matmul without two operands");
    }
    matmul.transA = chain.head.intOr("trans_a", 0) != 0;
    matmul.transB = chain.head.intOr("trans_b", 0) != 0;
    const module::ValueView result = chain.head.output(0);
    for (const Step& step : chain.steps) {
        if (matmul.activation != Activation::kNone) {
            refuse("cuBLASLt's activation is the last thing it does");
        }
        const module::ValueView operand =
            step.port < 0 ? module::ValueView() : body.value(body.inputs()[static_cast<size_t>(step.port)]);
        switch (step.kind) {
        case StepKind::kBias:
            if (matmul.bias >= 0 || result.rank() == 0 || operand.rank() == 0 ||
                !nvidia::sameExtent(operand.dim(-1), result.dim(-1))) {
                refuse("cuBLASLt adds one bias of as many elements as the result has columns");
            }
            matmul.bias = step.port;
            break;
        case StepKind::kScale: {
            double number = 0;
            if (matmul.bias >= 0 || matmul.residual >= 0 || !nvidia::numberOfConstant(operand, number)) {
                refuse("cuBLASLt multiplies the bare product by a number that is known when the plan is built");
            }
            matmul.alpha *= number;
            break;
        }
        case StepKind::kResidual:
            if (matmul.residual >= 0) {
                refuse("cuBLASLt adds one tensor");
            }
            matmul.residual = step.port;
            break;
        case StepKind::kActivation:
            matmul.activation = activationOf(step.op);
            break;
        }
    }
    return matmul;
}

Extents extentsOf(const Matmul& matmul, const Dims& a, const Dims& b, bool swappedB) {
    if (a.empty() || b.empty()) {
        invalid("matmul of a tensor without dimensions");
    }
    Extents extents;
    const size_t rankA = a.size();
    const size_t rankB = b.size();
    const bool transA = matmul.transA && rankA > 1;
    const bool transB = matmul.transB && rankB > 1;
    extents.m = rankA == 1 ? 1 : a[rankA - (transA ? 1 : 2)];
    extents.k = a[rankA - (transA ? 2 : 1)];
    extents.n = rankB == 1 ? 1 : b[rankB - (transB ? 2 : 1)];
    const int64_t innerB = rankB == 1 ? b[0] : b[rankB - (transB ? 1 : 2)];
    if (innerB != extents.k) {
        invalid("inner extents of a matmul differ: ", extents.k, " and ", innerB);
    }
    // A single row or column lies in memory both ways: the one that reads along k is faster.
    extents.transA = transA && extents.m != 1;
    extents.transB = (transB != swappedB) || extents.n == 1;

    struct Loop {
        int64_t extent;
        int64_t a;
        int64_t b;
        int64_t d;
    };
    std::vector<Loop> loops; // from the innermost out, merged where all three go on
    int64_t stepA = extents.m * extents.k;
    int64_t stepB = extents.n * extents.k;
    int64_t stepD = extents.m * extents.n;
    const size_t batchA = rankA > 2 ? rankA - 2 : 0;
    const size_t batchB = rankB > 2 ? rankB - 2 : 0;
    for (size_t i = 0; i < std::max(batchA, batchB); ++i) {
        const int64_t left = i < batchA ? a[batchA - 1 - i] : 1;
        const int64_t right = i < batchB ? b[batchB - 1 - i] : 1;
        if (left != right && left != 1 && right != 1) {
            invalid("batch extents of a matmul do not broadcast: ", left, " and ", right);
        }
        const int64_t extent = left == 1 ? right : left;
        if (extent != 1) {
            const Loop loop{extent, left == 1 ? 0 : stepA, right == 1 ? 0 : stepB, stepD};
            if (!loops.empty() && loops.back().a * loops.back().extent == loop.a &&
                loops.back().b * loops.back().extent == loop.b) {
                loops.back().extent *= extent;
            } else {
                loops.push_back(loop);
            }
        }
        stepA *= left;
        stepB *= right;
        stepD *= extent;
    }
    size_t at = 0;
    if (at < loops.size() && loops[at].b == 0 && loops[at].a == extents.m * extents.k && !extents.transA) {
        extents.m *= loops[at++].extent; // rows of all matrices are rows of one
    }
    if (at < loops.size()) {
        extents.batch = loops[at].extent;
        extents.strideA = loops[at].a;
        extents.strideB = loops[at].b;
        extents.strideD = loops[at].d;
        ++at;
    }
    for (; at < loops.size(); ++at) {
        std::vector<Extents::Offsets> more;
        for (int64_t i = 0; i < loops[at].extent; ++i) {
            for (const Extents::Offsets& call : extents.calls) {
                more.push_back({call.a + i * loops[at].a, call.b + i * loops[at].b, call.d + i * loops[at].d});
            }
        }
        extents.calls = std::move(more);
    }
    return extents;
}

std::optional<Extents> stackedExtents(const Extents& each, int64_t count) {
    if (count < 2 || each.batch != 1 || each.calls.size() != 1) {
        return std::nullopt;
    }
    Extents all = each;
    all.batch = count;
    all.strideA = 0;
    all.strideB = each.k * each.n;
    all.strideD = each.m * each.n;
    all.strideBias = each.n;
    return all;
}

} // namespace tenon::cublaslt
