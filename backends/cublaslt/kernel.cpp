#include "backends/cublaslt/kernel.h"

#include "backends/common/task_kernel.h"
#include "backends/cuda/stream.h"
#include "backends/nvidia/branches.h"
#include "backends/nvidia/handle_session.h"

#include <algorithm>

namespace tenon::cublaslt {

using kernels::Dims;
using kernels::explained;
using kernels::invalid;
using kernels::refuse;

namespace {

using LtSession = nvidia::HandleSession<Handle>;

Dims dimsOf(const TnTensor& tensor) {
    if (tensor.rank < 0 || tensor.rank > TN_MAX_DIMS) {
        invalid("a tensor of rank ", tensor.rank);
    }
    return {&tensor.dims[0], &tensor.dims[0] + tensor.rank};
}

// Of one product, or of the family as a batch, as the rule has it.
Extents extentsFor(const Compiled& compiled, const Dims& a, const Dims& b) {
    const Extents each = extentsOf(compiled.matmul, a, b, compiled.swappedB);
    if (!compiled.rule.stacked) {
        return each;
    }
    const std::optional<Extents> all = stackedExtents(each, static_cast<int64_t>(compiled.matmul.siblings.size()) + 1);
    if (!all) {
        invalid("the tactic stacks products that are no family of single ones");
    }
    return *all;
}

// The product for real extents, with its algorithm: the one that the rule picks at the optimal extents, where it works for these, else what
// the heuristics say. Null where there is nothing to compute.
std::unique_ptr<Product> productFor(const Handle& handle, const Compiled& compiled, const module::PrepareArgs& args) {
    const Matmul& matmul = compiled.matmul;
    if (args.inputCount() != static_cast<int32_t>(compiled.inputs.size()) ||
        args.outputCount() != static_cast<int32_t>(compiled.outputs.size())) {
        invalid("prepare with ", args.inputCount(), " inputs and ", args.outputCount(), " outputs for a kernel of ",
                compiled.inputs.size(), " and ", compiled.outputs.size());
    }
    const Dims a = dimsOf(args.input(matmul.a));
    const Dims b = dimsOf(args.input(matmul.b));
    const Extents extents = extentsFor(compiled, a, b);
    if (extents.empty()) {
        return nullptr;
    }
    auto product = std::make_unique<Product>(handle, matmul, compiled.types, extents);
    const auto input = [&](int32_t port) {
        return compiled.body.value(compiled.body.inputs()[static_cast<size_t>(port)]);
    };
    const Dims optA = input(matmul.a).optExtents();
    const Dims optB = input(matmul.b).optExtents();
    if (a == optA && b == optB) {
        if (product->pick(compiled.rule, compiled.workspaceLimit)) {
            return product;
        }
    } else if (const Extents best = extentsFor(compiled, optA, optB); !best.empty()) {
        Product optimum(handle, matmul, compiled.types, best);
        if (optimum.pick(compiled.rule, compiled.workspaceLimit) &&
            product->pickLike(optimum, compiled.workspaceLimit)) {
            return product;
        }
    }
    if (!product->pickAny(compiled.workspaceLimit)) {
        refuse("cuBLASLt has no algorithm for ", extents.batch, " products of ", extents.m, "x", extents.k, " and ",
               extents.k, "x", extents.n, " of ", module::nameOf(compiled.types.operands), " within ",
               compiled.workspaceLimit, " bytes of workspace");
    }
    return product;
}

// One product of a stacked family, for addresses that no batch has, within the batch's workspace; null where there is no algorithm.
std::unique_ptr<Product> singleFor(const Handle& handle, const Compiled& compiled, const module::PrepareArgs& args,
                                   int64_t workspace) {
    const Dims a = dimsOf(args.input(compiled.matmul.a));
    const Dims b = dimsOf(args.input(compiled.matmul.b));
    auto product = std::make_unique<Product>(handle, compiled.matmul, compiled.types,
                                             extentsOf(compiled.matmul, a, b, compiled.swappedB));
    return product->pickAny(workspace) ? std::move(product) : nullptr;
}

// Products that run side by side have a workspace each.
int64_t workspaceStep(const Product& product) { return (product.workspace() + 255) / 256 * 256; }
int64_t workspacesOf(const Compiled& compiled) {
    return compiled.rule.stacked ? 1 : 1 + static_cast<int64_t>(compiled.matmul.siblings.size());
}

} // namespace

class MatmulState final : public module::State {
public:
    MatmulState(const Compiled& compiled, const LtSession& session) : mCompiled(compiled), mSession(session) {}

    module::Code prepare(const module::PrepareArgs& args, module::Reason& reason) override {
        mPrepared = false;
        return explained(reason, [&] {
            mProduct = productFor(mSession.handle(), mCompiled, args);
            mSingle = mCompiled.rule.stacked && mProduct != nullptr
                          ? singleFor(mSession.handle(), mCompiled, args, mProduct->workspace())
                          : nullptr;
            std::string error;
            const size_t branches = mCompiled.rule.stacked ? 0 : mCompiled.matmul.siblings.size();
            if (mBranches.size() < branches && !mBranches.create(branches, error)) {
                throw kernels::Failure(module::Code::kEnvironment, error);
            }
            mPrepared = true;
        });
    }

    module::Code launch(const module::LaunchArgs& args) override {
        module::Reason reason = args.reason();
        if (!mPrepared || args.stream() == nullptr) {
            return reason.invalidArgument(mPrepared ? "launch without a CUDA stream" : "launch before prepare");
        }
        if (mProduct == nullptr) {
            return module::Code::kOk;
        }
        const Matmul& matmul = mCompiled.matmul;
        Product::Addresses addresses;
        addresses.a = args.input(matmul.a);
        addresses.b = args.input(matmul.b);
        addresses.bias = matmul.bias < 0 ? nullptr : args.input(matmul.bias);
        addresses.residual = matmul.residual < 0 ? nullptr : args.input(matmul.residual);
        addresses.result = args.output(matmul.output);
        addresses.workspace = args.workspace();
        if (mCompiled.rule.stacked) {
            return launchStacked(args, addresses, reason);
        }
        return matmul.siblings.empty() ? mProduct->launch(addresses, args.stream()->stream, reason)
                                       : launchSiblings(args, addresses, reason);
    }

private:
    // The addresses of a product of the family, given the first one's.
    static Product::Addresses addressesOf(const module::LaunchArgs& args, Product::Addresses addresses,
                                          const Sibling& sibling) {
        addresses.b = args.input(sibling.b);
        addresses.bias = sibling.bias < 0 ? nullptr : args.input(sibling.bias);
        addresses.result = args.output(sibling.output);
        return addresses;
    }

    // One batch where operands lie evenly apart, as plans place them; else one after the other.
    module::Code launchStacked(const module::LaunchArgs& args, const Product::Addresses& first,
                               module::Reason& reason) {
        const cudaStream_t stream = args.stream()->stream;
        const std::vector<Sibling>& siblings = mCompiled.matmul.siblings;
        const int64_t bytes = module::bitsOf(mCompiled.types.operands) / 8;
        const auto apart = [](const void* from, const void* to) {
            return static_cast<const char*>(to) - static_cast<const char*>(from);
        };
        Product::Distances distances;
        bool even = true;
        Product::Addresses last = first;
        for (const Sibling& sibling : siblings) {
            const Product::Addresses next = addressesOf(args, last, sibling);
            const Product::Distances here{apart(last.b, next.b), apart(last.bias, next.bias),
                                          apart(last.result, next.result)};
            distances = &sibling == siblings.data() ? here : distances;
            even = even && here == distances;
            last = next;
        }
        constexpr int64_t kAligned = 16; // as algorithms were picked for
        for (int64_t* distance : {&distances.b, &distances.bias, &distances.result}) {
            even = even && *distance >= 0 && *distance % kAligned == 0;
            *distance /= bytes;
        }
        if (even && mProduct->setDistances(distances)) {
            return mProduct->launch(first, stream, reason);
        }
        if (mSingle == nullptr) {
            return reason.unsupported("the operands of a family of products are not evenly apart, and cuBLASLt has no "
                                      "algorithm for one product alone");
        }
        module::Code code = mSingle->launch(first, stream, reason);
        for (size_t i = 0; i < siblings.size() && code == module::Code::kOk; ++i) {
            code = mSingle->launch(addressesOf(args, first, siblings[i]), stream, reason);
        }
        return code;
    }

    // Side by side: each of them alone leaves most of a device idle where rows are few.
    module::Code launchSiblings(const module::LaunchArgs& args, Product::Addresses addresses, module::Reason& reason) {
        const cudaStream_t stream = args.stream()->stream;
        if (!mBranches.fork(stream)) {
            return reason.internal("the driver does not fork a stream");
        }
        module::Code code = mProduct->launch(addresses, stream, reason);
        const std::vector<Sibling>& siblings = mCompiled.matmul.siblings;
        for (size_t i = 0; i < siblings.size() && code == module::Code::kOk; ++i) {
            addresses = addressesOf(args, addresses, siblings[i]);
            if (addresses.workspace != nullptr) {
                addresses.workspace = static_cast<char*>(addresses.workspace) + workspaceStep(*mProduct);
            }
            code = mProduct->launch(addresses, mBranches.stream(i), reason);
        }
        // Also after a failure: a recording with open branches could not be ended.
        const bool joined = mBranches.join(stream);
        return code == module::Code::kOk && !joined ? reason.internal("the driver does not join streams") : code;
    }

    const Compiled& mCompiled;
    const LtSession& mSession;
    nvidia::Branches mBranches;
    std::unique_ptr<Product> mProduct;
    std::unique_ptr<Product> mSingle; // of a stacked family
    bool mPrepared = false;
};

namespace {

class MatmulKernel final : public module::Kernel {
public:
    MatmulKernel(module::OwnedGraph graph, Compiled compiled)
        : mGraph(std::move(graph)), mCompiled(std::move(compiled)) {
        mCompiled.body = mGraph.graph();
    }
    Compiled& compiled() { return mCompiled; }

    int64_t workspace(module::Session& session, const module::PrepareArgs& args,
                      module::Reason& reason) const override {
        bool isStatic = true;
        for (const int32_t port : {mCompiled.matmul.a, mCompiled.matmul.b}) {
            isStatic = isStatic && mCompiled.body.value(mCompiled.body.inputs()[static_cast<size_t>(port)]).isStatic();
        }
        if (!isStatic) {
            // Other extents may fall back to another algorithm, whose needs are not known yet.
            return mCompiled.workspaceLimit * workspacesOf(mCompiled);
        }
        int64_t bytes = -1;
        explained(reason, [&] {
            const auto product = productFor(static_cast<LtSession&>(session).handle(), mCompiled, args);
            const int64_t others = workspacesOf(mCompiled) - 1;
            bytes = product == nullptr ? 0 : product->workspace() + others * workspaceStep(*product);
        });
        return bytes;
    }
    std::unique_ptr<module::State> makeState(module::Session& session, module::Reason&) const override {
        return std::make_unique<MatmulState>(mCompiled, static_cast<LtSession&>(session));
    }

private:
    module::OwnedGraph mGraph;
    Compiled mCompiled;
};

class LtRuntime final : public module::KernelRuntime {
public:
    explicit LtRuntime(std::shared_ptr<LtApi> api) : mApi(std::move(api)) {}
    std::string name() const override { return "cublaslt"; }
    uint32_t blobMax() const override { return kBlobVersion; }

    std::unique_ptr<module::Session> openSession(const module::SessionInfo&, module::Reason& reason) override {
        return nvidia::openHandleSession<Handle>(mApi, reason);
    }

    std::unique_ptr<module::Kernel> deserialize(std::span<const std::byte> blob, uint32_t,
                                                module::Reason& reason) override {
        module::BlobReader in(blob, kBlobVersion);
        Compiled compiled;
        in.require(ruleOf(in.u64(), compiled.rule), "its tactic is none of this module");
        compiled.workspaceLimit = in.i64();
        in.require(compiled.workspaceLimit >= 0 && compiled.workspaceLimit <= kMostWorkspace,
                   "its workspace is larger than this module asks for");
        module::OwnedGraph graph = module::readGraph(in);
        for (size_t i = 0; i < graph.graph().inputs().size() && in.ok(); ++i) {
            compiled.inputs.push_back(in.port());
        }
        for (size_t i = 0; i < graph.graph().outputs().size() && in.ok(); ++i) {
            compiled.outputs.push_back(in.port());
        }
        if (!in.finish(reason)) {
            return nullptr;
        }
        auto kernel = std::make_unique<MatmulKernel>(std::move(graph), std::move(compiled));
        const module::Code code = explained(reason, [&] { kernel->compiled().complete(); });
        return code == module::Code::kOk ? std::move(kernel) : nullptr;
    }

private:
    std::shared_ptr<LtApi> mApi;
};

} // namespace

void Compiled::complete() {
    matmul = readMatmul(body);
    if (rule.stacked && matmul.siblings.empty()) {
        invalid("the tactic stacks products of a task that has one");
    }
    if (inputs.size() != body.inputs().size() || outputs.size() != body.outputs().size()) {
        invalid("the tactic has another number of ports than the task");
    }
    types.operands = inputs[static_cast<size_t>(matmul.a)].dtype;
    types.result = outputs[0].dtype;
    types.tf32 = rule.tf32;
    const auto port = [&](int32_t at) -> const TnPortFormat& { return inputs[static_cast<size_t>(at)]; };
    bool fits = areSupported(types) && port(matmul.b).dtype == types.operands &&
                (matmul.activation != Activation::kGeluErf || module::bitsOf(types.operands) <= 16) &&
                (matmul.bias < 0 || port(matmul.bias).dtype == types.result) &&
                (matmul.residual < 0 || port(matmul.residual).dtype == types.result);
    for (size_t i = 0; i < inputs.size(); ++i) {
        const TnFormat& format = inputs[i].format;
        fits = fits && format.rank == body.value(body.inputs()[i]).rank();
        const bool isB = static_cast<int32_t>(i) == matmul.b ||
                         std::any_of(matmul.siblings.begin(), matmul.siblings.end(),
                                     [&](const Sibling& each) { return each.b == static_cast<int32_t>(i); });
        if (isB && !module::isLinear(format)) {
            swappedB =
                format.rank == 2 && matmul.a != matmul.b && module::equal(format, module::permutedFormat({1, 0}));
            fits = fits && swappedB;
        } else {
            fits = fits && module::isLinear(format);
        }
    }
    for (const Sibling& each : matmul.siblings) {
        fits = fits && port(each.b).dtype == types.operands && module::isLinear(port(each.b).format) == !swappedB &&
               (each.bias < 0 || port(each.bias).dtype == types.result) &&
               outputs[static_cast<size_t>(each.output)].dtype == types.result;
    }
    for (size_t o = 0; o < outputs.size(); ++o) {
        fits = fits && module::isLinear(outputs[o].format) &&
               outputs[o].format.rank == body.value(body.outputs()[o]).rank();
    }
    fits = fits && module::isLinear(port(matmul.b).format) == !swappedB;
    if (!fits) {
        invalid("the ports of the tactic are none that cublaslt offers");
    }
}

module::BlobWriter writeBlob(const Compiled& compiled) {
    module::BlobWriter out(kBlobVersion);
    out.u64(idOf(compiled.rule));
    out.i64(compiled.workspaceLimit);
    module::writeGraph(out, compiled.body);
    for (const TnPortFormat& port : compiled.inputs) {
        out.port(port);
    }
    for (const TnPortFormat& port : compiled.outputs) {
        out.port(port);
    }
    return out;
}

std::unique_ptr<module::KernelRuntime> makeRuntime(std::shared_ptr<LtApi> api) {
    return std::make_unique<LtRuntime>(std::move(api));
}

} // namespace tenon::cublaslt
