// A fusion that was timed at a busy moment, its parts at a quiet one: they are timed again, in turns.
#include "api_test_tools.h"

#include "registry/module_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace tenon::api::test {

using namespace nvinfer1;
using testing::HasSubstr;

namespace {

class ContradictingTimes : public ::testing::Test {
protected:
    static void SetUpTestSuite() {
        const support::Status loaded = registry::ModuleRegistry::process().load(TENON_TEST_MOODY);
        ASSERT_TRUE(loaded.ok()) << loaded.toString();
    }

    // Steps of a plan for y = |-x|; what the build says is in `said`. `cache`: text of times, read and replaced.
    static int32_t steps(std::string& cache, std::string& said) {
        Session s;
        s.logger.text.clear();
        ITensor* x = s.network->addInput("x", DataType::kFLOAT, Dims{2, {8, 64}});
        ITensor* h = s.network->addUnary(*x, UnaryOperation::kNEG)->getOutput(0);
        ITensor* y = s.network->addUnary(*h, UnaryOperation::kABS)->getOutput(0);
        s.network->markOutput(*y);
        const char* const providers[] = {"moody", "reference"};
        EXPECT_TRUE(static_cast<tenon::IBuilderConfig&>(*s.config).setTacticProviders(providers, 2));
        std::unique_ptr<ITimingCache> times{s.config->createTimingCache(cache.data(), cache.size())};
        EXPECT_TRUE(s.config->setTimingCache(*times, false));
        std::unique_ptr<IHostMemory> plan{s.builder->buildSerializedNetwork(*s.network, *s.config)};
        said = s.logger.text;
        if (!plan) {
            ADD_FAILURE() << said;
            return 0;
        }
        const std::unique_ptr<IHostMemory> text{times->serialize()};
        cache.assign(static_cast<const char*>(text->data()), text->size());
        const std::unique_ptr<IRuntime> runtime{tenon::createInferRuntime(s.logger)};
        const std::unique_ptr<ICudaEngine> engine{runtime->deserializeCudaEngine(plan->data(), plan->size())};
        return engine ? engine->getNbLayers() : 0;
    }
};

TEST_F(ContradictingTimes, AreMeasuredAgainInTurns) {
    std::string cache;
    std::string said;
    EXPECT_EQ(steps(cache, said), 1);
    EXPECT_THAT(said, HasSubstr("; 2 tasks timed again in turns"));
    // What the cache has does not contradict itself.
    EXPECT_EQ(steps(cache, said), 1);
    EXPECT_THAT(said, HasSubstr("; 0 tasks timed again in turns"));
}

TEST_F(ContradictingTimes, AFusionThatIsSlowerThenTooIsNotTaken) {
    setenv("MOODY_STAYS", "1", 1);
    std::string cache;
    std::string said;
    EXPECT_EQ(steps(cache, said), 2);
    EXPECT_THAT(said, HasSubstr("; 2 tasks timed again in turns"));
    EXPECT_EQ(steps(cache, said), 2);
    EXPECT_THAT(said, HasSubstr("; 0 tasks timed again in turns")) << "the cache has that it was done";
    unsetenv("MOODY_STAYS");
}

} // namespace
} // namespace tenon::api::test
