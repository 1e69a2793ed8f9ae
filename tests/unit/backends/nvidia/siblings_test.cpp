// Parts of tasks, and what tactics of parts make together, with a provider that needs no library.
#include "backends/nvidia/siblings.h"

#include "tests/conformance/case_reader.h"
#include "tests/conformance/task_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenon::nvidia {
namespace {

using module::Code;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Takes single convolutions: row-major as "slow" and, the first three channels last, as "a", "b" and "c", of which "c" is of the first weights only.
class Convolutions final : public module::Provider {
public:
    explicit Convolutions(double us) : mUs(us) {}
    std::string name() const override { return "convolutions"; }
    std::string version() const override { return "1"; }
    Code supports(const module::TargetView&, const module::TaskView& task, module::Reason& reason) const override {
        return task.op() == "conv" ? Code::kOk : reason.unsupported("no convolution but ", task.op());
    }
    Code enumerate(const module::TargetView&, const module::TaskView& task, module::TacticList& tactics,
                   module::Reason&) const override {
        for (const std::string name : {"a", "b", "c", "slow"}) {
            if (name == "c" && task.input(1).dim(0).opt != 8) {
                continue;
            }
            module::Tactic tactic = module::linearTactic(task, name[0], name, name == "b" ? 0 : TN_TRAIT_DETERMINISTIC);
            tactic.estimateUs = mUs;
            if (name != "slow") {
                tactic.inputs[0].format = module::channelsLastFormat(4);
            }
            tactics.add(tactic);
        }
        return Code::kOk;
    }
    Code compile(const module::TargetView&, const module::TaskView& task, const module::TacticView& tactic,
                 const module::Cancel&, module::BlobOutput& blob, module::Reason&) const override {
        module::BlobWriter out(1);
        out.string(tactic.name());
        out.u64(tactic.id());
        out.i64(task.workspaceLimit());
        out.u64(task.body().valueCount());
        blob.set("runtime", 1, out);
        return Code::kOk;
    }

private:
    double mUs;
};

struct Sunk {
    std::vector<std::string> names;
    std::vector<TnTraits> traits;
    std::vector<double> estimates;
};

class SiblingsTest : public testing::Test {
protected:
    module::TaskView task(const std::string& line) {
        mFile = conformance::parseCases(line, "test");
        EXPECT_TRUE(mFile.error.empty()) << mFile.error;
        std::vector<std::vector<std::byte>> data;
        for (size_t i = 0; i < mFile.cases.at(0).inputs.size(); ++i) {
            data.push_back(conformance::fillInput(mFile.cases[0], i));
        }
        mTask = std::make_unique<conformance::BuiltTask>();
        conformance::buildTask(mFile.cases[0], data, false, *mTask);
        return module::TaskView(&mTask->task);
    }

    Sunk tacticsOf(const module::Provider& provider, const module::TaskView& of) {
        Sunk found;
        TnTacticSink sink{&found, [](void* to, const TnTactic* tactic) {
                              Sunk& into = *static_cast<Sunk*>(to);
                              into.names.emplace_back(module::view(tactic->name));
                              into.traits.push_back(tactic->traits);
                              into.estimates.push_back(tactic->estimate_us);
                          }};
        module::TacticList list(&sink);
        module::Reason reason(nullptr);
        EXPECT_EQ(provider.enumerate(module::TargetView(&mTarget), of, list, reason), Code::kOk);
        return found;
    }

    const std::string kPair = "fused[%a = conv(%0, %1) : f32[1,8,4,4]; %b = conv(%0, %2) : f32[1,6,4,4]]"
                              "(f32[1,3,4,4], f32[8,3,1,1], f32[6,3,1,1]) -> f32[1,8,4,4], f32[1,6,4,4]";
    TnTarget mTarget{};

private:
    conformance::CaseFile mFile;
    std::unique_ptr<conformance::BuiltTask> mTask;
};

TEST_F(SiblingsTest, PartsHaveNothingButInputsInCommon) {
    std::vector<Part> parts =
        partsOf(task("fused[%a = conv(%0, %1, %2) : f32[1,8,4,4]; %c = conv(%0, %3) : f32[1,6,4,4];"
                     " %b = activation.relu(%a) : f32[1,8,4,4]; %d = binary.add(%c, %4) : f32[1,6,4,4]]"
                     "(f32[1,3,4,4], f32[8,3,1,1], f32[8], f32[6,3,1,1], f32[6,1,1]) -> f32[1,8,4,4], f32[1,6,4,4]")
                    .body());
    ASSERT_THAT(parts, SizeIs(2));
    EXPECT_THAT(parts[0].inputs, ElementsAre(0, 1, 2));
    EXPECT_THAT(parts[0].outputs, ElementsAre(0));
    EXPECT_THAT(parts[1].inputs, ElementsAre(0, 3, 4));
    EXPECT_THAT(parts[1].outputs, ElementsAre(1));
    const module::GraphView body = parts[1].body.graph();
    ASSERT_EQ(body.nodeCount(), 2U);
    EXPECT_EQ(body.node(1).op(), "binary.add");
    EXPECT_EQ(body.node(1).inputIndex(0), body.node(0).outputIndex(0));
    EXPECT_THAT(body.inputs(), ElementsAre(0, 1, 2));
    EXPECT_THAT(body.outputs(), ElementsAre(body.node(1).outputIndex(0)));
}

TEST_F(SiblingsTest, WhatMeetsIsOnePart) {
    EXPECT_THAT(
        partsOf(task("fused[%a = unary.exp(%0) : f32[4]; %b = unary.neg(%0) : f32[4]; %c = unary.abs(%0) : f32[4];"
                     " %d = binary.add(%c, %a) : f32[4]; %e = binary.mul(%b, %d) : f32[4]; %f = unary.sin(%0) : f32[4]]"
                     "(f32[4]) -> f32[4], f32[4]")
                    .body()),
        SizeIs(2));
}

// A part's body is what a task of its own would be, so that what is known of that one serves.
TEST_F(SiblingsTest, PartsAreNumberedAsTasksOfTheirOwn) {
    std::vector<Part> parts = partsOf(task(kPair).body());
    ASSERT_THAT(parts, SizeIs(2));
    module::BlobWriter part(1);
    module::writeGraph(part, parts[1].body.graph());
    module::BlobWriter own(1);
    module::writeGraph(own, task("conv(f32[1,3,4,4], f32[6,3,1,1]) -> f32[1,6,4,4]").body());
    EXPECT_THAT(part.data(), ElementsAreArray(own.data()));
}

TEST_F(SiblingsTest, TacticsThatReadAlikeGoTogether) {
    const auto provider = withSiblings(std::make_unique<Convolutions>(5));
    const Sunk found = tacticsOf(*provider, task(kPair));
    EXPECT_THAT(found.names, ElementsAre("a | a", "b | b", "c | b", "slow | slow"));
    EXPECT_THAT(found.traits, ElementsAre(TN_TRAIT_DETERMINISTIC, 0, 0, TN_TRAIT_DETERMINISTIC));
    EXPECT_LT(found.estimates[0], 10);
    EXPECT_GT(found.estimates[0], 5);
    // One is the inner provider's.
    EXPECT_THAT(tacticsOf(*provider, task("conv(f32[1,3,4,4], f32[8,3,1,1]) -> f32[1,8,4,4]")).names,
                ElementsAre("a", "b", "c", "slow"));
    // What takes long anyway gains nothing.
    EXPECT_THAT(tacticsOf(*withSiblings(std::make_unique<Convolutions>(100)), task(kPair)).names, IsEmpty());
}

TEST_F(SiblingsTest, APartThatIsRefusedRefusesAll) {
    const auto provider = withSiblings(std::make_unique<Convolutions>(5));
    std::string text;
    TnSink sink{&text,
                [](void* to, const char* data, size_t size) { static_cast<std::string*>(to)->append(data, size); }};
    module::Reason reason(&sink);
    EXPECT_EQ(provider->supports(module::TargetView(&mTarget), task(kPair), reason), Code::kOk);
    EXPECT_EQ(provider->supports(module::TargetView(&mTarget),
                                 task("fused[%a = conv(%0, %1) : f32[1,8,4,4]; %b = unary.exp(%0) : f32[1,3,4,4]]"
                                      "(f32[1,3,4,4], f32[8,3,1,1]) -> f32[1,8,4,4], f32[1,3,4,4]"),
                                 reason),
              Code::kUnsupported);
    EXPECT_THAT(text, HasSubstr("unary.exp"));
}

} // namespace
} // namespace tenon::nvidia
