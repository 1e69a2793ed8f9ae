// Geometry of windows and of normalised lines as cuDNN takes it, and the names of engines.
#include "backends/cudnn/normalization.h"

#include "tests/conformance/case_reader.h"
#include "tests/conformance/task_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenon::cudnn {
namespace {

using kernels::Dims;
using testing::ElementsAre;

class OperationTest : public testing::Test {
protected:
    // A line of the conformance table; throws Failure where it is refused.
    void read(const std::string& line) {
        readTask(line);
        geometry = geometryOf(operation, mInputs, mOutput);
    }
    NormalizedShape readNorm(const std::string& line) {
        readTask(line);
        return normalizedShapeOf(operation, mInputs, mOutput);
    }

    Operation operation;
    Geometry geometry;

private:
    void readTask(const std::string& line) {
        mFile = conformance::parseCases(line, "test");
        ASSERT_TRUE(mFile.error.empty()) << mFile.error;
        std::vector<std::vector<std::byte>> data;
        for (size_t i = 0; i < mFile.cases.at(0).inputs.size(); ++i) {
            data.push_back(conformance::fillInput(mFile.cases[0], i));
        }
        mTask = std::make_unique<conformance::BuiltTask>();
        conformance::buildTask(mFile.cases[0], data, false, *mTask);
        const module::TaskView task(&mTask->task);
        operation = readOperation(task.body());
        mInputs.clear();
        for (int32_t i = 0; i < task.inputCount(); ++i) {
            mInputs.push_back(task.input(i).optExtents());
        }
        mOutput = task.output(0).optExtents();
    }

    std::vector<Dims> mInputs;
    Dims mOutput;
    conformance::CaseFile mFile;
    std::unique_ptr<conformance::BuiltTask> mTask;
};

TEST_F(OperationTest, PaddingEndsWhereTheResultDoes) {
    read("conv(f32[1,3,8,8], f32[4,3,3,3], f32[4]) {strides=[2,2], pads=[1,1,1,1]} -> f32[1,4,4,4]");
    EXPECT_EQ(operation.kind, Kind::kConvolution);
    ASSERT_EQ(operation.steps.size(), 1U);
    EXPECT_EQ(operation.steps[0].port, 2);
    EXPECT_THAT(geometry.window.padBegin, ElementsAre(1, 1));
    EXPECT_THAT(geometry.window.padEnd, ElementsAre(0, 0)); // the last window does not reach what the model pads
}

TEST_F(OperationTest, OneDimensionIsAPlane) {
    read("conv(f32[2,3,20], f32[4,3,5]) {pads=[2,2], strides=[1]} -> f32[2,4,20]");
    EXPECT_THAT(geometry.x, ElementsAre(2, 3, 1, 20));
    EXPECT_THAT(geometry.w, ElementsAre(4, 3, 1, 5));
    EXPECT_THAT(geometry.y, ElementsAre(2, 4, 1, 20));
    EXPECT_THAT(geometry.window.padBegin, ElementsAre(0, 2));
    EXPECT_THAT(geometry.window.strides, ElementsAre(1, 1));
}

TEST_F(OperationTest, PatchesFoldIntoChannels) {
    read("conv(f16[2,3,32,48], f16[8,3,16,16], f16[8]) {strides=[16,16]} -> f16[2,8,2,3]");
    foldPatches(operation, geometry);
    EXPECT_THAT(geometry.x, ElementsAre(2, 48, 32, 3));
    EXPECT_THAT(geometry.w, ElementsAre(8, 48, 16, 1));
    EXPECT_THAT(geometry.window.kernel, ElementsAre(16, 1));
    EXPECT_THAT(geometry.window.strides, ElementsAre(16, 1));
    EXPECT_THAT(geometry.window.input, ElementsAre(32, 3));
}

TEST_F(OperationTest, OnlyPatchesFold) {
    for (const char* line : {"conv(f16[2,3,32,50], f16[8,3,16,16]) {strides=[16,16]} -> f16[2,8,2,3]",
                             "conv(f16[2,4,8,8], f16[8,2,2,2]) {strides=[2,2], group=2} -> f16[2,8,4,4]",
                             "conv(f16[2,4,8,8], f16[8,4,2,2]) {strides=[2,2], pads=[1,1,1,1]} -> f16[2,8,5,5]",
                             "conv(f16[2,4,8,8], f16[8,4,2,2]) {strides=[2,1]} -> f16[2,8,4,7]"}) {
        read(line);
        const Dims before = geometry.x;
        foldPatches(operation, geometry);
        EXPECT_EQ(geometry.x, before) << line;
    }
}

TEST_F(OperationTest, PixelsAreOfFewChannelsInOneGroup) {
    read("conv(f16[2,3,8,8], f16[8,3,3,3]) -> f16[2,8,6,6]");
    EXPECT_TRUE(fitsPixelFormat(operation, 3));
    EXPECT_FALSE(fitsPixelFormat(operation, 8));
    read("conv(f16[2,4,8,8], f16[8,2,3,3]) {group=2} -> f16[2,8,6,6]");
    EXPECT_FALSE(fitsPixelFormat(operation, 4));
    read("deconv(f16[1,4,5,5], f16[4,6,3,3]) -> f16[1,6,7,7]");
    EXPECT_FALSE(fitsPixelFormat(operation, 4));
}

TEST_F(OperationTest, DeconvolutionUndoesAConvolution) {
    read("deconv(f32[1,4,5,5], f32[4,6,3,3]) {strides=[2,2], pads=[1,1,1,1], output_padding=[1,1]} -> f32[1,6,10,10]");
    EXPECT_EQ(operation.kind, Kind::kDeconvolution);
    EXPECT_THAT(geometry.window.padBegin, ElementsAre(1, 1));
    // From 10 with 1 in front to 5: (10 + 1 + 0 - 3) / 2 + 1 = 5.
    EXPECT_THAT(geometry.window.padEnd, ElementsAre(0, 0));
}

TEST_F(OperationTest, RefusesWhatCudnnCannotExpress) {
    EXPECT_THROW(read("conv(f32[3,5,6,6], f32[7,5,3,3]) {pads=[-1,0,1,0]} -> f32[3,7,4,4]"), kernels::Failure);
    EXPECT_THROW(read("conv(f32[1,2,4,4,4,4], f32[3,2,2,2,2,2]) -> f32[1,3,3,3,3,3]"), kernels::Failure);
    EXPECT_THROW(read("unary.exp(f32[1,2,4,4]) -> f32[1,2,4,4]"), kernels::Failure);
    EXPECT_THROW(read("fused[%a = conv(%0, %1) : f32[1,4,8,8]; %b = activation.mish(%a) : f32[1,4,8,8]]"
                      "(f32[1,3,8,8], f32[4,3,1,1]) -> f32[1,4,8,8]"),
                 kernels::Failure);
}

TEST_F(OperationTest, TwoAdditionsChangePlaces) {
    read("fused[%a = conv(%0, %1, %2) : f32[1,4,8,8]; %b = binary.add(%a, %3) : f32[1,4,8,8]; "
         "%c = activation.relu(%b) : f32[1,4,8,8]](f32[1,3,8,8], f32[4,3,1,1], f32[4], f32[1,4,8,8]) -> f32[1,4,8,8]");
    ASSERT_EQ(operation.steps.size(), 3U);
    EXPECT_EQ(operation.steps[0].kind, nvidia::StepKind::kBias);
    EXPECT_EQ(operation.steps[1].kind, nvidia::StepKind::kResidual);
    const std::vector<nvidia::Step> swapped = swappedSteps(operation.steps);
    ASSERT_EQ(swapped.size(), 3U);
    EXPECT_EQ(swapped[0].kind, nvidia::StepKind::kResidual);
    EXPECT_EQ(swapped[1].kind, nvidia::StepKind::kBias);
    EXPECT_TRUE(swappedSteps({operation.steps[0]}).empty());
}

TEST_F(OperationTest, GatesAreActivations) {
    read("fused[%a = conv(%0, %1) : f32[1,4,8,8]; %b = activation.sigmoid(%a) : f32[1,4,8,8]; "
         "%c = binary.mul(%a, %b) : f32[1,4,8,8]](f32[1,3,8,8], f32[4,3,1,1]) -> f32[1,4,8,8]");
    ASSERT_EQ(operation.steps.size(), 1U);
    EXPECT_EQ(operation.steps[0].op, "gate:activation.sigmoid");
}

TEST_F(OperationTest, LinesAreOfTheLastDimensions) {
    NormalizedShape shape = readNorm("layer_norm(f32[2,3,4,5], f32[4,5], f32[1,4,5]) {axis=-2} -> f32[2,3,4,5]");
    EXPECT_EQ(operation.kind, Kind::kNormalization);
    EXPECT_EQ(operation.scale, 1);
    EXPECT_EQ(operation.bias, 2);
    EXPECT_THAT(shape.x, ElementsAre(6, 20, 1, 1));
    EXPECT_THAT(shape.parameters, ElementsAre(1, 20, 1, 1));
    shape = readNorm("rms_norm(f32[3,4]) {axis=0} -> f32[3,4]");
    EXPECT_EQ(operation.scale, -1);
    EXPECT_THAT(shape.x, ElementsAre(1, 12, 1, 1));
    shape = readNorm("instance_norm(f32[2,5,6,7,8], f32[5], f32[5]) -> f32[2,5,6,7,8]");
    EXPECT_TRUE(operation.hasChannels());
    EXPECT_THAT(shape.x, ElementsAre(2, 5, 336, 1));
    EXPECT_THAT(shape.parameters, ElementsAre(1, 5, 1, 1));
}

TEST_F(OperationTest, ASumInFrontOfANorm) {
    const std::string region = "fused[%a = binary.add(%0, %1) : f32[7,32]; %b = rms_norm(%a, %2) {axis=1} : f32[7,32]]"
                               "(f32[7,32], f32[7,32], f32[32]) -> f32[7,32]";
    EXPECT_THAT(readNorm(region).x, ElementsAre(7, 32, 1, 1));
    EXPECT_EQ(operation.addend, 1);
    EXPECT_EQ(operation.scale, 2);
    EXPECT_EQ(operation.result, 0);
    EXPECT_EQ(operation.sum, -1);
    readNorm(region + ", f32[7,32]");
    EXPECT_EQ(operation.result, 1);
    EXPECT_EQ(operation.sum, 0);
}

TEST_F(OperationTest, RefusesNormsThatCudnnCannotExpress) {
    for (const char* line :
         {"layer_norm(f32[3,8], f32[1]) -> f32[3,8]", "layer_norm(f32[3,8], f32[3,1]) -> f32[3,8]",
          "layer_norm(f32[3,8], f32[3,8]) {axis=1} -> f32[3,8]", "layer_norm(f32[3,8], -, f32[8]) -> f32[3,8]",
          "layer_norm(f32[3,8], f32[8], @1) -> f32[3,8]", "layer_norm(f32[3,8]) {epsilon=1e-12} -> f32[3,8]",
          "layer_norm(f32[3,8]) {axis=2} -> f32[3,8]",
          "fused[%a = rms_norm(%0) : f32[3,8]; %b = binary.add(%a, %1) : f32[3,8]]"
          "(f32[3,8], f32[3,8]) -> f32[3,8]",
          "fused[%a = binary.add(%0, %1) : f32[3,8]; %b = rms_norm(%1, %a) : f32[3,8]]"
          "(f32[3,8], f32[3,8]) -> f32[3,8]",
          "fused[%a = binary.add(%0, %0) : f32[3,8]; %b = rms_norm(%a) : f32[3,8]]"
          "(f32[3,8]) -> f32[3,8]"}) {
        EXPECT_THROW(readNorm(line), kernels::Failure) << line;
    }
}

TEST(EngineNames, AndBack) {
    const EngineChoice plain{41, {}};
    const EngineChoice knobs{2, {{17, 1}, {24, 48}}};
    const EngineChoice below{23, {{2, 8}, {12, -1}}};
    EXPECT_EQ(nameOf(plain), "eng41");
    EXPECT_EQ(nameOf(knobs), "eng2/k17=1/k24=48");
    for (const EngineChoice& choice : {plain, knobs, below}) {
        ASSERT_TRUE(choiceOf(nameOf(choice)).has_value());
        EXPECT_EQ(*choiceOf(nameOf(choice)), choice);
    }
    for (const char* wrong :
         {"", "eng", "eng-1", "2", "eng2/", "eng2/k", "eng2/k17", "eng2/k17=", "eng2/k17=1x", "eng2/k-1=1", "eng2 "}) {
        EXPECT_FALSE(choiceOf(wrong).has_value()) << wrong;
    }
}

} // namespace
} // namespace tenon::cudnn
