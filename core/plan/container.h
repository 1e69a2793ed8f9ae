// The container of a plan file: a fixed header, a table of sections with their hashes, the sections.
// Used by the plan's writer, reader and dump, and by tests. Knows bytes only: what a section means is for metadata.h and reader.cpp.
//
// Layout (docs/plan-format.md), all integers little endian, all hashes XXH3-128 in canonical (big endian) bytes:
//      0  8  "TENONPLN"                       64 16  content hash
//      8  4  format version                   80 16  header hash: of the header and table with these 16 bytes zero
//     12  4  number of sections               96 32  zero
//     16  8  bytes of the file               128  .  section table, 64 bytes each: kind 4, flags 4, offset 8, size 8, hash 16, zero 24
//     24  8  bytes of header and table
//     32 32  version of Tenon that wrote it
// The first 64 bytes keep their meaning in every format version, so that any reader can say who wrote a plan it cannot read.
#pragma once

#include "core/support/hash.h"
#include "core/support/status.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace tenon::plan {

inline constexpr uint32_t kFormatVersion = 1;

enum class SectionKind : uint32_t {
    kMetadata = 1,  // FlatBuffer of plan.fbs
    kKernels = 2,   // blobs, each 64-aligned
    kGraph = 3,     // IR text
    kInspector = 4, // JSON
    kWeights = 5,   // constants, each 64-aligned; the section is 4096-aligned
    kLedger = 6,    // JSON, outside the content hash
};

/// "weights"; "section 9" for a kind that this version does not know.
std::string nameOf(SectionKind kind);

inline constexpr uint32_t kSectionOutsideContentHash = 1;

struct SectionInfo {
    SectionKind kind = SectionKind::kMetadata;
    uint32_t flags = 0;
    int64_t offset = 0;
    int64_t size = 0;
    support::Hash128 hash;
};

struct ContainerInfo {
    uint32_t formatVersion = 0;
    std::string tenonVersion;
    int64_t bytes = 0;
    support::Hash128 contentHash;
    std::vector<SectionInfo> sections; // in file order

    const SectionInfo* find(SectionKind kind) const;
};

/// Reads and checks header and table: bounds, order, overlap, known flags, hashes of the header and of the content.
/// The sections' own hashes are not looked at. kInvalidFile, saying what is wrong and what to do.
support::Result<ContainerInfo> readContainer(std::span<const std::byte> file);

/// The content hash that a header claims. Precondition: `file` begins with a whole header.
support::Hash128 contentHashInHeader(std::span<const std::byte> file);

/// Compares a section's bytes with its hash; the error names the section.
support::Status checkSectionHash(std::span<const std::byte> file, const SectionInfo& section);

/// Bytes of a section that readContainer accepted.
std::span<const std::byte> bytesOf(std::span<const std::byte> file, const SectionInfo& section);

/// Receives the file's bytes in order.
using ByteSink = std::function<support::Status(std::span<const std::byte>)>;

/// A section to be written: pieces that lie elsewhere, each preceded by zeros up to `alignment`. Nothing is copied, so
/// the pieces must outlive the writing.
class SectionSource {
public:
    SectionSource(SectionKind kind, int64_t alignment, uint32_t flags = 0)
        : mKind(kind), mAlignment(alignment), mFlags(flags) {}

    /// Appends; returns the piece's offset in the section, a multiple of `alignment`.
    int64_t add(std::span<const std::byte> piece, int64_t alignment);
    int64_t size() const { return mSize; }

private:
    friend support::Status writeContainer(std::string_view, std::span<const SectionSource>, const ByteSink&);
    struct Piece {
        int64_t offset;
        std::span<const std::byte> bytes;
    };
    support::Status emit(const ByteSink& sink) const;

    SectionKind mKind;
    int64_t mAlignment;
    uint32_t mFlags;
    int64_t mSize = 0;
    std::vector<Piece> mPieces;
};

/// Writes a file of these sections in this order: hashes are computed in a first pass over the pieces.
support::Status writeContainer(std::string_view tenonVersion, std::span<const SectionSource> sections,
                               const ByteSink& sink);

/// Recomputes every hash of a file whose header and table are sound, in place; false where they are not. For tests and
/// fuzzing, which change bytes and want to get past the hashes.
bool resealContainer(std::span<std::byte> file);

} // namespace tenon::plan
