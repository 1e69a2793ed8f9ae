#include "core/api/lower_network.h"

#include "core/api/lowering_helpers.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

namespace tenon::api {

using nvinfer1::Dims;
using support::cat;
using support::Result;
using support::Status;

namespace {

constexpr const char* kPointNames[] = {"min", "opt", "max"};

// The three points of an input in one profile, complete: extents, and values of a shape input.
struct Points {
    std::array<std::vector<int64_t>, 3> dims;
    std::array<std::vector<int64_t>, 3> values;
};

class Lowering {
public:
    Lowering(const Network& network, const BuilderConfig::Settings& settings)
        : mNetwork(network), mSettings(settings) {}

    Result<schedule::BuildInput> run() {
        TN_RETURN_IF_ERROR(checkOutputs());
        mInput.name = mNetwork.name();
        mInput.graph = std::make_unique<ir::Graph>(mNetwork.name().empty() ? "network" : mNetwork.name());
        {
            ir::GraphEditor editor(*mInput.graph);
            TN_RETURN_IF_ERROR(addInputs(editor));
            TN_RETURN_IF_ERROR(addProfiles());
            TN_RETURN_IF_ERROR(addLayers(editor));
            TN_RETURN_IF_ERROR(addOutputs(editor));
        }
        addBoxes();
        return std::move(mInput);
    }

private:
    Status checkOutputs() const {
        if (mNetwork.outputs().empty()) {
            return support::invalidArgument("the network has no output; mark one with INetworkDefinition::markOutput");
        }
        std::set<std::string> names;
        for (const Tensor* input : mNetwork.inputs()) {
            names.insert(input->name());
        }
        for (const Tensor* output : mNetwork.outputs()) {
            if (output->isNetworkInput()) {
                return support::invalidArgument("tensor '", output->name(),
                                                "' is a network input and an output; put an identity layer between");
            }
            if (!names.insert(output->name()).second) {
                return support::invalidArgument("two network inputs or outputs are named '", output->name(), "'");
            }
        }
        return support::okStatus();
    }

    static Status checkFormats(const Tensor& tensor) {
        if ((tensor.getAllowedFormats() & (1U << static_cast<uint32_t>(nvinfer1::TensorFormat::kLINEAR))) == 0) {
            return support::unsupported("tensor '", tensor.name(),
                                        "' is not allowed in TensorFormat::kLINEAR, the only format that network "
                                        "inputs and outputs have on this target");
        }
        return support::okStatus();
    }

    // ---- inputs and profiles

    Status addInputs(ir::GraphEditor& editor) {
        const std::unordered_set<const Tensor*> shapes = mNetwork.shapeTensors();
        ir::ExprPool& pool = mInput.graph->pool();
        for (size_t i = 0; i < mNetwork.inputs().size(); ++i) {
            const Tensor& input = *mNetwork.inputs()[i];
            TN_RETURN_IF_ERROR(checkFormats(input));
            EmitValue value = mNetwork.inputValue(input, i, pool, shapes.count(&input) > 0);
            value.value = editor.addInput(input.name(), value.type);
            editor.setContents(value.value, value.contents);
            plan::PlanBinding binding;
            binding.name = input.name();
            binding.isInput = true;
            binding.isShapeInput = value.contents.has_value();
            for (int32_t d = 0; d < input.declaredDims().nbDims; ++d) {
                binding.dimNames.push_back(input.dimensionName(d));
            }
            mInput.bindings.push_back(std::move(binding));
            mValues.emplace(&input, std::move(value));
        }
        return support::okStatus();
    }

    Status addProfiles() {
        const bool dynamic = std::any_of(mNetwork.inputs().begin(), mNetwork.inputs().end(), [this](const Tensor* t) {
            return volume(t->declaredDims()) < 0 || mValues.at(t).contents.has_value();
        });
        if (mSettings.profiles.empty() && dynamic) {
            return support::invalidArgument("the network has inputs whose dimensions or values are known at run time "
                                            "only; add an optimization profile that gives their range");
        }
        const std::vector<ProfileInputs> none(1);
        const std::vector<ProfileInputs>& profiles = mSettings.profiles.empty() ? none : mSettings.profiles;
        for (size_t p = 0; p < profiles.size(); ++p) {
            TN_RETURN_IF_ERROR(addProfile(profiles[p]).withContext(cat("in optimization profile ", p)));
        }
        return narrowSymbols();
    }

    Status addProfile(const ProfileInputs& profile) {
        for (const auto& [name, points] : profile) {
            const bool known = std::any_of(mNetwork.inputs().begin(), mNetwork.inputs().end(),
                                           [&name = name](const Tensor* t) { return t->name() == name; });
            if (!known) {
                return support::invalidArgument("the network has no input named '", name, "'");
            }
        }
        std::vector<Points> complete;
        for (size_t i = 0; i < mNetwork.inputs().size(); ++i) {
            const Tensor& input = *mNetwork.inputs()[i];
            const auto found = profile.find(input.name());
            TN_ASSIGN_OR_RETURN(Points points, pointsOf(input, found == profile.end() ? nullptr : &found->second,
                                                        mInput.bindings[i].isShapeInput));
            mInput.bindings[i].profiles.push_back(points.dims);
            if (mInput.bindings[i].isShapeInput) {
                mInput.bindings[i].profileValues.push_back(points.values);
            }
            complete.push_back(std::move(points));
        }
        mPoints.push_back(std::move(complete));
        return support::okStatus();
    }

    static Result<Points> pointsOf(const Tensor& input, const ProfilePoints* given, bool isShapeInput) {
        Points points;
        const Dims& declared = input.declaredDims();
        for (size_t p = 0; p < 3; ++p) {
            if (given == nullptr || !given->dims[p]) {
                if (volume(declared) < 0) {
                    return support::invalidArgument("input '", input.name(), "' has dimensions ", textOf(declared),
                                                    ", so that the profile needs its ", kPointNames[p], " dimensions");
                }
                points.dims[p] = toVector(declared);
                continue;
            }
            const Dims& dims = *given->dims[p];
            bool fits = dims.nbDims == declared.nbDims;
            for (int32_t d = 0; fits && d < dims.nbDims; ++d) {
                fits = declared.d[d] == -1 || declared.d[d] == dims.d[d];
            }
            if (!fits) {
                return support::invalidArgument("input '", input.name(), "' has dimensions ", textOf(declared),
                                                ", which the ", kPointNames[p], " dimensions ", textOf(dims),
                                                " do not fit");
            }
            points.dims[p] = toVector(dims);
        }
        const auto elements = static_cast<size_t>(isShapeInput ? volume(declared) : 0);
        for (size_t p = 0; p < 3 && isShapeInput; ++p) {
            if (given == nullptr || !given->hasValues[p]) {
                return support::invalidArgument("the values of input '", input.name(),
                                                "' decide dimensions, so that the profile needs its ", kPointNames[p],
                                                " values (IOptimizationProfile::setShapeValuesV2)");
            }
            if (given->values[p].size() != elements) {
                return support::invalidArgument("input '", input.name(), "' has ", elements, " elements, its ",
                                                kPointNames[p], " values are ", given->values[p].size());
            }
            points.values[p] = given->values[p];
        }
        return points;
    }

    // The range of a symbol in one profile. A name that several inputs share means equal extents: the common range.
    Result<std::pair<ir::Interval, int64_t>> rangeOf(const ir::Symbol& symbol, size_t profile) const {
        const bool element = symbol.source == ir::SymbolSource::kInputElement;
        ir::Interval bounds{0, INT64_MAX};
        int64_t opt = -1;
        bool first = true;
        for (size_t i = 0; i < mNetwork.inputs().size(); ++i) {
            const Tensor& input = *mNetwork.inputs()[i];
            const EmitValue& value = mValues.at(&input);
            const auto& list = element ? value.contents.value_or(std::vector<ir::DimExpr>{}) : value.type.dims;
            const Points& points = mPoints[profile][i];
            for (size_t d = 0; d < list.size(); ++d) {
                const ir::ExprNode& node = mInput.graph->pool().at(list[d]);
                if (node.op != ir::ExprOp::kSymbol ||
                    &mInput.graph->pool().symbols()[static_cast<size_t>(node.value)] != &symbol) {
                    continue;
                }
                const auto& at = element ? points.values : points.dims;
                bounds.min = first ? at[0][d] : std::max(bounds.min, at[0][d]);
                bounds.max = first ? at[2][d] : std::min(bounds.max, at[2][d]);
                opt = first ? at[1][d] : opt;
                first = false;
                if (bounds.min > bounds.max) {
                    return support::invalidArgument(
                        "dimension '", symbol.name, "' is shared by several inputs, and profile ", profile,
                        " gives it ranges that have no extent in common; the last is that of input '", input.name(),
                        "'");
                }
            }
        }
        return std::pair(bounds, std::clamp(opt, bounds.min, bounds.max));
    }

    // Tells the pool what all profiles together allow, so that inference can decide more.
    Status narrowSymbols() {
        ir::ExprPool& pool = mInput.graph->pool();
        const size_t count = pool.symbols().size();
        mBoxes.resize(mPoints.size());
        for (size_t s = 0; s < count; ++s) {
            ir::Interval all{INT64_MAX, INT64_MIN};
            for (size_t p = 0; p < mPoints.size(); ++p) {
                TN_ASSIGN_OR_RETURN(const auto range, rangeOf(pool.symbols()[s], p));
                mBoxes[p].bounds.push_back(range.first);
                mBoxes[p].opt.push_back(range.second);
                all = {std::min(all.min, range.first.min), std::max(all.max, range.first.max)};
            }
            pool.narrow(static_cast<int32_t>(s), all, mBoxes[0].opt[s]);
        }
        return support::okStatus();
    }

    // Symbols that inference made later (unbacked ones) have no bounds of the user's.
    void addBoxes() {
        const size_t count = mInput.graph->pool().symbols().size();
        for (ir::SymbolBox& box : mBoxes) {
            while (box.bounds.size() < count) {
                box.bounds.push_back({0, INT64_MAX});
                box.opt.push_back(1);
            }
        }
        mInput.profiles = std::move(mBoxes);
    }

    // ---- layers and outputs

    // Layers that an output needs, and those that have no output.
    std::set<const LayerCore*> neededLayers() const {
        std::set<const LayerCore*> needed;
        std::vector<const LayerCore*> open;
        for (const Tensor* output : mNetwork.outputs()) {
            open.push_back(output->producer());
        }
        for (const auto& layer : mNetwork.layers()) {
            if (layer->outputs().empty()) {
                open.push_back(layer.get());
            }
        }
        while (!open.empty()) {
            const LayerCore* layer = open.back();
            open.pop_back();
            if (layer == nullptr || !needed.insert(layer).second) {
                continue;
            }
            for (const Tensor* input : layer->inputs()) {
                open.push_back(input == nullptr ? nullptr : input->producer());
            }
        }
        return needed;
    }

    Status addLayers(ir::GraphEditor& editor) {
        TN_ASSIGN_OR_RETURN(const std::vector<LayerCore*> order, mNetwork.sortedLayers());
        const std::set<const LayerCore*> needed = neededLayers();
        Emitter emitter(mNetwork.ops(), mInput.graph->pool(), &editor);
        std::string problems;
        int32_t count = 0;
        for (LayerCore* layer : order) {
            if (needed.count(layer) == 0) {
                continue;
            }
            const Status status = addLayer(*layer, emitter, editor);
            if (status.ok()) {
                continue;
            }
            if (status.code() == support::Code::kInternal) {
                return status;
            }
            // Those that only follow from an earlier one are not worth a line.
            if (!status.message().empty()) {
                problems += cat(count++ == 0 ? "" : "\n", "layer '", layer->name(), "': ", status.message());
            }
        }
        return count == 0 ? support::okStatus() : support::invalidArgument(problems);
    }

    Status addLayer(LayerCore& layer, Emitter& emitter, ir::GraphEditor& editor) {
        std::vector<const EmitValue*> inputs;
        for (const Tensor* input : layer.inputs()) {
            if (input == nullptr) {
                inputs.push_back(nullptr);
                continue;
            }
            const auto found = mValues.find(input);
            if (found == mValues.end()) {
                return input->producer() == nullptr
                           ? support::invalidArgument("input '", input->name(), "' was removed from the network")
                           : Status(support::Code::kInvalidArgument, "");
            }
            inputs.push_back(&found->second);
        }
        emitter.beginLayer(layer.name(), layer.settings(), ir::SourceSet(layer.name()));
        LayerScope scope(layer, emitter, std::move(inputs));
        TN_RETURN_IF_ERROR(layer.lowerWithSettings(scope));
        for (size_t i = 0; i < layer.outputs().size(); ++i) {
            const Tensor* tensor = layer.outputs()[i];
            EmitValue& value = scope.outputs()[i];
            if (value.value->producer() != nullptr && mNamed.insert(value.value).second) {
                editor.renameValue(value.value, tensor->name());
            }
            mValues.emplace(tensor, std::move(value));
        }
        return support::okStatus();
    }

    Status addOutputs(ir::GraphEditor& editor) {
        Emitter emitter(mNetwork.ops(), mInput.graph->pool(), &editor);
        for (const Tensor* output : mNetwork.outputs()) {
            TN_RETURN_IF_ERROR(checkFormats(*output));
            EmitValue value = mValues.at(output);
            if (output->requestedType() && *toIr(*output->requestedType()) != value.type.dtype) {
                emitter.beginLayer(cat(output->name(), "_cast"), {}, ir::SourceSet(output->producer()->name()));
                TN_ASSIGN_OR_RETURN(value, casted(emitter, value, *toIr(*output->requestedType())));
            }
            editor.addOutput(value.value);
            plan::PlanBinding binding;
            binding.name = output->name();
            mInput.bindings.push_back(std::move(binding));
        }
        return support::okStatus();
    }

    const Network& mNetwork;
    const BuilderConfig::Settings& mSettings;
    schedule::BuildInput mInput;
    std::unordered_map<const Tensor*, EmitValue> mValues;
    std::set<const ir::Value*> mNamed;
    std::vector<std::vector<Points>> mPoints; // by profile and input
    std::vector<ir::SymbolBox> mBoxes;        // by profile
};

} // namespace

Result<schedule::BuildInput> lowerNetwork(const Network& network, const BuilderConfig::Settings& settings) {
    return Lowering(network, settings).run();
}

} // namespace tenon::api
