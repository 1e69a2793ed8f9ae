#include "backends/cudnn/attention.h"

#include "backends/common/attention.h"
#include "backends/common/ports.h"
#include "backends/cudnn/graph_builder.h"

namespace tenon::cudnn {

using kernels::AttentionShape;
using kernels::AttentionStrides;
using kernels::Dims;
using kernels::refuse;

namespace {

// The mask's extents as [batches, heads, positions of q, positions of k].
Dims asScores(const Dims& mask) {
    Dims dims(4, 1);
    if (mask.size() > dims.size()) {
        refuse("a mask of rank ", mask.size());
    }
    std::copy(mask.begin(), mask.end(), dims.end() - static_cast<std::ptrdiff_t>(mask.size()));
    return dims;
}

// Softmax along the last dimension: what its parts are made of.
class SoftmaxBuilder {
public:
    SoftmaxBuilder(Builder& builder, const CudnnApi& api, const Dims& scores)
        : mBuilder(builder), mApi(api), mScores(scores), mScoreStrides(rowMajor(scores)), mRows(scores) {
        mRows.back() = 1;
        mRowStrides = rowMajor(mRows);
    }

    const Descriptor* between() { return mBuilder.next(mScores, mScoreStrides); }

    // `probabilities` is where the result goes.
    void build(const Descriptor* scores, const Descriptor* probabilities) {
        const Descriptor* top = reduced(CUDNN_REDUCE_TENSOR_MAX, scores);
        const Descriptor* apart = between();
        mBuilder.pointwise(CUDNN_POINTWISE_SUB, scores, top, apart, {});
        const Descriptor* powers = between();
        mBuilder.pointwise(CUDNN_POINTWISE_EXP, apart, nullptr, powers, {});
        const Descriptor* sum = reduced(CUDNN_REDUCE_TENSOR_ADD, powers);
        // Nobody reads the logarithm of the sum, but the engines know only graphs that have it.
        const Descriptor* logarithm = mBuilder.next(mRows, mRowStrides);
        mBuilder.pointwise(CUDNN_POINTWISE_LOG, sum, nullptr, logarithm, {});
        mBuilder.pointwise(CUDNN_POINTWISE_ADD, top, logarithm, mBuilder.next(mRows, mRowStrides), {});
        mBuilder.pointwise(CUDNN_POINTWISE_DIV, powers, sum, probabilities, {});
    }

    static Dims rowMajor(const Dims& dims) { return kernels::rowMajorStrides(dims); }

private:
    const Descriptor* reduced(cudnnReduceTensorOp_t op, const Descriptor* from) {
        const Descriptor* to = mBuilder.next(mRows, mRowStrides);
        Descriptor& how = *mBuilder.keep(std::make_unique<Descriptor>(mApi, CUDNN_BACKEND_REDUCTION_DESCRIPTOR));
        const cudnnDataType_t math = CUDNN_DATA_FLOAT;
        how.set(CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, &op);
        how.set(CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, &math);
        how.finalize();
        auto made = std::make_unique<Descriptor>(mApi, CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
        made->setDescriptor(CUDNN_ATTR_OPERATION_REDUCTION_XDESC, *from);
        made->setDescriptor(CUDNN_ATTR_OPERATION_REDUCTION_YDESC, *to);
        made->setDescriptor(CUDNN_ATTR_OPERATION_REDUCTION_DESC, how);
        made->finalize();
        mBuilder.add(std::move(made));
        return to;
    }

    Builder& mBuilder;
    const CudnnApi& mApi;
    Dims mScores;
    Dims mScoreStrides;
    Dims mRows;
    Dims mRowStrides;
};

void addProduct(Builder& builder, const CudnnApi& api, const Descriptor* a, const Descriptor* b, const Descriptor* c) {
    Descriptor& how = *builder.keep(std::make_unique<Descriptor>(api, CUDNN_BACKEND_MATMUL_DESCRIPTOR));
    const cudnnDataType_t math = CUDNN_DATA_FLOAT;
    how.set(CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, &math);
    how.finalize();
    auto made = std::make_unique<Descriptor>(api, CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
    made->setDescriptor(CUDNN_ATTR_OPERATION_MATMUL_ADESC, *a);
    made->setDescriptor(CUDNN_ATTR_OPERATION_MATMUL_BDESC, *b);
    made->setDescriptor(CUDNN_ATTR_OPERATION_MATMUL_CDESC, *c);
    made->setDescriptor(CUDNN_ATTR_OPERATION_MATMUL_DESC, how);
    made->finalize();
    builder.add(std::move(made));
}

// Of a tensor of rank 3 there is one batch, whose stride counts nothing but must not be 0.
Dims stridesOf(const AttentionStrides& strides, bool swapped) {
    const int64_t batch = strides.batch == 0 ? strides.head : strides.batch;
    return swapped ? Dims{batch, strides.head, strides.element, strides.row}
                   : Dims{batch, strides.head, strides.row, strides.element};
}

} // namespace

Operation readAttention(const module::GraphView& body) {
    const module::NodeView node = body.node(0);
    if (body.nodeCount() != 1) {
        refuse("cudnn fuses nothing onto attention here");
    }
    Operation operation;
    operation.kind = Kind::kAttention;
    operation.head = node;
    for (int32_t i = 0; i < node.inputCount(); ++i) {
        const int32_t port = node.hasInput(i) ? kernels::portOf(body.inputs(), node.inputIndex(i)) : -1;
        if ((port < 0 && node.hasInput(i)) ||
            std::find(operation.operands.begin(), operation.operands.end(), port) != operation.operands.end()) {
            refuse("attention with an operand in two places");
        }
        if (port >= 0) {
            operation.operands.push_back(port);
        }
    }
    operation.x = operation.operands[0];
    if (node.intOr("causal", 0) != 0 || node.intOr("nan_to_zero", 0) != 0) {
        refuse("cudnn's attention here is neither causal nor of rows without a score");
    }
    if (node.intOr("k_transposed", 0) != 0) {
        refuse("cudnn reads keys whose elements lie side by side"); // 9.19 crashes at others
    }
    if (node.hasInput(3) && node.input(3).dtype() == TN_BOOL) {
        refuse("cudnn adds masks; this one is of bools");
    }
    return operation;
}

Graph buildAttention(const Place& place, const Operation& operation, const std::vector<Dims>& inputs,
                     const Dims& output, const Ports& ports) {
    const auto shaped = [](const Dims& dims, const TnPortFormat& port) {
        kernels::Shape shape;
        shape.present = true;
        shape.dtype = port.dtype;
        shape.dims = dims;
        shape.elements = kernels::product(dims);
        return shape;
    };
    std::vector<kernels::Shape> shapes;
    for (const int32_t port : operation.operands) {
        const auto at = static_cast<size_t>(port);
        shapes.push_back(shaped(inputs[at], ports.inputs[at]));
    }
    const kernels::Call call(operation.head, {}, std::move(shapes), {shaped(output, ports.outputs[0])}, 1);
    const AttentionShape shape = kernels::attentionShapeOf(call);
    if (shape.depth % 8 != 0 || shape.width % 8 != 0) {
        refuse("cuDNN's attention needs elements in eights, not ", shape.depth, " and ", shape.width);
    }
    Graph graph;
    Builder builder(place, graph);
    const auto input = [&](size_t operand, const Dims& dims, const Dims& strides) {
        const int32_t port = operation.operands[operand];
        graph.ports.push_back(port);
        return builder.tensor(inputUid(port), cudnnTypeOf(ports.inputs[static_cast<size_t>(port)].dtype), dims,
                              strides);
    };
    const Dims scores{shape.batches, shape.heads, shape.rows, shape.keys};
    SoftmaxBuilder softmax(builder, *place.api, scores);
    const Descriptor* q = input(0, {shape.batches, shape.heads, shape.rows, shape.depth}, stridesOf(shape.q, false));
    const Descriptor* k =
        input(1, {shape.batches, shape.sharedHeads, shape.depth, shape.keys}, stridesOf(shape.k, true));
    const Descriptor* value = softmax.between();
    addProduct(builder, *place.api, q, k, value);
    const Descriptor* scaled = softmax.between();
    builder.pointwise(CUDNN_POINTWISE_MUL, value, builder.scalar(shape.scale, 4), scaled, {});
    value = scaled;
    if (shape.hasMask) {
        const Dims dims = asScores(inputs[static_cast<size_t>(operation.operands[3])]);
        const Descriptor* masked = softmax.between();
        builder.pointwise(CUDNN_POINTWISE_ADD, value, input(3, dims, SoftmaxBuilder::rowMajor(dims)), masked, {});
        value = masked;
    }
    // The second product takes its operands in the type of q.
    const Descriptor* probabilities =
        builder.virtualTensor(cudnnTypeOf(ports.outputs[0].dtype), scores, SoftmaxBuilder::rowMajor(scores));
    softmax.build(value, probabilities);
    const Descriptor* v =
        input(2, {shape.batches, shape.sharedHeads, shape.keys, shape.width}, stridesOf(shape.v, false));
    const Descriptor* result =
        builder.tensor(outputUid(0), cudnnTypeOf(ports.outputs[0].dtype),
                       {shape.batches, shape.heads, shape.rows, shape.width}, stridesOf(shape.y, false));
    addProduct(builder, *place.api, probabilities, v, result);
    builder.finish();
    return graph;
}

} // namespace tenon::cudnn
