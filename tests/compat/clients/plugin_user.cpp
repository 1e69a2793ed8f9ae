// Loads a plugin library by path, makes plugins from fields, runs them, and finds them again when a plan is loaded.
#include "common.h"

#include <cmath>
#include <vector>

using namespace nvinfer1;

int main(int argc, char** argv) {
    CHECK(argc == 2);
    Logger logger;
    auto builder = UniquePtr<IBuilder>(createInferBuilder(logger));
    IPluginRegistry& registry = builder->getPluginRegistry();
    CHECK(&registry == getPluginRegistry());
    IPluginRegistry::PluginLibraryHandle library = registry.loadLibrary(argv[1]);
    CHECK(library);
    auto* powerCreator = static_cast<IPluginCreatorV3One*>(registry.getCreator("CompatPower", "1", ""));
    CHECK(powerCreator);
    CHECK(std::string(powerCreator->getInterfaceInfo().kind) == "PLUGIN CREATOR_V3ONE");
    IPluginCreator* negateCreator = registry.getPluginCreator("CompatNegate", "1");
    CHECK(negateCreator);

    const float exponent = 3.0F;
    const PluginField field("exponent", &exponent, PluginFieldType::kFLOAT32, 1);
    PluginFieldCollection fields{1, &field};
    std::unique_ptr<IPluginV3> power(powerCreator->createPlugin("power", &fields, TensorRTPhase::kBUILD));
    PluginFieldCollection none{};
    IPluginV2* negate = negateCreator->createPlugin("negate", &none);
    CHECK(power && negate);

    auto network = UniquePtr<INetworkDefinition>(builder->createNetworkV2(0));
    ITensor* x = network->addInput("x", DataType::kFLOAT, Dims{1, {4}});
    auto* first = network->addPluginV3(&x, 1, nullptr, 0, *power);
    CHECK(first);
    ITensor* cubed = first->getOutput(0);
    auto* second = network->addPluginV2(&cubed, 1, *negate);
    CHECK(second);
    negate->destroy();
    second->getOutput(0)->setName("y");
    network->markOutput(*second->getOutput(0));
    auto config = UniquePtr<IBuilderConfig>(builder->createBuilderConfig());
    UniquePtr<IHostMemory> plan{builder->buildSerializedNetwork(*network, *config)};
    CHECK(plan);

    auto runtime = UniquePtr<IRuntime>(createInferRuntime(logger));
    {
        auto engine = UniquePtr<ICudaEngine>(runtime->deserializeCudaEngine(plan->data(), plan->size()));
        CHECK(engine);
        auto context = UniquePtr<IExecutionContext>(engine->createExecutionContext());
        float in[] = {1, -2, 3, 0.5F};
        float out[4] = {};
        void* bindings[] = {in, out};
        CHECK(context->executeV2(bindings));
        for (int i = 0; i < 4; ++i) {
            CHECK(std::fabs(out[i] + in[i] * in[i] * in[i]) < 1e-5F);
        }
    }
    registry.deregisterLibrary(library);
    CHECK(registry.getCreator("CompatPower", "1", "") == nullptr);
    CHECK(runtime->deserializeCudaEngine(plan->data(), plan->size()) == nullptr);
    std::puts("PASSED");
    return 0;
}
