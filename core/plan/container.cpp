#include "core/plan/container.h"

#include "core/support/build_info.h"
#include "core/support/text.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

namespace tenon::plan {

using support::cat;
using support::Hash128;
using support::invalidFile;
using support::Result;
using support::Status;

namespace {

constexpr std::string_view kMagic = "TENONPLN";
constexpr size_t kHeaderBytes = 128;
constexpr size_t kEntryBytes = 64;
constexpr size_t kFrozenBytes = 64;
constexpr size_t kVersionAt = 32;
constexpr size_t kVersionBytes = 32;
constexpr size_t kContentHashAt = 64;
constexpr size_t kHeaderHashAt = 80;
constexpr size_t kHashBytes = 16;
constexpr uint32_t kMaxSections = 64;
constexpr int64_t kWeightsAlignment = 4096;

template <class Int>
Int readInt(std::span<const std::byte> bytes, size_t at) {
    Int value = 0;
    for (size_t i = 0; i < sizeof(Int); ++i) {
        value |= static_cast<Int>(std::to_integer<Int>(bytes[at + i]) << (8 * i));
    }
    return value;
}

template <class Int>
void putInt(std::span<std::byte> bytes, size_t at, Int value) {
    for (size_t i = 0; i < sizeof(Int); ++i) {
        bytes[at + i] = static_cast<std::byte>((value >> (8 * i)) & 0xff);
    }
}

Hash128 readHash(std::span<const std::byte> bytes, size_t at) {
    XXH128_canonical_t canonical;
    std::memcpy(canonical.digest, bytes.data() + at, kHashBytes);
    const XXH128_hash_t hash = XXH128_hashFromCanonical(&canonical);
    return {hash.high64, hash.low64};
}

void putHash(std::span<std::byte> bytes, size_t at, const Hash128& hash) {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH128_hash_t{hash.low, hash.high});
    std::memcpy(bytes.data() + at, canonical.digest, kHashBytes);
}

// Of bytes that come in pieces; the same as that of all of them in a row.
class StreamHash {
public:
    StreamHash() : mState(XXH3_createState(), &XXH3_freeState) { XXH3_128bits_reset(mState.get()); }
    void add(std::span<const std::byte> bytes) { XXH3_128bits_update(mState.get(), bytes.data(), bytes.size()); }
    Hash128 finish() const {
        const XXH128_hash_t hash = XXH3_128bits_digest(mState.get());
        return {hash.high64, hash.low64};
    }

private:
    std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> mState;
};

// Depends on kinds, sizes and hashes of the sections inside the content hash, not on where they lie.
Hash128 contentHashOf(const std::vector<SectionInfo>& sections) {
    std::vector<const SectionInfo*> inside;
    for (const SectionInfo& section : sections) {
        if ((section.flags & kSectionOutsideContentHash) == 0) {
            inside.push_back(&section);
        }
    }
    std::sort(inside.begin(), inside.end(), [](const auto* a, const auto* b) { return a->kind < b->kind; });
    StreamHash hash;
    for (const SectionInfo* section : inside) {
        std::array<std::byte, 28> entry{};
        putInt(std::span(entry), 0, static_cast<uint32_t>(section->kind));
        putInt(std::span(entry), 4, static_cast<uint64_t>(section->size));
        putHash(entry, 12, section->hash);
        hash.add(entry);
    }
    return hash.finish();
}

// Of header and table, its own place taken as zero.
Hash128 headerHashOf(std::span<const std::byte> header) {
    const std::array<std::byte, kHashBytes> zeros{};
    StreamHash hash;
    hash.add(header.first(kHeaderHashAt));
    hash.add(zeros);
    hash.add(header.subspan(kHeaderHashAt + kHashBytes));
    return hash.finish();
}

std::string readVersion(std::span<const std::byte> file) {
    std::string version;
    for (size_t i = 0; i < kVersionBytes; ++i) {
        const char c = static_cast<char>(file[kVersionAt + i]);
        if (c < 0x20 || c > 0x7e) {
            break;
        }
        version.push_back(c);
    }
    return version.empty() ? "an unknown version" : version;
}

bool allZero(std::span<const std::byte> bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

std::string firstBytes(std::span<const std::byte> file) {
    return support::quote({reinterpret_cast<const char*>(file.data()), std::min<size_t>(file.size(), 8)});
}

// What every format version has in common.
Status checkFrozenPart(std::span<const std::byte> file) {
    const std::string_view begin(reinterpret_cast<const char*>(file.data()), std::min(file.size(), kMagic.size()));
    if (begin.empty()) {
        return invalidFile("this is not a Tenon plan: it is empty. Build a plan with 'tenon build MODEL.onnx -o PLAN'");
    }
    if (begin != kMagic.substr(0, begin.size())) {
        return invalidFile("this is not a Tenon plan: it begins with ", firstBytes(file), " instead of \"", kMagic,
                           "\". A model is built into a plan with 'tenon build MODEL.onnx -o PLAN'");
    }
    if (file.size() < kFrozenBytes) {
        return invalidFile("the plan is truncated: it ends after ", file.size(),
                           " bytes, inside the header. Copy or build it again");
    }
    const auto version = readInt<uint32_t>(file, 8);
    if (version != kFormatVersion) {
        return invalidFile("the plan has format version ", version, " and was written by Tenon ", readVersion(file),
                           "; this is Tenon ", support::versionText(), ", which reads format version ", kFormatVersion,
                           ". Build the plan again with this version, or run it with Tenon ", readVersion(file));
    }
    return {};
}

Result<SectionInfo> readEntry(std::span<const std::byte> file, size_t at, size_t headerBytes, size_t index) {
    SectionInfo section;
    section.kind = static_cast<SectionKind>(readInt<uint32_t>(file, at));
    section.flags = readInt<uint32_t>(file, at + 4);
    const auto offset = readInt<uint64_t>(file, at + 8);
    const auto size = readInt<uint64_t>(file, at + 16);
    section.hash = readHash(file, at + 24);
    const std::string name = cat(nameOf(section.kind), " (entry ", index, " of the section table)");
    if (offset < headerBytes || offset > file.size() || size > file.size() - offset) {
        return invalidFile("the plan is damaged: ", name, " lies at ", offset, " with ", size,
                           " bytes, outside the file of ", file.size(), " bytes");
    }
    const bool isWeights = section.kind == SectionKind::kWeights;
    if (offset % (isWeights ? kWeightsAlignment : 64) != 0) {
        return invalidFile("the plan is damaged: ", name, " lies at ", offset, ", which is not aligned");
    }
    if ((section.flags & ~kSectionOutsideContentHash) != 0) {
        return invalidFile("the plan is damaged: ", name, " has unknown flags ", section.flags);
    }
    section.offset = static_cast<int64_t>(offset);
    section.size = static_cast<int64_t>(size);
    return section;
}

} // namespace

std::string nameOf(SectionKind kind) {
    switch (kind) {
    case SectionKind::kMetadata:
        return "metadata";
    case SectionKind::kKernels:
        return "kernels";
    case SectionKind::kGraph:
        return "graph";
    case SectionKind::kInspector:
        return "inspector";
    case SectionKind::kWeights:
        return "weights";
    case SectionKind::kLedger:
        return "ledger";
    }
    return cat("section ", static_cast<uint32_t>(kind));
}

const SectionInfo* ContainerInfo::find(SectionKind kind) const {
    for (const SectionInfo& section : sections) {
        if (section.kind == kind) {
            return &section;
        }
    }
    return nullptr;
}

std::span<const std::byte> bytesOf(std::span<const std::byte> file, const SectionInfo& section) {
    return file.subspan(static_cast<size_t>(section.offset), static_cast<size_t>(section.size));
}

Result<ContainerInfo> readContainer(std::span<const std::byte> file) {
    TN_RETURN_IF_ERROR(checkFrozenPart(file));
    const auto count = readInt<uint32_t>(file, 12);
    const auto fileBytes = readInt<uint64_t>(file, 16);
    const auto headerBytes = readInt<uint64_t>(file, 24);
    if (count > kMaxSections || headerBytes != kHeaderBytes + count * kEntryBytes || fileBytes < headerBytes) {
        return invalidFile("the plan's header is damaged: ", count, " sections, ", headerBytes, " header bytes, ",
                           fileBytes, " bytes in all. Copy or build it again");
    }
    if (file.size() < fileBytes) {
        return invalidFile("the plan is truncated: it has ", file.size(), " of ", fileBytes,
                           " bytes. Copy or build it again");
    }
    if (headerHashOf(file.first(headerBytes)) != readHash(file, kHeaderHashAt)) {
        return invalidFile("the plan's header is corrupted: its hash does not match. Copy or build it again");
    }
    if (file.size() > fileBytes) {
        return invalidFile("the plan is damaged: ", file.size() - fileBytes, " bytes follow its end at ", fileBytes);
    }

    ContainerInfo info;
    info.formatVersion = kFormatVersion;
    info.tenonVersion = readVersion(file);
    info.bytes = static_cast<int64_t>(fileBytes);
    info.contentHash = readHash(file, kContentHashAt);
    int64_t end = static_cast<int64_t>(headerBytes);
    for (size_t i = 0; i < count; ++i) {
        TN_ASSIGN_OR_RETURN(const SectionInfo section, readEntry(file, kHeaderBytes + i * kEntryBytes, headerBytes, i));
        if (info.find(section.kind) != nullptr) {
            return invalidFile("the plan is damaged: it has two sections '", nameOf(section.kind), "'");
        }
        if (section.offset < end) {
            return invalidFile("the plan is damaged: section '", nameOf(section.kind), "' overlaps the one before it");
        }
        if (!allZero(file.subspan(static_cast<size_t>(end), static_cast<size_t>(section.offset - end)))) {
            return invalidFile("the plan is corrupted between sections, before '", nameOf(section.kind), "'");
        }
        end = section.offset + section.size;
        info.sections.push_back(section);
    }
    if (end != info.bytes) {
        return invalidFile("the plan is damaged: its last section ends at ", end, " of ", info.bytes, " bytes");
    }
    if (contentHashOf(info.sections) != info.contentHash) {
        return invalidFile("the plan is damaged: its content hash does not match its section table");
    }
    return info;
}

Hash128 contentHashInHeader(std::span<const std::byte> file) { return readHash(file, kContentHashAt); }

Status checkSectionHash(std::span<const std::byte> file, const SectionInfo& section) {
    if (support::hashBytes(bytesOf(file, section)) != section.hash) {
        return invalidFile("section '", nameOf(section.kind), "' of the plan is corrupted: the hash of its ",
                           section.size, " bytes does not match. Copy or build the plan again");
    }
    return {};
}

int64_t SectionSource::add(std::span<const std::byte> piece, int64_t alignment) {
    const int64_t offset = (mSize + alignment - 1) / alignment * alignment;
    mPieces.push_back({offset, piece});
    mSize = offset + static_cast<int64_t>(piece.size());
    return offset;
}

namespace {

Status emitZeros(int64_t count, const ByteSink& sink) {
    static constexpr std::array<std::byte, kWeightsAlignment> kZeros{};
    while (count > 0) {
        const int64_t chunk = std::min<int64_t>(count, kWeightsAlignment);
        TN_RETURN_IF_ERROR(sink(std::span(kZeros).first(static_cast<size_t>(chunk))));
        count -= chunk;
    }
    return {};
}

} // namespace

Status SectionSource::emit(const ByteSink& sink) const {
    int64_t at = 0;
    for (const Piece& piece : mPieces) {
        TN_RETURN_IF_ERROR(emitZeros(piece.offset - at, sink));
        if (!piece.bytes.empty()) {
            TN_RETURN_IF_ERROR(sink(piece.bytes));
        }
        at = piece.offset + static_cast<int64_t>(piece.bytes.size());
    }
    return {};
}

Status writeContainer(std::string_view tenonVersion, std::span<const SectionSource> sections, const ByteSink& sink) {
    const size_t headerBytes = kHeaderBytes + sections.size() * kEntryBytes;
    std::vector<SectionInfo> infos;
    int64_t end = static_cast<int64_t>(headerBytes);
    for (const SectionSource& source : sections) {
        SectionInfo info;
        info.kind = source.mKind;
        info.flags = source.mFlags;
        info.offset = (end + source.mAlignment - 1) / source.mAlignment * source.mAlignment;
        info.size = source.mSize;
        StreamHash hash;
        TN_RETURN_IF_ERROR(source.emit([&hash](std::span<const std::byte> bytes) {
            hash.add(bytes);
            return Status();
        }));
        info.hash = hash.finish();
        end = info.offset + info.size;
        infos.push_back(info);
    }

    std::vector<std::byte> header(headerBytes);
    const std::span<std::byte> out(header);
    std::memcpy(header.data(), kMagic.data(), kMagic.size());
    putInt(out, 8, kFormatVersion);
    putInt(out, 12, static_cast<uint32_t>(sections.size()));
    putInt(out, 16, static_cast<uint64_t>(end));
    putInt(out, 24, static_cast<uint64_t>(headerBytes));
    std::memcpy(header.data() + kVersionAt, tenonVersion.data(), std::min(tenonVersion.size(), kVersionBytes));
    putHash(out, kContentHashAt, contentHashOf(infos));
    for (size_t i = 0; i < infos.size(); ++i) {
        const size_t at = kHeaderBytes + i * kEntryBytes;
        putInt(out, at, static_cast<uint32_t>(infos[i].kind));
        putInt(out, at + 4, infos[i].flags);
        putInt(out, at + 8, static_cast<uint64_t>(infos[i].offset));
        putInt(out, at + 16, static_cast<uint64_t>(infos[i].size));
        putHash(out, at + 24, infos[i].hash);
    }
    putHash(out, kHeaderHashAt, headerHashOf(header));

    TN_RETURN_IF_ERROR(sink(header));
    end = static_cast<int64_t>(headerBytes);
    for (size_t i = 0; i < infos.size(); ++i) {
        TN_RETURN_IF_ERROR(emitZeros(infos[i].offset - end, sink));
        TN_RETURN_IF_ERROR(sections[i].emit(sink));
        end = infos[i].offset + infos[i].size;
    }
    return {};
}

bool resealContainer(std::span<std::byte> file) {
    if (file.size() < kHeaderBytes || !checkFrozenPart(file).ok()) {
        return false;
    }
    const auto count = readInt<uint32_t>(file, 12);
    const auto headerBytes = readInt<uint64_t>(file, 24);
    if (count > kMaxSections || headerBytes != kHeaderBytes + count * kEntryBytes || headerBytes > file.size()) {
        return false;
    }
    std::vector<SectionInfo> sections;
    for (size_t i = 0; i < count; ++i) {
        const size_t at = kHeaderBytes + i * kEntryBytes;
        Result<SectionInfo> section = readEntry(file, at, headerBytes, i);
        if (!section.ok()) {
            return false;
        }
        section->hash = support::hashBytes(bytesOf(file, *section));
        putHash(file, at + 24, section->hash);
        sections.push_back(*section);
    }
    putHash(file, kContentHashAt, contentHashOf(sections));
    putHash(file, kHeaderHashAt, headerHashOf(file.first(headerBytes)));
    return true;
}

} // namespace tenon::plan
