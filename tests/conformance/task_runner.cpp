#include "tests/conformance/task_runner.h"

#include "backends/common/elements.h"
#include "tests/conformance/device_side.h"
#include "tests/conformance/text_sink.h"
#include "tests/conformance/thread_team.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>

namespace tenon::conformance {

namespace {

const std::vector<int64_t>& dimsOfInput(const Case& from, const BuiltTask& task, size_t port) {
    return from.inputs[static_cast<size_t>(task.inputPorts[port])].type.dims;
}
const std::vector<int64_t>& dimsOfOutput(const Case& from, const BuiltTask& task, size_t port) {
    return from.outputs[static_cast<size_t>(task.outputPorts[port])].type.dims;
}

int64_t elementsOf(const std::vector<int64_t>& dims) {
    int64_t elements = 1;
    for (int64_t dim : dims) {
        elements *= dim;
    }
    return elements;
}

template <class Visit>
void forElements(const TnFormat& format, const std::vector<int64_t>& dims, const Visit& visit) {
    std::vector<int64_t> coordinate(dims.size() + 1, 0);
    const int64_t elements = elementsOf(dims);
    for (int64_t i = 0; i < elements; ++i) {
        visit(i, module::offsetOf(format, dims.data(), coordinate.data()));
        for (size_t d = dims.size(); d-- > 0;) {
            if (++coordinate[d] < dims[d]) {
                break;
            }
            coordinate[d] = 0;
        }
    }
}

void convertElement(TnDataType fromType, const std::byte* from, TnDataType toType, std::byte* to) {
    if (fromType == toType) {
        std::memcpy(to, from, static_cast<size_t>(kernels::bytesOf(fromType)));
        return;
    }
    double value = 0;
    kernels::dispatchFloat(fromType, [&](auto tag) {
        typename decltype(tag)::Type stored{};
        std::memcpy(&stored, from, sizeof stored);
        value = kernels::widen(stored);
    });
    kernels::dispatchFloat(toType, [&](auto tag) {
        typename decltype(tag)::Type stored{};
        kernels::narrow(value, stored);
        std::memcpy(to, &stored, sizeof stored);
    });
}

TnTensor tensorOf(const TnPortFormat& port, const std::vector<int64_t>& dims) {
    TnTensor tensor{};
    tensor.dtype = port.dtype;
    tensor.placement = port.placement;
    tensor.rank = static_cast<int32_t>(dims.size());
    std::copy(dims.begin(), dims.end(), tensor.dims);
    tensor.elements = elementsOf(dims);
    tensor.format = port.format;
    tensor.bytes = module::bytesOf(port.format, port.dtype, tensor.dims);
    return tensor;
}

// Session, kernel and state, destroyed in the right order.
struct Running {
    const TnKernelRuntime* runtime = nullptr;
    TnSession* session = nullptr;
    TnKernel* kernel = nullptr;
    TnState* state = nullptr;
    std::unique_ptr<PlainTeam> ownTeam;
    const TnThreadTeam* team = nullptr; // null: one of its own is made
    ~Running() {
        if (state != nullptr) {
            runtime->state_destroy(state);
        }
        if (kernel != nullptr) {
            runtime->kernel_destroy(kernel);
        }
        if (session != nullptr) {
            runtime->session_destroy(session);
        }
    }
};

// A `kept` blob that is not empty is taken instead of compiling; an empty one is filled.
std::string start(const ModuleTables& tables, const TnTask& task, const KeptTactic& tactic, int threads,
                  Running& running, bool needsSession = true, CompiledBlob* kept = nullptr) {
    CompiledBlob made;
    CompiledBlob& blob = kept != nullptr ? *kept : made;
    if (blob.runtime.empty()) {
        if (const Refusal refused = compileTactic(tables, task, tactic, threads, blob); refused.code != TN_OK) {
            return "compile failed: " + refused.reason;
        }
    }
    TextSink reason;
    running.runtime = tables.runtime(blob.runtime);
    if (running.runtime == nullptr) {
        return module::text("compile names the kernel runtime '", blob.runtime, "', which the module does not have");
    }
    const TnKernelRuntime& runtime = *running.runtime;
    if (runtime.deserialize(runtime.self, blob.bytes.data(), blob.bytes.size(), blob.version, &running.kernel,
                            &reason.sink) != TN_OK) {
        return "deserialize failed: " + reason.text;
    }
    if (!needsSession) {
        return {};
    }
    const TnPlacement placement = targetOf(tables, threads).placement;
    if (running.team == nullptr) {
        running.ownTeam = std::make_unique<PlainTeam>(threads);
        running.team = running.ownTeam->table();
    }
    const TnSessionInfo info{sizeof(TnSessionInfo), placement, threads, 0, nullptr, nullptr, running.team};
    if (runtime.session_create(runtime.self, &info, &running.session, &reason.sink) != TN_OK ||
        runtime.state_create(running.kernel, running.session, &running.state, &reason.sink) != TN_OK) {
        return "no session or state: " + reason.text;
    }
    return {};
}

// Bytes of an input as its port wants them. Padding has no defined value unless the format says zero.
std::string layOut(const ModuleTables& tables, const Case& from, const TnPortFormat& port,
                   const std::vector<int64_t>& dims, TnDataType dtype, const std::vector<std::byte>& linear,
                   GuardedBuffer& to) {
    if (module::isOpaque(port.format)) {
        // Only the module itself knows: its own conversion from the linear layout.
        Case convert;
        convert.name = from.name;
        convert.statements.emplace_back();
        convert.statements[0].op = "convert";
        convert.statements[0].operands = {0};
        convert.inputs.emplace_back();
        convert.inputs[0].type = {dtype, dims};
        convert.outputs.emplace_back();
        convert.outputs[0].type = {port.dtype, dims};
        BuiltTask task;
        buildTask(convert, {linear}, false, task);
        task.convertTo = port;
        Refusal refusal;
        const std::vector<KeptTactic> tactics = tacticsOf(tables, task.task, 1, refusal);
        if (tactics.empty()) {
            return "the module's own layout has no conversion: " + refusal.reason;
        }
        Running running;
        if (std::string error = start(tables, task.task, tactics[0], 1, running); !error.empty()) {
            return error;
        }
        const TnTensor input = tensorOf(module::linearPort(dtype, static_cast<int32_t>(dims.size())), dims);
        const TnTensor output = tensorOf(port, dims);
        const TnPrepareArgs prepare{sizeof(TnPrepareArgs), 0, 1, 1, sizeof(TnTensor), &input, &output, nullptr, 0};
        TextSink reason;
        if (running.runtime->prepare(running.state, &prepare, &reason.sink) != TN_OK) {
            return "prepare of a conversion failed: " + reason.text;
        }
        GuardedBuffer workspace(
            std::max<int64_t>(0, running.runtime->workspace(running.kernel, running.session, &prepare, &reason.sink)));
        GuardedBuffer given(static_cast<int64_t>(linear.size()));
        std::copy(linear.begin(), linear.end(), given.data());
        DeviceSide device(tables.device);
        std::string error = device.open();
        const void* source = error.empty() ? device.upload(given, error) : nullptr;
        void* target = error.empty() ? device.upload(to, error) : nullptr;
        TnLaunchArgs launch{};
        launch.struct_size = sizeof launch;
        launch.inputs = &source;
        launch.outputs = &target;
        launch.workspace = error.empty() ? device.upload(workspace, error) : nullptr;
        launch.stream = device.stream();
        if (!error.empty()) {
            return error;
        }
        if (running.runtime->launch(running.state, &launch) != TN_OK) {
            return "a conversion failed to launch";
        }
        error = device.download();
        return error.empty() ? error : "a conversion failed: " + error;
    }
    const auto size = static_cast<size_t>(kernels::bytesOf(dtype));
    const auto portSize = static_cast<size_t>(kernels::bytesOf(port.dtype));
    std::fill_n(to.data(), to.size(), std::byte{static_cast<uint8_t>(port.format.tail_zero != 0 ? 0 : 0xFF)});
    if (module::isLinear(port.format) && port.dtype == dtype) {
        std::copy(linear.begin(), linear.end(), to.data());
        return {};
    }
    forElements(port.format, dims, [&](int64_t i, int64_t offset) {
        convertElement(dtype, linear.data() + static_cast<size_t>(i) * size, port.dtype,
                       to.data() + static_cast<size_t>(offset) * portSize);
    });
    return {};
}

} // namespace

std::string compileAndRead(const ModuleTables& tables, const TnTask& task, const KeptTactic& tactic) {
    Running running;
    return start(tables, task, tactic, 1, running, false);
}

Refusal compileTactic(const ModuleTables& tables, const TnTask& task, const KeptTactic& tactic, int threads,
                      CompiledBlob& blob) {
    TnBlobSink sink{&blob, [](void* context, TnString runtime, uint32_t version, const void* data, size_t size) {
                        auto* to = static_cast<CompiledBlob*>(context);
                        to->runtime = std::string(module::view(runtime));
                        to->version = version;
                        const auto* bytes = static_cast<const std::byte*>(data);
                        to->bytes.assign(bytes, bytes + size);
                    }};
    TextSink reason;
    const TnTarget target = targetOf(tables, threads);
    const TnTactic table = tactic.table();
    const TnTacticProvider& provider = *tactic.provider;
    // On a thread of its own, as a build's team does: nothing that a device's library keeps per thread is there yet.
    TnCode code = TN_OK;
    std::thread([&] {
        code = provider.compile(provider.self, &target, &task, &table, nullptr, &sink, &reason.sink);
    }).join();
    return {code, reason.text};
}

TnCode readKernel(const ModuleTables& tables, const CompiledBlob& blob, std::string& reason) {
    const TnKernelRuntime* const runtime = tables.runtime(blob.runtime);
    if (runtime == nullptr) {
        reason = module::text("the module has no kernel runtime '", blob.runtime, "'");
        return TN_NOT_FOUND;
    }
    TextSink sink;
    TnKernel* kernel = nullptr;
    const TnCode code =
        runtime->deserialize(runtime->self, blob.bytes.data(), blob.bytes.size(), blob.version, &kernel, &sink.sink);
    if (code == TN_OK) {
        runtime->kernel_destroy(kernel);
    }
    reason = sink.text;
    return code;
}

namespace {

bool haveSameBytes(GuardedBuffer& a, GuardedBuffer& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

} // namespace

RunResult runTactic(const ModuleTables& tables, const Case& from, const BuiltTask& task, const KeptTactic& tactic,
                    const std::vector<std::vector<std::byte>>& inputs, const RunOptions& options) {
    RunResult result;
    Running running;
    running.team = options.team;
    result.error = start(tables, task.task, tactic, options.threads, running, true, options.kept);
    if (!result.error.empty()) {
        return result;
    }
    const TnKernelRuntime& runtime = *running.runtime;
    std::vector<TnTensor> inputTensors;
    std::vector<TnTensor> outputTensors;
    std::vector<std::unique_ptr<GuardedBuffer>> inputBuffers;
    std::vector<std::unique_ptr<GuardedBuffer>> outputBuffers;
    std::vector<GuardedBuffer*> results; // where each output is to be found on the host
    DeviceSide device(tables.device);
    result.error = device.open();
    if (!result.error.empty()) {
        return result;
    }
    std::vector<const void*> inputAddresses;
    std::vector<void*> outputAddresses;
    for (size_t i = 0; i < task.inputPorts.size(); ++i) {
        const std::vector<int64_t>& dims = dimsOfInput(from, task, i);
        inputTensors.push_back(tensorOf(tactic.inputs[i], dims));
        inputBuffers.push_back(std::make_unique<GuardedBuffer>(inputTensors.back().bytes));
        const TnDataType dtype = from.inputs[static_cast<size_t>(task.inputPorts[i])].type.dtype;
        const bool isConvert = task.task.convert_to != nullptr;
        result.error = layOut(tables, from, tactic.inputs[i], dims, isConvert ? tactic.inputs[i].dtype : dtype,
                              inputs[i], *inputBuffers.back());
        if (!result.error.empty()) {
            return result;
        }
        inputAddresses.push_back(device.upload(*inputBuffers.back(), result.error));
    }
    for (size_t o = 0; o < task.outputPorts.size(); ++o) {
        outputTensors.push_back(tensorOf(tactic.outputs[o], dimsOfOutput(from, task, o)));
        outputBuffers.push_back(std::make_unique<GuardedBuffer>(outputTensors.back().bytes));
        outputAddresses.push_back(device.upload(*outputBuffers.back(), result.error));
        results.push_back(outputBuffers.back().get());
        const int32_t alias = options.inPlace && !tactic.mayAlias.empty() ? tactic.mayAlias[o] : -1;
        if (alias >= 0) {
            if (outputTensors.back().bytes > inputTensors[static_cast<size_t>(alias)].bytes) {
                result.error = "the tactic would take over an input that is smaller than the output";
                return result;
            }
            outputAddresses.back() = const_cast<void*>(inputAddresses[static_cast<size_t>(alias)]);
            results.back() = inputBuffers[static_cast<size_t>(alias)].get();
        }
    }
    TnPrepareArgs prepare{};
    prepare.struct_size = sizeof prepare;
    prepare.input_count = static_cast<int64_t>(inputTensors.size());
    prepare.output_count = static_cast<int64_t>(outputTensors.size());
    prepare.tensor_stride = sizeof(TnTensor);
    prepare.inputs = inputTensors.data();
    prepare.outputs = outputTensors.data();
    prepare.scalars = task.scalars.data();
    prepare.scalar_count = static_cast<int64_t>(task.scalars.size());
    TextSink reason;
    const int64_t workspaceBytes = runtime.workspace(running.kernel, running.session, &prepare, &reason.sink);
    if (workspaceBytes < 0) {
        result.error = "workspace failed: " + reason.text;
        return result;
    }
    if (runtime.prepare(running.state, &prepare, &reason.sink) != TN_OK) {
        result.error = "prepare failed: " + reason.text;
        return result;
    }
    GuardedBuffer workspace(workspaceBytes);
    TnLaunchArgs launch{};
    launch.struct_size = sizeof launch;
    launch.inputs = inputAddresses.data();
    launch.outputs = outputAddresses.data();
    launch.workspace = device.upload(workspace, result.error);
    launch.reason = &reason.sink;
    launch.stream = device.stream();
    if (!result.error.empty()) {
        return result;
    }
    const TnCapture* capture =
        options.record && (tactic.traits & TN_TRAIT_CAPTURE_SAFE) != 0 ? device.capture() : nullptr;
    if (capture != nullptr && capture->begin(capture->self, launch.stream, &reason.sink) != TN_OK) {
        result.error = "recording does not start: " + reason.text;
        return result;
    }
    const TnCode launched = runtime.launch(running.state, &launch);
    if (capture != nullptr) {
        TnRecording* recording = nullptr;
        if (capture->end(capture->self, launch.stream, &recording, &reason.sink) != TN_OK ||
            (launched == TN_OK && capture->replay(capture->self, recording, launch.stream, &reason.sink) != TN_OK)) {
            result.error = "recording fails: " + reason.text;
        }
        const std::string failed = device.synchronize();
        if (recording != nullptr) {
            capture->destroy(capture->self, recording);
        }
        result.error = result.error.empty() ? failed : result.error;
    }
    if (launched != TN_OK) {
        result.error = "launch failed: " + reason.text;
    }
    if (!result.error.empty()) {
        return result;
    }
    if (tables.device.backend != nullptr) {
        if (const std::string failed = device.download(); !failed.empty()) {
            result.error = "launch failed: " + failed;
            return result;
        }
    }
    if ((tactic.traits & TN_TRAIT_FREE_ALIAS) != 0 && !haveSameBytes(*inputBuffers[0], *results[0])) {
        result.error = "the tactic says that its output has the bytes of its input, and it has others";
        return result;
    }
    if (tables.device.backend != nullptr) {
        if (options.time) {
            result.microseconds = device.microseconds(20, [&] { runtime.launch(running.state, &launch); });
        }
    } else if (options.time) {
        using Clock = std::chrono::steady_clock;
        const Clock::time_point begin = Clock::now();
        double best = 1e30;
        while (std::chrono::duration<double, std::milli>(Clock::now() - begin).count() < options.timeMs) {
            for (size_t i = 0; i < inputBuffers.size() && options.beforeTimed; ++i) {
                if (from.inputs[static_cast<size_t>(task.inputPorts[i])].isConstant) {
                    options.beforeTimed(inputBuffers[i]->data(), inputBuffers[i]->size());
                }
            }
            const Clock::time_point before = Clock::now();
            runtime.launch(running.state, &launch);
            best = std::min(best, std::chrono::duration<double, std::micro>(Clock::now() - before).count());
        }
        result.microseconds = best;
    }
    for (const auto& buffer : inputBuffers) {
        if (!buffer->intact()) {
            result.error = "memory beside an input was written";
        }
    }
    for (const auto& buffer : outputBuffers) {
        if (!buffer->intact()) {
            result.error = "memory beside an output was written";
        }
    }
    if (!workspace.intact()) {
        result.error = "memory beside the workspace was written";
    }
    for (size_t o = 0; o < outputBuffers.size(); ++o) {
        const TnPortFormat& port = tactic.outputs[o];
        const std::vector<int64_t>& dims = dimsOfOutput(from, task, o);
        const TnDataType dtype = from.outputs[static_cast<size_t>(task.outputPorts[o])].type.dtype;
        if (module::isOpaque(port.format)) {
            result.error = "an output in a layout of the provider's own";
            return result;
        }
        std::vector<std::byte> linear(static_cast<size_t>(outputTensors[o].elements) *
                                      static_cast<size_t>(kernels::bytesOf(dtype)));
        std::vector<bool> written(
            static_cast<size_t>(std::max<int64_t>(0, module::paddedElements(port.format, dims.data()))));
        const std::byte* source = results[o]->data();
        const auto portSize = static_cast<size_t>(kernels::bytesOf(port.dtype));
        forElements(port.format, dims, [&](int64_t i, int64_t offset) {
            convertElement(port.dtype, source + static_cast<size_t>(offset) * portSize, dtype,
                           linear.data() + static_cast<size_t>(i) * static_cast<size_t>(kernels::bytesOf(dtype)));
            written[static_cast<size_t>(offset)] = true;
        });
        for (size_t i = 0; i < written.size() && port.format.tail_zero != 0; ++i) {
            for (size_t k = 0; k < portSize && !written[i]; ++k) {
                if (source[i * portSize + k] != std::byte{0}) {
                    result.error = "padding that must be zero is not";
                }
            }
        }
        result.outputs.push_back(std::move(linear));
    }
    return result;
}

} // namespace tenon::conformance
