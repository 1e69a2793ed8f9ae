// Networks: adders, lazy inference, shape tensors, operators by name, errors.
#include "api_test_tools.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace tenon::api::test {

using namespace nvinfer1;
using testing::HasSubstr;

namespace {

Dims dims(std::initializer_list<int64_t> extents) {
    Dims d{static_cast<int32_t>(extents.size()), {}};
    int32_t i = 0;
    for (const int64_t extent : extents) {
        d.d[i++] = extent;
    }
    return d;
}

class NetworkTest : public testing::Test {
protected:
    ITensor* input(const char* name, std::initializer_list<int64_t> extents, DataType type = DataType::kFLOAT) {
        return s.network->addInput(name, type, dims(extents));
    }
    Session s;
};

TEST_F(NetworkTest, ConvolutionInfersExtentsAndReactsToSetters) {
    ITensor* x = input("x", {1, 3, 32, 32});
    std::vector<float> kernel(8 * 3 * 3 * 3, 0.1F);
    IConvolutionLayer* conv = s.network->addConvolutionNd(
        *x, 8, dims({3, 3}), Weights{DataType::kFLOAT, kernel.data(), 216}, Weights{DataType::kFLOAT, nullptr, 0});
    ASSERT_NE(conv, nullptr);
    EXPECT_EQ(text(conv->getOutput(0)->getDimensions()), "[1,8,30,30]");
    conv->setPaddingNd(dims({1, 1}));
    EXPECT_EQ(text(conv->getOutput(0)->getDimensions()), "[1,8,32,32]");
    conv->setStrideNd(dims({2, 2}));
    EXPECT_EQ(text(conv->getOutput(0)->getDimensions()), "[1,8,16,16]");
    conv->setPaddingMode(PaddingMode::kSAME_UPPER);
    EXPECT_EQ(text(conv->getOutput(0)->getDimensions()), "[1,8,16,16]");
}

TEST_F(NetworkTest, ConvolutionRoundsUpByPadding) {
    ITensor* x = input("x", {1, 1, 6, 6});
    std::vector<float> kernel(9, 1.0F);
    IConvolutionLayer* conv = s.network->addConvolutionNd(
        *x, 1, dims({3, 3}), Weights{DataType::kFLOAT, kernel.data(), 9}, Weights{DataType::kFLOAT, nullptr, 0});
    conv->setStrideNd(dims({2, 2}));
    EXPECT_EQ(text(conv->getOutput(0)->getDimensions()), "[1,1,2,2]");
    conv->setPaddingMode(PaddingMode::kEXPLICIT_ROUND_UP);
    EXPECT_EQ(text(conv->getOutput(0)->getDimensions()), "[1,1,3,3]");
}

TEST_F(NetworkTest, AChangeUpstreamReachesTheEnd) {
    ITensor* x = input("x", {2, 3});
    ITensor* y = s.network->addActivation(*x, ActivationType::kRELU)->getOutput(0);
    ITensor* z = s.network->addUnary(*y, UnaryOperation::kEXP)->getOutput(0);
    EXPECT_EQ(text(z->getDimensions()), "[2,3]");
    x->setDimensions(dims({4, 5, 6}));
    EXPECT_EQ(text(z->getDimensions()), "[4,5,6]");
}

TEST_F(NetworkTest, RunTimeExtentsAreMinusOne) {
    ITensor* x = input("x", {-1, 3, -1});
    ITensor* y = s.network->addReduce(*x, ReduceOperation::kSUM, 4U, false)->getOutput(0);
    EXPECT_EQ(text(y->getDimensions()), "[-1,3]");
}

TEST_F(NetworkTest, InputsThatDoNotFitGiveInvalidDimensionsAndOneError) {
    ITensor* a = input("a", {2, 3});
    ITensor* b = input("b", {4, 5});
    IElementWiseLayer* sum = s.network->addElementWise(*a, *b, ElementWiseOperation::kSUM);
    ASSERT_NE(sum, nullptr);
    sum->setName("sum");
    EXPECT_EQ(sum->getOutput(0)->getDimensions().nbDims, -1);
    EXPECT_EQ(sum->getOutput(0)->getDimensions().nbDims, -1);
    EXPECT_EQ(s.logger.count(ILogger::Severity::kERROR), 1);
    EXPECT_THAT(s.logger.text, HasSubstr("in layer 'sum'"));
}

TEST_F(NetworkTest, ShuffleTransposesAndReshapes) {
    ITensor* x = input("x", {2, 3, 4});
    IShuffleLayer* shuffle = s.network->addShuffle(*x);
    shuffle->setFirstTranspose(Permutation{{2, 0, 1}});
    EXPECT_EQ(text(shuffle->getOutput(0)->getDimensions()), "[4,2,3]");
    shuffle->setReshapeDimensions(dims({0, -1}));
    EXPECT_EQ(text(shuffle->getOutput(0)->getDimensions()), "[4,6]");
    shuffle->setSecondTranspose(Permutation{{1, 0}});
    EXPECT_EQ(text(shuffle->getOutput(0)->getDimensions()), "[6,4]");
}

TEST_F(NetworkTest, ShapesFollowThroughShapeTensors) {
    ITensor* x = input("x", {-1, 8, 4});
    ITensor* shape = s.network->addShape(*x)->getOutput(0);
    const int32_t first = 0;
    ITensor* index = s.network->addConstant(dims({1}), Weights{DataType::kINT32, &first, 1})->getOutput(0);
    ITensor* batch = s.network->addGather(*shape, *index, 0)->getOutput(0);
    const int64_t rest = 32;
    ITensor* tail = s.network->addConstant(dims({1}), Weights{DataType::kINT64, &rest, 1})->getOutput(0);
    ITensor* parts[] = {batch, tail};
    IConcatenationLayer* concat = s.network->addConcatenation(parts, 2);
    concat->setAxis(0);
    IShuffleLayer* shuffle = s.network->addShuffle(*x);
    shuffle->setInput(1, *concat->getOutput(0));
    EXPECT_EQ(text(shuffle->getOutput(0)->getDimensions()), "[-1,32]");
    EXPECT_TRUE(shape->isShapeTensor());
    EXPECT_FALSE(x->isShapeTensor());
    EXPECT_TRUE(x->isExecutionTensor());
    EXPECT_FALSE(batch->isExecutionTensor());
}

TEST_F(NetworkTest, AdvisesOnForeignTensorsAndBadArguments) {
    Session other;
    ITensor* foreign = other.network->addInput("x", DataType::kFLOAT, dims({1}));
    EXPECT_EQ(s.network->addActivation(*foreign, ActivationType::kRELU), nullptr);
    EXPECT_THAT(s.logger.takeErrors(), HasSubstr("belongs to another network"));
    EXPECT_EQ(s.network->addInput("", DataType::kFLOAT, dims({1})), nullptr);
    EXPECT_EQ(s.network->addInput("x", DataType::kFLOAT, dims({-2})), nullptr);
    EXPECT_THAT(s.logger.takeErrors(), HasSubstr("use -1 for one that is known at run time"));
    ASSERT_NE(s.network->addInput("x", DataType::kFLOAT, dims({1})), nullptr);
    EXPECT_EQ(s.network->addInput("x", DataType::kFLOAT, dims({1})), nullptr);
    EXPECT_THAT(s.logger.takeErrors(), HasSubstr("already an input named 'x'"));
}

TEST_F(NetworkTest, CyclesAreFoundWithoutHanging) {
    ITensor* x = input("x", {2});
    IElementWiseLayer* a = s.network->addElementWise(*x, *x, ElementWiseOperation::kSUM);
    IUnaryLayer* b = s.network->addUnary(*a->getOutput(0), UnaryOperation::kEXP);
    a->setInput(1, *b->getOutput(0));
    EXPECT_EQ(b->getOutput(0)->getDimensions().nbDims, -1);
    EXPECT_THAT(s.logger.takeErrors(), HasSubstr("cycle"));
}

TEST_F(NetworkTest, OperatorsByName) {
    ITensor* x = input("x", {2, 3, 4});
    const int64_t perm[] = {2, 0, 1};
    const OperatorAttribute attribute = OperatorAttribute::ofInts("perm", perm, 3);
    ITensor* inputs[] = {x};
    IOperatorLayer* layer = s.network->addOperator("", "transpose", 0, &attribute, 1, inputs, 1, 1);
    ASSERT_NE(layer, nullptr) << s.logger.text;
    EXPECT_EQ(text(layer->getOutput(0)->getDimensions()), "[4,2,3]");
    EXPECT_EQ(layer->getType(), LayerType::kTENON_OPERATOR);
    OperatorAttribute read;
    ASSERT_TRUE(layer->getAttribute(0, read));
    EXPECT_STREQ(read.name, "perm");
    EXPECT_EQ(std::vector<int64_t>(read.integers, read.integers + read.count), (std::vector<int64_t>{2, 0, 1}));
    const int64_t swapped[] = {1, 0, 2};
    EXPECT_TRUE(layer->setAttribute(OperatorAttribute::ofInts("perm", swapped, 3)));
    EXPECT_EQ(text(layer->getOutput(0)->getDimensions()), "[3,2,4]");
    EXPECT_FALSE(layer->setAttribute(OperatorAttribute::ofInt("nonsense", 1)));
}

TEST_F(NetworkTest, AnOperatorThatDoesNotFitIsRefusedAtOnceAndLeavesNothing) {
    ITensor* x = input("x", {2, 3});
    ITensor* y = input("y", {4, 5});
    ITensor* inputs[] = {x, y};
    KeepingRecorder recorder(1);
    s.network->setErrorRecorder(&recorder);
    EXPECT_EQ(s.network->addOperator("", "matmul", 0, nullptr, 0, inputs, 2, 1), nullptr);
    ASSERT_EQ(recorder.getNbErrors(), 1);
    EXPECT_THAT(recorder.getErrorDesc(0), HasSubstr("inner extents differ"));
    EXPECT_EQ(s.network->getNbLayers(), 0);
    EXPECT_EQ(s.network->addOperator("acme", "swirl", 0, nullptr, 0, inputs, 2, 1), nullptr);
    EXPECT_THAT(recorder.getErrorDesc(1), HasSubstr("there is no op 'swirl' in domain 'acme'"));
    s.network->setErrorRecorder(nullptr);
    EXPECT_EQ(recorder.references, 0);
}

TEST_F(NetworkTest, RecordersOfTheFirstVersionGetShortDescriptions) {
    KeepingRecorder recorder;
    s.network->setErrorRecorder(&recorder);
    const std::string longName(300, 'n');
    EXPECT_EQ(s.network->addOperator("", longName.c_str(), 0, nullptr, 0, nullptr, 0, 1), nullptr);
    ASSERT_EQ(recorder.getNbErrors(), 1);
    EXPECT_EQ(recorder.errors[0].second.size(), IErrorRecorder::kMAX_DESC_LENGTH);
    // The network outlives the recorder here.
    s.network->setErrorRecorder(nullptr);
}

TEST_F(NetworkTest, ConstantsAndWeightsMustHaveTheRightCount) {
    const float values[] = {1, 2, 3};
    EXPECT_EQ(s.network->addConstant(dims({2, 2}), Weights{DataType::kFLOAT, values, 3}), nullptr);
    EXPECT_THAT(s.logger.takeErrors(), HasSubstr("need 4 values, the weights have 3"));
    ITensor* x = input("x", {1, 3, 8, 8});
    IConvolutionLayer* conv = s.network->addConvolutionNd(*x, 1, dims({1, 1}), Weights{DataType::kFLOAT, values, 2},
                                                          Weights{DataType::kFLOAT, nullptr, 0});
    ASSERT_NE(conv, nullptr);
    EXPECT_EQ(conv->getOutput(0)->getDimensions().nbDims, -1);
    EXPECT_THAT(s.logger.takeErrors(), HasSubstr("the kernel weights have 2 elements, [1, 3, 1, 1] needs 3"));
}

TEST_F(NetworkTest, EveryActivationElementWiseUnaryAndReductionHasAnOp) {
    ITensor* x = input("x", {2, 3});
    ITensor* flags = input("flags", {2, 3}, DataType::kBOOL);
    for (int32_t i = 0; i < EnumMax<ActivationType>(); ++i) {
        auto* layer = s.network->addActivation(*x, static_cast<ActivationType>(i));
        EXPECT_EQ(text(layer->getOutput(0)->getDimensions()), "[2,3]") << i << s.logger.text;
    }
    for (int32_t i = 0; i < EnumMax<ElementWiseOperation>(); ++i) {
        const auto op = static_cast<ElementWiseOperation>(i);
        const bool logical =
            op == ElementWiseOperation::kAND || op == ElementWiseOperation::kOR || op == ElementWiseOperation::kXOR;
        ITensor* operand = logical ? flags : x;
        auto* layer = s.network->addElementWise(*operand, *operand, op);
        EXPECT_EQ(text(layer->getOutput(0)->getDimensions()), "[2,3]") << i << s.logger.text;
    }
    for (int32_t i = 0; i < EnumMax<UnaryOperation>(); ++i) {
        const auto op = static_cast<UnaryOperation>(i);
        auto* layer = s.network->addUnary(op == UnaryOperation::kNOT ? *flags : *x, op);
        EXPECT_EQ(text(layer->getOutput(0)->getDimensions()), "[2,3]") << i << s.logger.text;
    }
    for (int32_t i = 0; i < static_cast<int32_t>(ReduceOperation::kNONE); ++i) {
        auto* layer = s.network->addReduce(*x, static_cast<ReduceOperation>(i), 2U, true);
        EXPECT_EQ(text(layer->getOutput(0)->getDimensions()), "[2,1]") << i << s.logger.text;
    }
}

TEST_F(NetworkTest, TheRemainingLayersInfer) {
    ITensor* x = input("x", {1, 4, 6, 6});
    const auto shapeOf = [this](ILayer* layer, int32_t output = 0) {
        return layer == nullptr ? std::string("null") + s.logger.text
                                : text(layer->getOutput(output)->getDimensions()) + (s.logger.takeErrors());
    };
    EXPECT_EQ(shapeOf(s.network->addPoolingNd(*x, PoolingType::kMAX, dims({2, 2}))), "[1,4,5,5]");
    EXPECT_EQ(shapeOf(s.network->addPoolingNd(*x, PoolingType::kAVERAGE, dims({3, 3}))), "[1,4,4,4]");
    EXPECT_EQ(shapeOf(s.network->addPoolingNd(*x, PoolingType::kMAX_AVERAGE_BLEND, dims({3, 3}))), "[1,4,4,4]");
    EXPECT_EQ(shapeOf(s.network->addLRN(*x, 5, 1e-4F, 0.75F, 1.0F)), "[1,4,6,6]");
    EXPECT_EQ(shapeOf(s.network->addSoftMax(*x)), "[1,4,6,6]");
    const float four[] = {1, 2, 3, 4};
    const Weights none{DataType::kFLOAT, nullptr, 0};
    EXPECT_EQ(shapeOf(s.network->addScale(*x, ScaleMode::kCHANNEL, none, Weights{DataType::kFLOAT, four, 4}, none)),
              "[1,4,6,6]");
    EXPECT_EQ(
        shapeOf(s.network->addScaleNd(*x, ScaleMode::kUNIFORM, Weights{DataType::kFLOAT, four, 1}, none, none, 1)),
        "[1,4,6,6]");
    EXPECT_EQ(shapeOf(s.network->addTopK(*x, TopKOperation::kMAX, 2, 8U)), "[1,4,6,2]");
    EXPECT_EQ(shapeOf(s.network->addSlice(*x, dims({0, 0, 1, 1}), dims({1, 2, 3, 2}), dims({1, 1, 1, 2}))),
              "[1,2,3,2]");
    EXPECT_EQ(shapeOf(s.network->addPaddingNd(*x, dims({1, 1}), dims({2, 0}))), "[1,4,9,7]");
    EXPECT_EQ(shapeOf(s.network->addCast(*x, DataType::kINT32)), "[1,4,6,6]");
    EXPECT_EQ(shapeOf(s.network->addIdentity(*x)), "[1,4,6,6]");
    IResizeLayer* resize = s.network->addResize(*x);
    const float scales[] = {1, 1, 2, 2};
    resize->setScales(scales, 4);
    EXPECT_EQ(shapeOf(resize), "[1,4,12,12]");
    EXPECT_EQ(shapeOf(s.network->addMatrixMultiply(*x, MatrixOperation::kNONE, *x, MatrixOperation::kTRANSPOSE)),
              "[1,4,6,6]");
    EXPECT_EQ(shapeOf(s.network->addMatrixMultiply(*x, MatrixOperation::kVECTOR, *input("w", {1, 4, 6, 6, 5}),
                                                   MatrixOperation::kNONE)),
              "[1,4,6,5]");
    ITensor* scale = input("scale", {1, 4, 1, 1});
    EXPECT_EQ(shapeOf(s.network->addNormalization(*x, *scale, *scale, 12U)), "[1,4,6,6]");
    INormalizationLayer* groups = s.network->addNormalizationV2(*x, *scale, *scale, 12U);
    groups->setNbGroups(2);
    EXPECT_EQ(shapeOf(groups), "[1,4,6,6]");
    EXPECT_EQ(shapeOf(s.network->addParametricReLU(*x, *scale)), "[1,4,6,6]");
    ITensor* condition = input("condition", {1, 4, 6, 6}, DataType::kBOOL);
    EXPECT_EQ(shapeOf(s.network->addSelect(*condition, *x, *x)), "[1,4,6,6]");
    EXPECT_EQ(shapeOf(s.network->addFill(dims({5}), FillOperation::kLINSPACE)), "[5]");
    ITensor* step = input("step", {});
    IQuantizeLayer* quantize = s.network->addQuantize(*x, *step);
    EXPECT_EQ(quantize->getOutput(0)->getType(), DataType::kINT8);
    EXPECT_EQ(shapeOf(quantize), "[1,4,6,6]");
    EXPECT_EQ(shapeOf(s.network->addDequantize(*quantize->getOutput(0), *step)), "[1,4,6,6]");
    ITensor* pair[] = {x, x};
    EXPECT_EQ(shapeOf(s.network->addEinsum(pair, 2, "bchw,bcwk->bchk")), "[1,4,6,6]");
    ITensor* indices = input("indices", {2, 3}, DataType::kINT64);
    EXPECT_EQ(shapeOf(s.network->addGather(*x, *indices, 1)), "[1,2,3,6,6]");
    const int64_t depth = 7;
    ITensor* depthTensor = s.network->addConstant(dims({}), Weights{DataType::kINT64, &depth, 1})->getOutput(0);
    ITensor* values = input("values", {2});
    EXPECT_EQ(shapeOf(s.network->addOneHot(*indices, *values, *depthTensor, -1)), "[2,3,7]");
    const int64_t axis = 1;
    ITensor* axisTensor = s.network->addConstant(dims({1}), Weights{DataType::kINT64, &axis, 1})->getOutput(0);
    EXPECT_EQ(shapeOf(s.network->addUnsqueeze(*x, *axisTensor)), "[1,1,4,6,6]");
    ITensor* axisScalar = s.network->addConstant(dims({}), Weights{DataType::kINT64, &axis, 1})->getOutput(0);
    EXPECT_EQ(shapeOf(s.network->addCumulative(*x, *axisScalar, CumulativeOperation::kSUM, false, false)), "[1,4,6,6]");
    std::vector<float> kernel(4 * 2 * 2 * 2, 1.0F);
    IDeconvolutionLayer* deconv =
        s.network->addDeconvolutionNd(*x, 2, dims({2, 2}), Weights{DataType::kFLOAT, kernel.data(), 32}, none);
    deconv->setStrideNd(dims({2, 2}));
    EXPECT_EQ(shapeOf(deconv), "[1,2,12,12]");
    ITensor* updates = input("updates", {2, 6, 6});
    ITensor* where = input("where", {2, 2}, DataType::kINT64);
    EXPECT_EQ(shapeOf(s.network->addScatter(*x, *where, *updates, ScatterMode::kND)), "[1,4,6,6]");
    EXPECT_EQ(shapeOf(s.network->addSqueeze(*s.network->addUnsqueeze(*x, *axisTensor)->getOutput(0), *axisTensor)),
              "[1,4,6,6]");
}

TEST_F(NetworkTest, OutputTypesAddACast) {
    ITensor* x = input("x", {2, 2});
    IActivationLayer* layer = s.network->addActivation(*x, ActivationType::kRELU);
    EXPECT_EQ(layer->getOutput(0)->getType(), DataType::kFLOAT);
    layer->setOutputType(0, DataType::kHALF);
    EXPECT_EQ(layer->getOutput(0)->getType(), DataType::kHALF);
    layer->resetOutputType(0);
    EXPECT_EQ(layer->getOutput(0)->getType(), DataType::kFLOAT);
}

} // namespace

} // namespace tenon::api::test
