// Engines, knobs and plans of an operation graph.
#include "backends/cudnn/graph.h"

#include <algorithm>
#include <charconv>

namespace tenon::cudnn {

using kernels::Failure;
using kernels::refuse;

namespace {

// More engines than any release has.
constexpr int64_t kMostEngines = 512;
constexpr int64_t kMostKnobs = 64;
constexpr int64_t kMostHeuristics = 64;

// An engine with its configuration; the parts live as long as what was made of them.
struct Configured {
    Descriptor engine;
    std::vector<Descriptor> knobs;
    Descriptor config;
};

Descriptor engineOf(const Place& place, const Graph& graph, int64_t index) {
    Descriptor engine(*place.api, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    engine.setDescriptor(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph.operations);
    engine.setInt(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, index);
    if (place.handle == nullptr && place.device != nullptr) {
        engine.setDescriptor(CUDNN_ATTR_ENGINE_DEVICEPROP, *place.device);
    }
    engine.finalize();
    return engine;
}

Configured configure(const Place& place, const Graph& graph, const EngineChoice& choice) {
    Configured made;
    made.engine = engineOf(place, graph, choice.engine);
    made.config = Descriptor(*place.api, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    made.config.setDescriptor(CUDNN_ATTR_ENGINECFG_ENGINE, made.engine);
    std::vector<cudnnBackendDescriptor_t> raw;
    for (const auto& [type, value] : choice.knobs) {
        made.knobs.emplace_back(*place.api, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
        const auto knob = static_cast<cudnnBackendKnobType_t>(type);
        made.knobs.back().set(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, &knob);
        made.knobs.back().setInt(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, value);
        made.knobs.back().finalize();
        raw.push_back(made.knobs.back().get());
    }
    if (!raw.empty()) {
        made.config.set(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, raw.data(),
                        static_cast<int64_t>(raw.size()));
    }
    made.config.finalize();
    return made;
}

EngineFacts factsOf(const Descriptor& engine) {
    EngineFacts facts;
    for (const cudnnBackendNumericalNote_t note : engine.getAll<cudnnBackendNumericalNote_t>(
             CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT)) {
        facts.tensorCores = facts.tensorCores || note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE ||
                            note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
        facts.deterministic = facts.deterministic && note != CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
        facts.transforms = facts.transforms || note == CUDNN_NUMERICAL_NOTE_FFT ||
                           note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION ||
                           (note >= CUDNN_NUMERICAL_NOTE_WINOGRAD && note <= CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13);
    }
    for (const cudnnBackendBehaviorNote_t note : engine.getAll<cudnnBackendBehaviorNote_t>(
             CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE, CUDNN_BEHAVIOR_NOTE_TYPE_COUNT)) {
        facts.compiles = facts.compiles || note == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
    }
    return facts;
}

EngineChoice choiceOf(const CudnnApi& api, const Descriptor& config, Descriptor& engine) {
    engine = Descriptor(api, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    cudnnBackendDescriptor_t raw = engine.get();
    int64_t count = 0;
    if (api.cudnnBackendGetAttribute(config.get(), CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                     &count, &raw) != CUDNN_STATUS_SUCCESS) {
        refuse("cuDNN does not tell the engine of a configuration");
    }
    EngineChoice choice;
    choice.engine = engine.getInt(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
    for (const Descriptor& knob :
         config.getDescriptors(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, kMostKnobs)) {
        const auto type =
            knob.getAll<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1);
        if (!type.empty()) {
            choice.knobs.emplace_back(static_cast<int64_t>(type[0]), knob.getInt(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE));
        }
    }
    std::sort(choice.knobs.begin(), choice.knobs.end());
    return choice;
}

// Adds what is new; true when the list is full.
bool add(std::vector<Offer>& offers, Offer offer, size_t most) {
    for (const Offer& other : offers) {
        if (other.choice == offer.choice) {
            return offers.size() >= most;
        }
    }
    offers.push_back(std::move(offer));
    return offers.size() >= most;
}

void addHeuristics(const Place& place, const Graph& graph, cudnnBackendHeurMode_t mode, std::vector<Offer>& offers,
                   size_t most) {
    Descriptor heuristics(*place.api, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristics.setDescriptor(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph.operations);
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, &mode);
    if (place.handle == nullptr && place.device != nullptr) {
        heuristics.setDescriptor(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *place.device);
    }
    heuristics.finalize();
    for (const Descriptor& config : heuristics.getDescriptors(CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                              CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, kMostHeuristics)) {
        try {
            Descriptor engine;
            Offer offer;
            offer.choice = choiceOf(*place.api, config, engine);
            offer.facts = factsOf(engine);
            if (add(offers, std::move(offer), most)) {
                return;
            }
        } catch (const Failure&) {
            continue; // one configuration that does not describe itself
        }
    }
}

// Engines that the heuristics left out; with `kernels` also kernels of theirs: spread over the knob's range.
void addOthers(const Place& place, const Graph& graph, bool kernels, std::vector<Offer>& offers, size_t most) {
    constexpr int64_t kKernelsPerEngine = 4;
    const int64_t engines =
        std::min(graph.operations.getInt(CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT), kMostEngines);
    for (int64_t index = 0; index < engines && offers.size() < most; ++index) {
        try {
            const Descriptor engine = engineOf(place, graph, index);
            const EngineFacts facts = factsOf(engine);
            int64_t from = 0;
            int64_t to = -1;
            for (const Descriptor& knob :
                 engine.getDescriptors(CUDNN_ATTR_ENGINE_KNOB_INFO, CUDNN_BACKEND_KNOB_INFO_DESCRIPTOR, kMostKnobs)) {
                const auto type =
                    knob.getAll<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_INFO_TYPE, CUDNN_TYPE_KNOB_TYPE, 1);
                if (!type.empty() && type[0] == CUDNN_KNOB_TYPE_KERNEL_CFG) {
                    from = knob.getInt(CUDNN_ATTR_KNOB_INFO_MINIMUM_VALUE);
                    to = knob.getInt(CUDNN_ATTR_KNOB_INFO_MAXIMUM_VALUE);
                }
            }
            std::vector<EngineChoice> choices{{index, {}}};
            const int64_t step = std::max<int64_t>(1, (to - from + 1) / (2 * kKernelsPerEngine));
            for (int64_t kernel = from; kernels && kernel <= to; kernel += step) {
                choices.push_back({index, {{CUDNN_KNOB_TYPE_KERNEL_CFG, kernel}}});
            }
            int64_t taken = 0;
            for (const EngineChoice& choice : choices) {
                try {
                    configure(place, graph, choice);
                } catch (const Failure&) {
                    continue; // this kernel does not take the graph
                }
                if (add(offers, {choice, facts}, most) || ++taken >= kKernelsPerEngine) {
                    break;
                }
            }
        } catch (const Failure&) {
            continue; // this engine does not take the graph
        }
    }
}

} // namespace

std::string nameOf(const EngineChoice& choice) {
    std::string name = module::text("eng", choice.engine);
    for (const auto& [type, value] : choice.knobs) {
        name += module::text("/k", type, "=", value);
    }
    return name;
}

std::optional<EngineChoice> choiceOf(std::string_view name) {
    const auto number = [&](std::string_view prefix) -> std::optional<int64_t> {
        int64_t value = 0;
        if (!name.starts_with(prefix)) {
            return std::nullopt;
        }
        name.remove_prefix(prefix.size());
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), value);
        if (error != std::errc()) {
            return std::nullopt;
        }
        name.remove_prefix(static_cast<size_t>(end - name.data()));
        return value;
    };
    EngineChoice choice;
    const auto engine = number("eng");
    if (!engine || *engine < 0) {
        return std::nullopt;
    }
    choice.engine = *engine;
    while (name.starts_with("/k")) {
        const auto type = number("/k");
        const auto value = type ? number("=") : std::nullopt; // a few knobs count from -1
        if (!value || *type < 0 || choice.knobs.size() >= static_cast<size_t>(kMostKnobs)) {
            return std::nullopt;
        }
        choice.knobs.emplace_back(*type, *value);
    }
    return name.empty() ? std::optional<EngineChoice>(choice) : std::nullopt;
}

Search searchFor(const Operation& operation) {
    if (operation.slidesWindows()) {
        return Search::kKernels;
    }
    return operation.kind == Kind::kAttention ? Search::kHeuristics : Search::kEngines;
}

std::vector<Offer> enginesFor(const Place& place, const Graph& graph, size_t most, Search search) {
    std::vector<Offer> offers;
    const size_t fromHeuristics = search == Search::kKernels ? (most * 2 + 2) / 3 : most;
    for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
        if (mode == CUDNN_HEUR_MODE_FALLBACK && search == Search::kHeuristics && !offers.empty()) {
            break;
        }
        try {
            addHeuristics(place, graph, mode, offers, fromHeuristics);
        } catch (const Failure&) {
            continue; // the heuristics know nothing of such graphs
        }
    }
    if (search != Search::kHeuristics) {
        addOthers(place, graph, search == Search::kKernels, offers, most);
    }
    return offers;
}

Descriptor buildPlan(const Place& place, const Graph& graph, const EngineChoice& choice) {
    const Configured configured = configure(place, graph, choice);
    Descriptor plan(*place.api, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    if (place.handle != nullptr) {
        const cudnnHandle_t handle = place.handle->get();
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, &handle);
    } else if (place.device != nullptr) {
        plan.setDescriptor(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *place.device);
    }
    plan.setDescriptor(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configured.config);
    plan.finalize();
    return plan;
}

Descriptor loadPlan(const Handle& handle, const std::string& json) {
    Descriptor plan(handle.api(), CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    const cudnnHandle_t raw = handle.get();
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, &raw);
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, json.c_str(),
             static_cast<int64_t>(json.size()) + 1);
    plan.finalize();
    return plan;
}

} // namespace tenon::cudnn
