#include "core/plan/reader.h"

#include "core/plan/metadata.h"
#include "core/plan/verify.h"
#include "core/support/file_map.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <new>
#include <utility>

namespace tenon::plan {

using support::cat;
using support::invalidFile;
using support::Result;
using support::Status;

namespace {

constexpr size_t kAlignment = 64;

bool isAligned(const void* address) { return reinterpret_cast<uintptr_t>(address) % kAlignment == 0; }

Result<std::shared_ptr<const void>> alignedCopy(std::span<const std::byte> bytes) {
    void* const memory = ::operator new(std::max<size_t>(bytes.size(), 1), std::align_val_t(kAlignment), std::nothrow);
    if (memory == nullptr) {
        return support::makeError(support::Code::kOutOfMemory, "no memory for ",
                                  support::formatBytes(static_cast<int64_t>(bytes.size())),
                                  " of weights; load the plan from a file, which maps them");
    }
    if (!bytes.empty()) {
        std::memcpy(memory, bytes.data(), bytes.size());
    }
    return std::shared_ptr<const void>(memory, [](const void* address) {
        ::operator delete(const_cast<void*>(address), std::align_val_t(kAlignment));
    });
}

bool isInside(const DataPlaces::Place& place, size_t sectionBytes) {
    return place.offset >= 0 && place.bytes >= 0 && place.offset % static_cast<int64_t>(kAlignment) == 0 &&
           static_cast<uint64_t>(place.offset) <= sectionBytes &&
           static_cast<uint64_t>(place.bytes) <= sectionBytes - static_cast<uint64_t>(place.offset);
}

Status attachConstants(Plan& plan, const DataPlaces& places, std::span<const std::byte> weights,
                       std::shared_ptr<const void> owner) {
    const bool inPlace = owner != nullptr && isAligned(weights.data());
    const std::byte* data = weights.data();
    if (!inPlace) {
        TN_ASSIGN_OR_RETURN(owner, alignedCopy(weights));
        data = static_cast<const std::byte*>(owner.get());
    }
    for (size_t i = 0; i < plan.constants.size(); ++i) {
        const DataPlaces::Place& place = places.constants[i];
        if (!place.present) {
            continue;
        }
        PlanConstant& constant = plan.constants[i];
        if (!isInside(place, weights.size())) {
            return invalidFile("constant ", i, " '", constant.name, "' lies at ", place.offset, " with ", place.bytes,
                               " bytes, outside the weights of ", weights.size(), " bytes, or not aligned");
        }
        constant.data = data + place.offset;
        constant.owner = owner;
    }
    return {};
}

Status attachKernels(Plan& plan, const DataPlaces& places, std::span<const std::byte> blobs) {
    std::map<std::pair<int64_t, int64_t>, std::shared_ptr<const std::vector<std::byte>>> known;
    for (size_t i = 0; i < plan.kernels.size(); ++i) {
        const DataPlaces::Place& place = places.kernels[i];
        if (!isInside(place, blobs.size())) {
            return invalidFile("the blob of kernel ", i, " '", plan.kernels[i].tactic, "' lies at ", place.offset,
                               " with ", place.bytes, " bytes, outside the kernels of ", blobs.size(),
                               " bytes, or not aligned");
        }
        auto& blob = known[{place.offset, place.bytes}];
        if (blob == nullptr) {
            const auto bytes = blobs.subspan(static_cast<size_t>(place.offset), static_cast<size_t>(place.bytes));
            blob = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
        }
        plan.kernels[i].blob = blob;
    }
    return {};
}

// A blob may be named by many kernels at overlapping places; copying each would let a small file fill the memory.
Status checkBlobSizes(const DataPlaces& places, size_t sectionBytes) {
    std::map<int64_t, int64_t> sizes;
    int64_t total = 0;
    for (const DataPlaces::Place& place : places.kernels) {
        if (place.bytes == 0) {
            continue;
        }
        const auto [at, isNew] = sizes.emplace(place.offset, place.bytes);
        if (!isNew && at->second != place.bytes) {
            return invalidFile("two kernels' blobs lie at ", place.offset, " with different sizes");
        }
        total += isNew && place.bytes > 0 && static_cast<uint64_t>(place.bytes) <= sectionBytes ? place.bytes : 0;
        if (static_cast<uint64_t>(total) > sectionBytes) {
            return invalidFile("the kernels' blobs overlap");
        }
    }
    return {};
}

PlanText textOf(std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return owner != nullptr ? PlanText(text, owner) : PlanText(std::string(text));
}

// What was hashed and decoded is not looked at again in most processes, and where it is, the pages come back.
void forgetAllButWeights(const support::FileMap& file) {
    const Result<ContainerInfo> info = readContainer(file.bytes());
    for (const SectionInfo& section : info->sections) {
        if (section.kind != SectionKind::kWeights) {
            file.forget(bytesOf(file.bytes(), section));
        }
    }
}

} // namespace

Result<Plan> readPlan(std::span<const std::byte> file, std::shared_ptr<const void> owner, const ReadOptions& options) {
    TN_ASSIGN_OR_RETURN(const ContainerInfo info, readContainer(file));
    for (const SectionKind kind : {SectionKind::kMetadata, SectionKind::kKernels, SectionKind::kGraph,
                                   SectionKind::kInspector, SectionKind::kWeights, SectionKind::kLedger}) {
        if (info.find(kind) == nullptr) {
            return invalidFile("the plan is damaged: it has no section '", nameOf(kind), "'");
        }
    }
    for (const SectionInfo& section : info.sections) {
        if (options.checkWeights || section.kind != SectionKind::kWeights) {
            TN_RETURN_IF_ERROR(checkSectionHash(file, section));
        }
    }
    const auto bytesOfKind = [&](SectionKind kind) { return bytesOf(file, *info.find(kind)); };

    DataPlaces places;
    TN_ASSIGN_OR_RETURN(Plan plan, decodeMetadata(bytesOfKind(SectionKind::kMetadata), places));
    const std::span<const std::byte> blobs = bytesOfKind(SectionKind::kKernels);
    TN_RETURN_IF_ERROR(checkBlobSizes(places, blobs.size()));
    TN_RETURN_IF_ERROR(attachKernels(plan, places, blobs));
    TN_RETURN_IF_ERROR(attachConstants(plan, places, bytesOfKind(SectionKind::kWeights), owner));
    plan.graphText = textOf(bytesOfKind(SectionKind::kGraph), owner);
    plan.inspectorJson = textOf(bytesOfKind(SectionKind::kInspector), owner);
    plan.ledgerJson = textOf(bytesOfKind(SectionKind::kLedger), owner);
    plan.contentHash = info.contentHash.hex();
    TN_RETURN_IF_ERROR(verifyPlan(plan));
    return plan;
}

Result<Plan> readPlanFile(const std::string& path, const ReadOptions& options) {
    TN_ASSIGN_OR_RETURN(support::FileMap opened, support::FileMap::open(path));
    const auto map = std::make_shared<const support::FileMap>(std::move(opened));
    Result<Plan> plan = readPlan(map->bytes(), map, options);
    if (plan.ok()) {
        forgetAllButWeights(*map);
    }
    return std::move(plan).withContext(cat("while loading '", path, "'"));
}

} // namespace tenon::plan
