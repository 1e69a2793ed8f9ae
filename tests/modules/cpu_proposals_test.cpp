// The regions that the cpu backend proposes, and graphs that look alike in which it must not.
#include "module_folder.h"

#include "core/ir/graph.h"
#include "core/ir/parser.h"
#include "registry/graph_bridge.h"
#include "registry/target_description.h"
#include "registry/text_sink.h"
#include "tests/processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenon::registry::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class CpuProposals : public testing::Test {
protected:
    void SetUp() override {
        registry = std::make_unique<ModuleRegistry>(
            optionsFor({{TENON_BINARY_DIR "/lib/tenon/modules", "the build", true}}, lines, "cpu"));
        snapshot = registry->snapshot();
        provider = snapshot->provider("cpu");
        if (provider == nullptr) {
            GTEST_SKIP() << "this build has no module cpu";
        }
    }

    // "label: value value", each named after what its node makes.
    std::vector<std::string> proposalsFor(std::string_view text) const {
        std::vector<std::string> all = allProposalsFor(text);
        // Only where the processor has AMX or AVX-512 BF16: they have a test of their own.
        std::erase_if(all, [](const std::string& line) { return line.starts_with("concat and conv"); });
        return all;
    }

    std::vector<std::string> allProposalsFor(std::string_view text) const {
        auto graph = ir::parseGraph(text);
        EXPECT_TRUE(graph.ok()) << graph.status().toString();
        const GraphPicture picture = GraphPicture::of(*graph.value()).value();
        const TargetDescription description = hostTarget(1);
        const TnTarget target = description.toTn();
        struct Sink {
            const GraphPicture& picture;
            ir::Graph& graph;
            const ops::OpRegistry& ops;
            std::vector<std::string> lines;
        } seen{picture, *graph.value(), snapshot->ops(), {}};
        TnProposalSink sink{&seen, [](void* context, const TnProposal* proposal) {
                                auto& self = *static_cast<Sink*>(context);
                                auto read = importProposal(*proposal, self.picture, self.graph.poolPtr(), self.ops);
                                ASSERT_TRUE(read.ok()) << read.status().toString();
                                std::string line = read.value().label + ":";
                                for (const ir::Node* node : read.value().nodes) {
                                    line += " " + node->output(0)->name();
                                }
                                self.lines.push_back(line);
                            }};
        TextSink reason;
        EXPECT_EQ(provider->table.propose(provider->table.self, &target, &picture.graph(), &sink, reason.sink()),
                  TN_OK);
        return seen.lines;
    }

    LogLines lines;
    std::unique_ptr<ModuleRegistry> registry;
    std::shared_ptr<const RegistrySnapshot> snapshot;
    const ProviderEntry* provider = nullptr;
};

TEST_F(CpuProposals, ConvolutionAndMaximum) {
    EXPECT_THAT(proposalsFor(R"(graph @g(%x: f32[1,8,12,12]) {
  %w = const f32[8,8,3,3] splat 1
  %c = conv(%x, %w) {pads=[1,1,1,1]} : f32[1,8,12,12]
  %r = activation.relu(%c) : f32[1,8,12,12]
  %m = pool.max(%r) {kernel=[2,2], strides=[2,2]} : f32[1,8,6,6]
  return %r, %m
})"),
                ElementsAre("convolution and maximum: c r m"));
    EXPECT_THAT(proposalsFor(R"(graph @g(%x: f32[1,8,12,12], %y: f32[1,8,12,12]) {
  %w = const f32[8,8,3,3] splat 1
  %c = conv(%x, %w) {pads=[1,1,1,1]} : f32[1,8,12,12]
  %s = binary.add(%y, %c) : f32[1,8,12,12]
  %r = activation.relu(%s) : f32[1,8,12,12]
  %m = pool.max(%r) {kernel=[2,2], strides=[2,2]} : f32[1,8,6,6]
  return %m
})"),
                ElementsAre("convolution and maximum: c s r m"));
}

TEST_F(CpuProposals, NotOtherMaxima) {
    for (const char* window :
         {"kernel=[3,3], strides=[2,2]", "kernel=[2,2], strides=[2,1]", "kernel=[2,2]",
          "kernel=[2,2], strides=[2,2], pads=[1,1,1,1]", "kernel=[2,2], strides=[2,2], ceil_mode=1"}) {
        const std::string text = std::string(R"(graph @g(%x: f32[1,8,12,12]) {
  %w = const f32[8,8,3,3] splat 1
  %c = conv(%x, %w) {pads=[1,1,1,1]} : f32[1,8,12,12]
  %m = pool.max(%c) {)") + window +
                                 R"(} : f32[*]
  return %m
})";
        EXPECT_THAT(proposalsFor(text), IsEmpty()) << window;
    }
    // An average.
    EXPECT_THAT(proposalsFor(R"(graph @g(%x: f32[1,8,12,12]) {
  %w = const f32[8,8,3,3] splat 1
  %c = conv(%x, %w) {pads=[1,1,1,1]} : f32[1,8,12,12]
  %m = pool.avg(%c) {kernel=[2,2], strides=[2,2]} : f32[1,8,6,6]
  return %m
})"),
                IsEmpty());
}

TEST_F(CpuProposals, NoMaximumOfWhatIsReadElsewhere) {
    // The convolution's own result, before the activation, would have to leave as well.
    EXPECT_THAT(proposalsFor(R"(graph @g(%x: f32[1,8,12,12]) {
  %w = const f32[8,8,3,3] splat 1
  %c = conv(%x, %w) {pads=[1,1,1,1]} : f32[1,8,12,12]
  %r = activation.relu(%c) : f32[1,8,12,12]
  %m = pool.max(%r) {kernel=[2,2], strides=[2,2]} : f32[1,8,6,6]
  return %c, %m
})"),
                IsEmpty());
    // Strides: no Winograd.
    EXPECT_THAT(proposalsFor(R"(graph @g(%x: f32[1,8,12,12]) {
  %w = const f32[8,8,3,3] splat 1
  %c = conv(%x, %w) {pads=[1,1,1,1], strides=[2,2]} : f32[1,8,6,6]
  %m = pool.max(%c) {kernel=[2,2], strides=[2,2]} : f32[1,8,3,3]
  return %m
})"),
                IsEmpty());
}

TEST_F(CpuProposals, GateAndProduct) {
    const auto graph = [](const char* gate, const char* window, const char* result) {
        return std::string("graph @g(%x: f32[1,8,6,6], %g: f32[") + gate + "]) {\n  %w = const f32[4,8," + window +
               "] splat 1\n  %m = binary.mul(%x, %g) : f32[1,8,6,6]\n  %c = conv(%m, %w) : f32[*]\n  return " + result +
               "\n}";
    };
    EXPECT_THAT(proposalsFor(graph("1,8,1,1", "1,1", "%c")), ElementsAre("gate and product: m c"));
    EXPECT_THAT(proposalsFor(graph("1,8,6,6", "1,1", "%c")), IsEmpty()) << "no number per channel";
    EXPECT_THAT(proposalsFor(graph("1,8,1,1", "3,3", "%c")), IsEmpty()) << "a window";
    EXPECT_THAT(proposalsFor(graph("1,8,1,1", "1,1", "%m, %c")), IsEmpty()) << "what is gated is read elsewhere";
}

TEST_F(CpuProposals, DepthwiseBetweenProducts) {
    const auto graph = [](const char* group, const char* depthwiseWeights, const char* results) {
        return std::string(R"(graph @g(%x: f32[1,8,6,6], %y: f32[1,8,6,6]) {
  %w = const f32[16,8,1,1] splat 1
  %a = conv(%x, %w) : f32[1,16,6,6]
  %r = activation.relu(%a) : f32[1,16,6,6]
  %v = const f32[)") +
               depthwiseWeights + R"(] splat 1
  %d = conv(%r, %v) {pads=[1,1,1,1], group=)" +
               group + R"(} : f32[1,16,6,6]
  %q = activation.relu(%d) : f32[1,16,6,6]
  %u = const f32[8,16,1,1] splat 1
  %p = conv(%q, %u) : f32[1,8,6,6]
  %s = binary.add(%p, %y) : f32[1,8,6,6]
  return )" + results +
               "\n}";
    };
    const char* const expanding = "expand and depthwise: a r d q";
    const char* const projecting = "depthwise and project: d q p";
    const char* const adding = "depthwise and project: d q p s";
    EXPECT_THAT(
        proposalsFor(graph("16", "16,1,3,3", "%s")),
        ElementsAre(expanding, projecting, adding, "inverted residual: a r d q p", "inverted residual: a r d q p s"));
    EXPECT_THAT(proposalsFor(graph("1", "16,16,3,3", "%s")), IsEmpty()) << "all channels with all";
    EXPECT_THAT(proposalsFor(graph("8", "16,2,3,3", "%s")), IsEmpty()) << "groups of two";
    EXPECT_THAT(proposalsFor(graph("16", "16,1,3,3", "%a, %s")), ElementsAre(projecting, adding))
        << "the widening convolution is read elsewhere";
    EXPECT_THAT(proposalsFor(graph("16", "16,1,3,3", "%r, %s")), ElementsAre(projecting, adding))
        << "what was widened is read elsewhere";
    EXPECT_THAT(proposalsFor(graph("16", "16,1,3,3", "%q, %s")), ElementsAre(expanding))
        << "the depthwise result is read elsewhere";
    EXPECT_THAT(proposalsFor(graph("16", "16,1,3,3", "%p, %s")),
                ElementsAre(expanding, projecting, "inverted residual: a r d q p"))
        << "the product is read elsewhere";
}

TEST_F(CpuProposals, NoInvertedResidualWithoutAWideningConvolution) {
    const auto graph = [](const char* first) {
        return std::string("graph @g(%x: f32[1,16,6,6], %y: f32[1,16,6,6]) {\n") + first + R"(
  %v = const f32[16,1,3,3] splat 1
  %d = conv(%a, %v) {pads=[1,1,1,1], group=16} : f32[1,16,6,6]
  %u = const f32[8,16,1,1] splat 1
  %p = conv(%d, %u) : f32[1,8,6,6]
  return %p
})";
    };
    const auto only = ElementsAre("depthwise and project: d p");
    EXPECT_THAT(proposalsFor(graph("  %a = activation.relu(%x) : f32[1,16,6,6]")), only) << "only a function";
    EXPECT_THAT(proposalsFor(graph("  %a = binary.add(%x, %y) : f32[1,16,6,6]")), only) << "no function of one operand";
    EXPECT_THAT(proposalsFor(graph("  %w = const f32[16,16,3,3] splat 1\n"
                                   "  %a = conv(%x, %w) {pads=[1,1,1,1]} : f32[1,16,6,6]")),
                only)
        << "a window";
}

TEST_F(CpuProposals, ConcatenationAndConvolution) {
    const auto graph = [](bool joinsChannels, const char* results) {
        return std::string("graph @g(%x: f32[1,16,8,8], %y: f32[1,16,8,8]) {\n") +
               (joinsChannels ? "  %w = const f32[8,32,3,3] splat 1\n  %j = concat(%x, %y) {axis=1} : f32[1,32,8,8]\n"
                                "  %c = conv(%j, %w) {pads=[1,1,1,1]} : f32[1,8,8,8]\n"
                                "  %r = activation.relu(%c) : f32[1,8,8,8]\n"
                              : "  %w = const f32[8,16,3,3] splat 1\n  %j = concat(%x, %y) {axis=2} : f32[1,16,16,8]\n"
                                "  %c = conv(%j, %w) {pads=[1,1,1,1]} : f32[1,8,16,8]\n"
                                "  %r = activation.relu(%c) : f32[1,8,16,8]\n") +
               "  return " + results + "\n}";
    };
    if (!tenon::test::hasAvx512Bf16()) {
        GTEST_SKIP() << "this processor has no AVX-512 BF16";
    }
    EXPECT_THAT(allProposalsFor(graph(true, "%r")), ElementsAre("concat and conv: j c", "concat and conv: j c r"));
    EXPECT_THAT(allProposalsFor(graph(false, "%r")), IsEmpty()) << "lines are joined, not channels";
    EXPECT_THAT(allProposalsFor(graph(true, "%j, %r")), IsEmpty()) << "what is joined is read elsewhere";
    EXPECT_THAT(allProposalsFor(graph(true, "%c, %r")), ElementsAre("concat and conv: j c"))
        << "the convolution is read elsewhere";
}

} // namespace
} // namespace tenon::registry::test
