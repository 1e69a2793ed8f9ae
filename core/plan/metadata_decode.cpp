#include "core/plan/metadata.h"

#include "core/plan/plan_generated.h"
#include "core/support/text.h"

#include <algorithm>
#include <cstring>

namespace tenon::plan {

using support::invalidFile;
using support::Result;

namespace {

// Decodes after the FlatBuffers verifier has accepted the bytes: every offset is inside the buffer. What it does not see is
// that a small buffer may say one thing a million times (many tables sharing one vector), so everything that is copied is
// counted against a budget. The first failure sticks; later calls return empty values.
class Decoder {
public:
    explicit Decoder(size_t bufferBytes) : mBudget(64 * static_cast<int64_t>(bufferBytes) + (16 << 20)) {}

    Result<Plan> decode(const fb::Metadata& metadata, DataPlaces& places);

private:
    void fail(std::string message) {
        if (mError.empty()) {
            mError = std::move(message);
        }
    }
    bool spend(size_t bytes) {
        mBudget -= static_cast<int64_t>(bytes);
        if (mBudget < 0) {
            fail("it expands to far more than its size");
        }
        return mError.empty();
    }

    std::string text(const flatbuffers::String* value) {
        if (value == nullptr || !spend(value->size())) {
            return {};
        }
        return value->str();
    }

    // The verifier sees to the alignment of a vector's length, not of what follows: elements of 8 bytes may lie misaligned,
    // so they are copied out before they are looked at.
    template <class T>
    static T elementAt(const uint8_t* data, size_t index) {
        T out;
        std::memcpy(static_cast<void*>(&out), data + index * sizeof(T), sizeof(T));
        return out;
    }

    template <class T>
    std::vector<T> numbers(const flatbuffers::Vector<T>* values) {
        std::vector<T> out;
        if (values == nullptr || !spend(values->size() * sizeof(T))) {
            return out;
        }
        out.reserve(values->size());
        for (size_t i = 0; i < values->size(); ++i) {
            out.push_back(flatbuffers::EndianScalar(elementAt<T>(values->Data(), i)));
        }
        return out;
    }

    // One element of `Out` for each struct in a vector.
    template <class Out, class Struct, class Function>
    std::vector<Out> structs(const flatbuffers::Vector<const Struct*>* values, Function decodeOne) {
        std::vector<Out> out;
        if (values == nullptr || !spend(values->size() * sizeof(Out))) {
            return out;
        }
        out.reserve(values->size());
        for (size_t i = 0; i < values->size() && mError.empty(); ++i) {
            out.push_back(decodeOne(elementAt<Struct>(values->Data(), i)));
        }
        return out;
    }

    std::vector<std::string> texts(const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>* values) {
        return list<std::string>(values, [this](const flatbuffers::String* value) { return text(value); });
    }

    // One element of `Out` for each table in a vector.
    template <class Out, class Table, class Function>
    std::vector<Out> list(const flatbuffers::Vector<flatbuffers::Offset<Table>>* tables, Function decodeOne) {
        std::vector<Out> out;
        if (tables == nullptr || !spend(tables->size() * sizeof(Out))) {
            return out;
        }
        out.reserve(tables->size());
        for (flatbuffers::uoffset_t i = 0; i < tables->size() && mError.empty(); ++i) {
            out.push_back(decodeOne(tables->Get(i)));
        }
        return out;
    }

    template <class Enum, class FbEnum>
    Enum enumerator(FbEnum value, FbEnum last, const char* what) {
        if (static_cast<uint32_t>(value) > static_cast<uint32_t>(last)) {
            fail(support::cat("unknown ", what, ' ', static_cast<uint32_t>(value)));
            return Enum{};
        }
        return static_cast<Enum>(value);
    }

    ir::DataType dtype(fb::DataType value) {
        return enumerator<ir::DataType>(value, fb::DataType::MAX, "element type");
    }

    ir::TensorFormat formatAt(int32_t index) {
        if (index < 0 || static_cast<size_t>(index) >= mFormats.size()) {
            fail(support::cat("format ", index, " of ", mFormats.size(), " does not exist"));
            return {};
        }
        return mFormats[static_cast<size_t>(index)];
    }

    ir::TensorFormat format(const fb::Format& from);
    ir::ExprNode expression(const fb::Expression& from);
    PlanBinding binding(const fb::Binding& from);
    std::vector<std::array<std::vector<int64_t>, 3>>
    ranges(const flatbuffers::Vector<flatbuffers::Offset<fb::ProfileRange>>* from);
    PlanConstant constant(const fb::Constant& from);
    PlanTensor tensor(const fb::Tensor& from);
    PlanStep step(const fb::Step& from);
    PlanProgram program(const fb::Program& from);

    int64_t mBudget;
    std::string mError;
    std::vector<ir::TensorFormat> mFormats;
};

ir::TensorFormat Decoder::format(const fb::Format& from) {
    ir::TensorFormat out{};
    const auto* order = from.order();
    const auto* blocks = from.blocks();
    const auto* provider = from.opaque_provider();
    const size_t rank = order != nullptr ? order->size() : 0;
    const size_t blockCount = blocks != nullptr ? blocks->size() : 0;
    const size_t providerBytes = provider != nullptr ? provider->size() : 0;
    if (rank > TN_MAX_DIMS || blockCount > TN_MAX_BLOCKS || providerBytes >= sizeof(out.opaque_provider)) {
        fail(support::cat("a format has ", rank, " dimensions, ", blockCount, " blocks and a provider's name of ",
                          providerBytes, " bytes; at most ", TN_MAX_DIMS, ", ", TN_MAX_BLOCKS, " and ",
                          sizeof(out.opaque_provider) - 1, " are allowed"));
        return out;
    }
    out.rank = static_cast<int32_t>(rank);
    for (size_t i = 0; i < rank; ++i) {
        out.order[i] = order->Get(static_cast<flatbuffers::uoffset_t>(i));
    }
    out.block_count = static_cast<int32_t>(blockCount);
    for (size_t i = 0; i < blockCount; ++i) {
        const fb::Block* block = blocks->Get(static_cast<flatbuffers::uoffset_t>(i));
        out.blocks[i] = {block->dim(), block->size()};
    }
    out.outer_pitch = from.outer_pitch();
    out.tail_zero = from.tail_zero() ? 1 : 0;
    out.alignment = from.alignment();
    if (providerBytes > 0) {
        std::memcpy(out.opaque_provider, provider->data(), providerBytes);
    }
    out.opaque_id = from.opaque_id();
    out.opaque_version = from.opaque_version();
    out.opaque_bytes = from.opaque_bytes();
    return out;
}

ir::ExprNode Decoder::expression(const fb::Expression& from) {
    ir::ExprNode out;
    out.op = enumerator<ir::ExprOp>(from.op(), fb::ExprOp::MAX, "expression operator");
    out.value = from.value();
    out.scale = from.scale();
    out.operands[0].id = from.a();
    out.operands[1].id = from.b();
    out.operands[2].id = from.c();
    return out;
}

std::vector<std::array<std::vector<int64_t>, 3>>
Decoder::ranges(const flatbuffers::Vector<flatbuffers::Offset<fb::ProfileRange>>* from) {
    using Range = std::array<std::vector<int64_t>, 3>;
    return list<Range>(from, [this](const fb::ProfileRange* range) {
        return Range{numbers(range->min()), numbers(range->opt()), numbers(range->max())};
    });
}

PlanBinding Decoder::binding(const fb::Binding& from) {
    PlanBinding out;
    out.name = text(from.name());
    out.isInput = from.is_input();
    out.dtype = dtype(from.dtype());
    out.format = formatAt(from.format());
    out.dims = numbers(from.dims());
    out.dimNames = texts(from.dim_names());
    out.isShapeInput = from.is_shape_input();
    out.profiles = ranges(from.profiles());
    out.profileValues = ranges(from.profile_values());
    out.placement = from.placement();
    return out;
}

PlanConstant Decoder::constant(const fb::Constant& from) {
    PlanConstant out;
    out.name = text(from.name());
    out.identity = text(from.identity());
    out.dtype = dtype(from.dtype());
    out.dims = numbers(from.dims());
    out.format = formatAt(from.format());
    out.bytes = from.bytes();
    out.derived = from.derived();
    return out;
}

PlanTensor Decoder::tensor(const fb::Tensor& from) {
    PlanTensor out;
    out.name = text(from.name());
    out.role = enumerator<PlanTensor::Role>(from.role(), fb::Role::MAX, "tensor role");
    switch (out.role) {
    case PlanTensor::Role::kInput:
    case PlanTensor::Role::kOutput:
        out.binding = from.storage();
        break;
    case PlanTensor::Role::kConstant:
        out.constant = from.storage();
        break;
    case PlanTensor::Role::kActivation:
        break;
    }
    out.dtype = dtype(from.dtype());
    out.placement = from.placement();
    out.format = formatAt(from.format());
    out.dims = numbers(from.dims());
    out.offset = from.offset();
    out.capacity = from.capacity();
    return out;
}

PlanStep Decoder::step(const fb::Step& from) {
    PlanStep out;
    out.kind = enumerator<StepKind>(from.kind(), fb::StepKind::MAX, "step kind");
    out.name = text(from.name());
    out.sources = texts(from.sources());
    out.op = text(from.op());
    out.kernel = from.kernel();
    out.stream = from.stream();
    out.inputs = numbers(from.inputs());
    out.outputs = numbers(from.outputs());
    out.scalars = numbers(from.scalars());
    out.symbols = numbers(from.symbols());
    out.workspaceOffset = from.workspace_offset();
    out.workspaceCapacity = from.workspace_capacity();
    out.traits = from.traits();
    out.placement = from.placement();
    return out;
}

PlanProgram Decoder::program(const fb::Program& from) {
    PlanProgram out;
    out.name = text(from.name());
    out.box = structs<SymbolRange>(from.box(), [](const fb::SymbolRange& range) {
        return SymbolRange{range.min(), range.opt(), range.max()};
    });
    out.tensors = list<PlanTensor>(from.tensors(), [this](const fb::Tensor* each) { return tensor(*each); });
    out.steps = list<PlanStep>(from.steps(), [this](const fb::Step* each) { return step(*each); });
    out.arenaBytes = from.arena_bytes();
    out.deviceArenaBytes = numbers(from.device_arena_bytes());
    return out;
}

Result<Plan> Decoder::decode(const fb::Metadata& metadata, DataPlaces& places) {
    Plan plan;
    plan.networkName = text(metadata.network_name());
    plan.tenonVersion = text(metadata.tenon_version());
    plan.targetJson = text(metadata.target_json());
    plan.targetFingerprint = text(metadata.target_fingerprint());
    plan.level = metadata.level();
    plan.hostThreads = std::max(0, metadata.host_threads());
    plan.stopped = metadata.stopped();
    mFormats = list<ir::TensorFormat>(metadata.formats(), [this](const fb::Format* each) { return format(*each); });
    plan.symbols = list<ir::Symbol>(metadata.symbols(), [this](const fb::Symbol* each) {
        ir::Symbol symbol;
        symbol.name = text(each->name());
        symbol.source = enumerator<ir::SymbolSource>(each->source(), fb::SymbolSource::MAX, "symbol source");
        symbol.input = each->input();
        symbol.index = each->index();
        return symbol;
    });
    plan.expressions =
        structs<ir::ExprNode>(metadata.expressions(), [this](const fb::Expression& each) { return expression(each); });
    plan.bindings = list<PlanBinding>(metadata.bindings(), [this](const fb::Binding* each) { return binding(*each); });
    plan.constants = list<PlanConstant>(metadata.constants(), [this, &places](const fb::Constant* each) {
        places.constants.push_back({each->offset(), each->bytes(), each->present()});
        return constant(*each);
    });
    plan.kernels = list<PlanKernel>(metadata.kernels(), [this, &places](const fb::Kernel* each) {
        places.kernels.push_back({each->blob_offset(), each->blob_bytes(), true});
        PlanKernel kernel;
        kernel.runtime = text(each->runtime());
        kernel.blobVersion = each->blob_version();
        kernel.tactic = text(each->tactic());
        return kernel;
    });
    plan.requirements = list<ModuleRequirement>(metadata.requirements(), [this](const fb::Requirement* each) {
        return ModuleRequirement{text(each->name()), text(each->version()), text(each->runtime()),
                                 each->blob_version()};
    });
    plan.programs = list<PlanProgram>(metadata.programs(), [this](const fb::Program* each) { return program(*each); });
    if (const auto* weights = metadata.weight_program(); weights != nullptr) {
        plan.weightProgram = program(*weights);
    }
    plan.devices = list<PlanDevice>(metadata.devices(), [this](const fb::Device* each) {
        return PlanDevice{text(each->backend()), text(each->json()), text(each->fingerprint())};
    });
    if (!mError.empty()) {
        return invalidFile("the metadata of the plan is damaged: ", mError);
    }
    return plan;
}

} // namespace

Result<Plan> decodeMetadata(std::span<const std::byte> bytes, DataPlaces& places) {
    // FlatBuffers reads numbers in place, so they must lie aligned; a section may come at any address.
    std::vector<uint64_t> aligned;
    if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(uint64_t) != 0) {
        aligned.resize((bytes.size() + sizeof(uint64_t) - 1) / sizeof(uint64_t));
        std::memcpy(aligned.data(), bytes.data(), bytes.size());
        bytes = {reinterpret_cast<const std::byte*>(aligned.data()), bytes.size()};
    }
    const auto* buffer = reinterpret_cast<const uint8_t*>(bytes.data());
    constexpr flatbuffers::uoffset_t kMaxDepth = 8; // root, program, tensor, ...
    const auto maxTables = static_cast<flatbuffers::uoffset_t>(std::min<size_t>(bytes.size() / 4 + 64, INT32_MAX));
    flatbuffers::Verifier verifier(buffer, bytes.size(), kMaxDepth, maxTables);
    if (bytes.size() < 16 || bytes.size() >= FLATBUFFERS_MAX_BUFFER_SIZE || !fb::VerifyMetadataBuffer(verifier)) {
        return invalidFile(
            "the metadata of the plan is damaged: it is no valid FlatBuffer of the plan schema. Build the "
            "plan again");
    }
    return Decoder(bytes.size()).decode(*fb::GetMetadata(buffer), places);
}

} // namespace tenon::plan
