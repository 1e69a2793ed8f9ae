// Kernels of the fake device for a few ops; everything else falls to the host.
#include "tests/modules/fake_device/kernels.h"

#include "tests/modules/fake_device/device.h"

#include <cstdlib>

namespace tenon::fake {

namespace {

using namespace module; // one file, all of it about the SDK

constexpr uint64_t kPackedId = 77;

struct Shape {
    int32_t rank;
    int64_t dims[4];
    int64_t strides[4]; // elements
};

Shape shapeOf(const TnTensor& tensor) {
    Shape shape{tensor.rank, {1, 1, 1, 1}, {0, 0, 0, 0}};
    std::copy_n(&tensor.dims[0], tensor.rank, &shape.dims[0]);
    if (!isOpaque(tensor.format)) {
        int64_t strides[TN_MAX_DIMS] = {};
        stridesOf(tensor.format, &tensor.dims[0], &strides[0]);
        std::copy_n(&strides[0], tensor.rank, &shape.strides[0]);
    }
    return shape;
}

bool run(Kind kind, const float* a, const float* b, float* y, int64_t count, const Shape& from, const Shape& to) {
    switch (kind) {
    case Kind::kRelu:
        for (int64_t i = 0; i < count; ++i) {
            y[i] = std::max(a[i], 0.0F);
        }
        return true;
    case Kind::kHalfRelu:
        return run(Kind::kRelu, a, nullptr, y, count / 2, from, to);
    case Kind::kTwicePlaced:
        std::fill_n(y, count, 0.0F);
        return run(Kind::kRelu, a, nullptr, y, count, from, to);
    case Kind::kAdd:
        for (int64_t i = 0; i < count; ++i) {
            y[i] = a[i] + b[i];
        }
        return true;
    case Kind::kNeg:
        for (int64_t i = 0; i < count; ++i) {
            y[i] = -a[i];
        }
        return true;
    case Kind::kMatmul:
    case Kind::kMatmulPacked:
        for (int64_t m = 0; m < to.dims[0]; ++m) {
            for (int64_t n = 0; n < to.dims[1]; ++n) {
                double sum = 0;
                for (int64_t k = 0; k < from.dims[1]; ++k) {
                    sum += double{a[m * from.dims[1] + k]} *
                           double{kind == Kind::kMatmul ? b[k * to.dims[1] + n] : b[n * from.dims[1] + k]};
                }
                y[m * to.dims[1] + n] = static_cast<float>(sum);
            }
        }
        return true;
    case Kind::kConvert: {
        int64_t at[4] = {};
        for (at[0] = 0; at[0] < from.dims[0]; ++at[0]) {
            for (at[1] = 0; at[1] < from.dims[1]; ++at[1]) {
                for (at[2] = 0; at[2] < from.dims[2]; ++at[2]) {
                    for (at[3] = 0; at[3] < from.dims[3]; ++at[3]) {
                        int64_t source = 0;
                        int64_t target = 0;
                        for (int d = 0; d < 4; ++d) {
                            source += at[d] * from.strides[d];
                            target += at[d] * to.strides[d];
                        }
                        y[target] = a[source];
                    }
                }
            }
        }
        return true;
    }
    case Kind::kPack:
        for (int64_t k = 0; k < from.dims[0]; ++k) {
            for (int64_t n = 0; n < from.dims[1]; ++n) {
                y[n * from.dims[0] + k] = a[k * from.dims[1] + n];
            }
        }
        return true;
    }
    return false;
}

class FakeState final : public State {
public:
    explicit FakeState(Kind kind) : mKind(kind) {}
    Code prepare(const PrepareArgs& args, Reason& reason) override {
        for (const TnTensor& tensor : args.inputs()) {
            if (tensor.rank > 4 || tensor.placement == TN_PLACEMENT_HOST) {
                return reason.invalidArgument("a tensor is not on the device");
            }
        }
        mFrom = shapeOf(args.input(0));
        mTo = shapeOf(args.output(0));
        mCount = args.output(0).elements;
        mOperands = args.inputCount();
        return Code::kOk;
    }
    Code launch(const LaunchArgs& args) override {
        const auto* a = args.input<float>(0);
        const auto* b = mOperands > 1 ? args.input<float>(1) : nullptr;
        auto* y = args.output<float>(0);
        const Memory& memory = Memory::process();
        if (!memory.owns(a) || !memory.owns(y) || (b != nullptr && !memory.owns(b))) {
            return args.reason().invalidArgument("an address is not one of the device");
        }
        if (args.stream() == nullptr) {
            return args.reason().invalidArgument("there is no stream");
        }
        args.stream()->queue->push(Work::of([kind = mKind, a, b, y, count = mCount, from = mFrom, to = mTo] {
            const Memory& all = Memory::process();
            return run(kind, all.real(a), all.real(b), all.real(y), count, from, to);
        }));
        return Code::kOk;
    }

private:
    Kind mKind;
    Shape mFrom{};
    Shape mTo{};
    int64_t mCount = 0;
    int32_t mOperands = 0;
};

class FakeKernel final : public Kernel {
public:
    explicit FakeKernel(Kind kind) : mKind(kind) {}
    std::unique_ptr<State> makeState(Session&, Reason&) const override { return std::make_unique<FakeState>(mKind); }

private:
    Kind mKind;
};

class FakeSession final : public Session {};

class FakeRuntime final : public KernelRuntime {
public:
    std::string name() const override { return std::string(kRuntimeName); }
    uint32_t blobMin() const override { return kBlobVersion; }
    uint32_t blobMax() const override { return kBlobVersion; }
    std::unique_ptr<Session> openSession(const SessionInfo& info, Reason& reason) override {
        if (info.placement() == TN_PLACEMENT_HOST) {
            reason.invalidArgument("these kernels run on a device of fakegpu, not on the host");
            return nullptr;
        }
        return std::make_unique<FakeSession>();
    }
    std::unique_ptr<Kernel> deserialize(std::span<const std::byte> blob, uint32_t, Reason& reason) override {
        BlobReader in(blob, kBlobVersion);
        const uint8_t kind = in.u8();
        in.require(kind >= 1 && kind <= static_cast<uint8_t>(Kind::kTwicePlaced), "unknown kernel");
        return in.finish(reason) ? std::make_unique<FakeKernel>(static_cast<Kind>(kind)) : nullptr;
    }
};

TnPortFormat packedPort(const ValueView& weights, TnPlacement placement) {
    const int64_t elements = weights.dim(0).max * weights.dim(1).max;
    return {TN_F32, placement, opaqueFormat(2, "fakegpu", kPackedId, 1, elements * 4)};
}

bool isPacked(const TnFormat& format) { return isOpaque(format) && format.opaque_id == kPackedId; }

class FakeProvider final : public Provider {
public:
    std::string name() const override { return "fakegpu"; }
    std::string version() const override { return "1"; }
    int32_t rank() const override { return 50; }

    Code supports(const TargetView& target, const TaskView& task, Reason& reason) const override {
        if (target.backend() != "fakegpu") {
            return reason.unsupported("computes on fakegpu only, not on ", target.backend());
        }
        for (int32_t i = 0; i < task.inputCount(); ++i) {
            if (task.input(i).dtype() != TN_F32 || !task.input(i).hasRank() || task.input(i).rank() > 4) {
                return reason.unsupported("only f32 of up to four dimensions");
            }
        }
        const std::string_view op = task.op();
        if (op == "activation.relu" || op == "unary.neg" || op == "convert") {
            return Code::kOk;
        }
        if (op == "binary.add") {
            return task.inputCount() == 2 && sameExtents(task.input(0), task.input(1))
                       ? Code::kOk
                       : reason.unsupported("only two operands of equal extents");
        }
        if (op == "matmul") {
            return task.inputCount() == 2 && task.input(0).rank() == 2 && task.input(1).rank() == 2
                       ? Code::kOk
                       : reason.unsupported("only two matrices");
        }
        return reason.unsupported("op '", op, "' has no kernel on fakegpu");
    }

    Code enumerate(const TargetView& target, const TaskView& task, TacticList& tactics, Reason& reason) const override {
        const TnPlacement here = target.placement();
        const std::string_view op = task.op();
        const TnTraits safe = TN_TRAIT_DETERMINISTIC | TN_TRAIT_EXACT_MATH | TN_TRAIT_CAPTURE_SAFE;
        if (op == "convert") {
            return enumerateConvert(target, task, tactics, reason);
        }
        if (op == "activation.relu") {
            Tactic relu = linearTactic(task, id(Kind::kRelu), "relu", safe, here);
            relu.estimateUs = 2;
            tactics.add(relu);
            const char* const lies = std::getenv("FAKEGPU_LIES");
            if (lies != nullptr) {
                const bool half = std::string_view(lies) == "half";
                Tactic lie = linearTactic(task, id(half ? Kind::kHalfRelu : Kind::kTwicePlaced), lies, 0, here);
                lie.estimateUs = std::getenv("FAKEGPU_LIES_SLOW") != nullptr ? 1000 : 1;
                lie.mayAlias = half ? std::vector<int32_t>() : std::vector<int32_t>{0};
                tactics.add(lie);
            }
            for (const TnPortFormat& port : task.offered(0)) {
                if (port.placement == here && port.dtype == TN_F32 && port.format.block_count == 0 &&
                    port.format.outer_pitch == 0 && !isOpaque(port.format) && !isLinear(port.format)) {
                    Tactic tactic;
                    tactic.id = id(Kind::kRelu);
                    tactic.name = "relu";
                    tactic.traits = safe;
                    tactic.inputs = {port};
                    tactic.outputs = {port};
                    tactics.add(tactic);
                }
            }
            return Code::kOk;
        }
        const Kind kind = op == "binary.add" ? Kind::kAdd : op == "matmul" ? Kind::kMatmul : Kind::kNeg;
        Tactic plain =
            linearTactic(task, id(kind), std::string(op), kind == Kind::kNeg ? TN_TRAIT_DETERMINISTIC : safe, here);
        plain.estimateUs = kind == Kind::kMatmul ? 2 : 1;
        tactics.add(plain);
        if (kind == Kind::kMatmul && task.input(1).isConstant() && task.input(1).isStatic()) {
            Tactic packed = linearTactic(task, id(Kind::kMatmulPacked), "matmul.packed", safe, here);
            packed.inputs[1] = packedPort(task.input(1), here);
            packed.estimateUs = 1;
            tactics.add(packed);
        }
        return Code::kOk;
    }

    Code compile(const TargetView&, const TaskView&, const TacticView& tactic, const Cancel&, BlobOutput& blob,
                 Reason&) const override {
        BlobWriter out(kBlobVersion);
        out.u8(static_cast<uint8_t>(tactic.id()));
        blob.set(kRuntimeName, kBlobVersion, out);
        return Code::kOk;
    }

private:
    static uint64_t id(Kind kind) { return static_cast<uint64_t>(kind); }
    static bool sameExtents(const ValueView& a, const ValueView& b) {
        bool same = a.rank() == b.rank();
        for (int32_t i = 0; same && i < a.rank(); ++i) {
            const TnDim& left = a.dim(i);
            const TnDim& right = b.dim(i);
            same = left.expr == right.expr || (isStatic(left) && isStatic(right) && left.min == right.min);
        }
        return same;
    }
    static Code enumerateConvert(const TargetView& target, const TaskView& task, TacticList& tactics, Reason& reason) {
        const TnPortFormat& from = task.offered(0)[0];
        const TnPortFormat& to = *task.convertTo();
        if (from.placement != target.placement() || to.placement != target.placement() || from.dtype != TN_F32 ||
            to.dtype != TN_F32) {
            return reason.unsupported("converts f32 on the device only");
        }
        const auto dense = [](const TnFormat& format) {
            return format.block_count == 0 && format.outer_pitch == 0 && !isOpaque(format);
        };
        Tactic tactic;
        tactic.inputs = {from};
        tactic.outputs = {to};
        tactic.traits = TN_TRAIT_DETERMINISTIC | TN_TRAIT_EXACT_MATH | TN_TRAIT_CAPTURE_SAFE;
        if (isLinear(from.format) && isPacked(to.format)) {
            tactic.id = id(Kind::kPack);
            tactic.name = "pack";
        } else if (dense(from.format) && dense(to.format)) {
            tactic.id = id(Kind::kConvert);
            tactic.name = "permute";
        } else {
            return reason.unsupported("no kernel between these layouts");
        }
        tactics.add(tactic);
        return Code::kOk;
    }
};

} // namespace

std::unique_ptr<const module::Provider> makeProvider() { return std::make_unique<FakeProvider>(); }
std::unique_ptr<module::KernelRuntime> makeRuntime() { return std::make_unique<FakeRuntime>(); }

} // namespace tenon::fake
