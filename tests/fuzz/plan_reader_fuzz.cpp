// Any bytes as a plan: the reader refuses them or gives a plan that can be shown, written and read again. Hashes would stop
// nearly every input at the door, so the same bytes are also tried behind correct ones: as a whole file, as the metadata of a sound
// file, and as changes to a sound file (pairs of a position and a byte).
#include "core/plan/container.h"
#include "core/plan/dump.h"
#include "core/plan/reader.h"
#include "core/plan/writer.h"
#include "core/runtime/loaded_program.h"
#include "tests/unit/core/plan/sample_plan.h"

#include <cstdlib>
#include <vector>

namespace {

using namespace tenon::plan; // NOLINT(google-build-using-namespace): a test of one namespace

using Bytes = std::vector<std::byte>;

void readAndUse(std::span<const std::byte> file) {
    const auto plan = readPlan(file);
    if (!plan.ok()) {
        if (plan.status().message().empty()) {
            std::abort();
        }
        return;
    }
    if (dumpPlan(*plan).empty()) {
        std::abort();
    }
    for (const PlanProgram& program : plan->programs) {
        static_cast<void>(tenon::runtime::loadProgram(*plan, program));
    }
    const auto again = planToBytes(*plan);
    if (!again.ok() || !readPlan(*again).ok()) {
        std::abort();
    }
}

void readResealed(Bytes file) {
    if (resealContainer(file)) {
        readAndUse(file);
    }
}

const Bytes& soundFile() {
    static const Bytes file = planToBytes(testing::samplePlan()).value();
    return file;
}

Bytes withMetadata(std::span<const std::byte> metadata) {
    const Bytes& sound = soundFile();
    const ContainerInfo info = readContainer(sound).value();
    std::vector<SectionSource> sections;
    for (const SectionInfo& section : info.sections) {
        SectionSource source(section.kind, section.kind == SectionKind::kWeights ? 4096 : 64, section.flags);
        source.add(section.kind == SectionKind::kMetadata ? metadata : bytesOf(sound, section), 64);
        sections.push_back(std::move(source));
    }
    Bytes out;
    const auto status = writeContainer("0.0.0", sections, [&out](std::span<const std::byte> piece) {
        out.insert(out.end(), piece.begin(), piece.end());
        return tenon::support::okStatus();
    });
    if (!status.ok()) {
        std::abort();
    }
    return out;
}

Bytes withChanges(std::span<const std::byte> changes) {
    Bytes file = soundFile();
    const ContainerInfo info = readContainer(file).value();
    const SectionInfo& metadata = *info.find(SectionKind::kMetadata);
    for (size_t i = 0; i + 2 < changes.size(); i += 3) {
        const auto position = std::to_integer<size_t>(changes[i]) | std::to_integer<size_t>(changes[i + 1]) << 8;
        // Mostly the metadata; one in four goes to the section table.
        const bool table = position % 4 == 0;
        const size_t begin = table ? 128 : static_cast<size_t>(metadata.offset);
        const size_t size = table ? info.sections.size() * 64 : static_cast<size_t>(metadata.size);
        file[begin + position / 4 % size] = changes[i + 2];
    }
    return file;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::span<const std::byte> input(reinterpret_cast<const std::byte*>(data), size);
    readAndUse(input);
    readResealed(Bytes(input.begin(), input.end()));
    readAndUse(withMetadata(input));
    readResealed(withChanges(input));
    return 0;
}
