#include "core/plan/writer.h"

#include "core/plan/metadata.h"
#include "core/plan/verify.h"
#include "core/support/build_info.h"
#include "core/support/file_map.h"

#include <cstring>
#include <map>
#include <span>
#include <utility>

namespace tenon::plan {

using support::Hash128;
using support::Result;
using support::Status;

namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kWeightsAlignment = 4096;

std::span<const std::byte> bytesOfText(const PlanText& text) { return std::as_bytes(std::span(text.view())); }

// Adds pieces to a section, equal bytes once.
class Deduplicator {
public:
    explicit Deduplicator(SectionSource& section) : mSection(section) {}

    int64_t add(std::span<const std::byte> bytes) {
        if (bytes.empty()) {
            return 0;
        }
        const Hash128 hash = support::hashBytes(bytes);
        std::vector<Known>& sameHash = mKnown[{hash.high, hash.low}];
        for (const Known& known : sameHash) {
            if (known.bytes.size() == bytes.size() &&
                std::memcmp(known.bytes.data(), bytes.data(), bytes.size()) == 0) {
                return known.offset;
            }
        }
        const int64_t offset = mSection.add(bytes, kAlignment);
        sameHash.push_back({bytes, offset});
        return offset;
    }

private:
    struct Known {
        std::span<const std::byte> bytes;
        int64_t offset;
    };
    SectionSource& mSection;
    std::map<std::pair<uint64_t, uint64_t>, std::vector<Known>> mKnown; // by hash
};

// The sections of a plan, and what they refer to that is not in the plan itself.
struct Sections {
    std::vector<std::byte> metadata;
    std::vector<SectionSource> list;
};

Sections sectionsOf(const Plan& plan) {
    SectionSource kernels(SectionKind::kKernels, kAlignment);
    SectionSource weights(SectionKind::kWeights, kWeightsAlignment);
    DataPlaces places;
    Deduplicator blobs(kernels);
    for (const PlanKernel& kernel : plan.kernels) {
        places.kernels.push_back({blobs.add(*kernel.blob), static_cast<int64_t>(kernel.blob->size()), true});
    }
    Deduplicator values(weights);
    for (const PlanConstant& constant : plan.constants) {
        const bool present = constant.data != nullptr || constant.bytes == 0;
        const auto size = present ? static_cast<size_t>(constant.bytes) : 0;
        places.constants.push_back({values.add({constant.data, size}), constant.bytes, present});
    }

    Sections out;
    out.metadata = encodeMetadata(plan, places);
    SectionSource metadata(SectionKind::kMetadata, kAlignment);
    metadata.add(out.metadata, kAlignment);
    SectionSource graph(SectionKind::kGraph, kAlignment);
    graph.add(bytesOfText(plan.graphText), kAlignment);
    SectionSource inspector(SectionKind::kInspector, kAlignment);
    inspector.add(bytesOfText(plan.inspectorJson), kAlignment);
    SectionSource ledger(SectionKind::kLedger, kAlignment, kSectionOutsideContentHash);
    ledger.add(bytesOfText(plan.ledgerJson), kAlignment);
    out.list = {std::move(metadata),  std::move(kernels), std::move(graph),
                std::move(inspector), std::move(weights), std::move(ledger)};
    return out;
}

} // namespace

Status writePlan(const Plan& plan, const ByteSink& sink) {
    TN_RETURN_IF_ERROR(verifyPlan(plan).withContext("before writing it"));
    const Sections sections = sectionsOf(plan);
    const std::string_view version = plan.tenonVersion.empty() ? support::versionText() : plan.tenonVersion;
    return writeContainer(version, sections.list, sink);
}

Result<std::vector<std::byte>> planToBytes(const Plan& plan) {
    TN_RETURN_IF_ERROR(verifyPlan(plan).withContext("before writing it"));
    const Sections sections = sectionsOf(plan);
    const std::string_view version = plan.tenonVersion.empty() ? support::versionText() : plan.tenonVersion;
    int64_t bytes = 0;
    for (const SectionSource& section : sections.list) {
        bytes += section.size() + kWeightsAlignment;
    }
    std::vector<std::byte> out;
    out.reserve(static_cast<size_t>(bytes));
    TN_RETURN_IF_ERROR(writeContainer(version, sections.list, [&out](std::span<const std::byte> piece) {
        out.insert(out.end(), piece.begin(), piece.end());
        return Status();
    }));
    return out;
}

Status writePlanFile(const Plan& plan, const std::string& path) {
    TN_ASSIGN_OR_RETURN(support::AtomicFileWriter file, support::AtomicFileWriter::open(path));
    const auto write = [&file](std::span<const std::byte> piece) { return file.write(piece); };
    TN_RETURN_IF_ERROR(writePlan(plan, write).withContext(support::cat("while writing '", path, "'")));
    return file.commit();
}

Result<std::string> contentHashOf(const Plan& plan) {
    // The hash stands in the header, which comes first; the rest need not be looked at.
    std::string hash;
    const Status status = writePlan(plan, [&hash](std::span<const std::byte> piece) {
        if (hash.empty()) {
            hash = contentHashInHeader(piece).hex();
        }
        return Status();
    });
    if (!status.ok()) {
        return status;
    }
    return hash;
}

} // namespace tenon::plan
