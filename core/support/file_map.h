// Reading files by mapping them, and writing them so that nothing is ever half written. Used for models, plans, weights,
// timing caches and manifests. Knows nothing of their contents.
#pragma once

#include "core/support/status.h"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace tenon::support {

/// A whole file as read-only bytes: mapped where possible, read into memory where not (a pipe, some file systems). The
/// bytes stay at their address until the object is destroyed, also when it is moved. Reading from several threads is
/// fine. A file that somebody shortens while it is mapped raises SIGBUS on access, as with any mapping; our own writer
/// replaces files instead of shortening them.
class FileMap {
public:
    /// kNotFound, kEnvironment (no permission) or kIo (a directory, too); the message names the path and the reason.
    static Result<FileMap> open(const std::string& path);

    FileMap() noexcept = default;
    FileMap(FileMap&& other) noexcept;
    FileMap& operator=(FileMap&& other) noexcept;
    ~FileMap();

    std::span<const std::byte> bytes() const noexcept { return {mData, mSize}; }
    const std::byte* data() const noexcept { return mData; }
    size_t size() const noexcept { return mSize; }
    /// The process will hardly read these bytes of the file again, so they need not stay in its memory. Where it does, they are there as before.
    void forget(std::span<const std::byte> part) const noexcept;
    /// The same bytes as text; they need not be valid UTF-8.
    std::string_view text() const noexcept { return {reinterpret_cast<const char*>(mData), mSize}; }

private:
    void release() noexcept;

    const std::byte* mData = nullptr;
    size_t mSize = 0;
    bool mMapped = false;
};

/// Replaces `path` by these bytes: written to a temporary file in the same directory, flushed to the disk, then renamed
/// over it. On any error (a full disk, no permission) the old file is untouched and the temporary one removed. A reader
/// sees the old or the new file, never a mixture. What is not a regular file (a pipe, /dev/stdout) is written in place.
Status writeFileAtomically(const std::string& path, std::span<const std::byte> bytes);
Status writeFileAtomically(const std::string& path, std::string_view text);

/// The same for what is too large to hold in memory or comes in pieces: `open`, `write`..., `commit`. Destroying it
/// without `commit` leaves the old file as it was. Not thread-safe.
class AtomicFileWriter {
public:
    static Result<AtomicFileWriter> open(const std::string& path);

    AtomicFileWriter(AtomicFileWriter&& other) noexcept;
    AtomicFileWriter& operator=(AtomicFileWriter&& other) noexcept;
    ~AtomicFileWriter();

    Status write(std::span<const std::byte> bytes);
    Status write(std::string_view text);
    /// Bytes written so far: the file's offset.
    int64_t position() const noexcept { return mPosition; }
    /// Makes the file appear. Call once, last.
    Status commit();

private:
    AtomicFileWriter() noexcept = default;
    void abandon() noexcept;

    std::string mPath;
    std::string mTemporaryPath; // empty: writing in place
    int mFile = -1;
    int64_t mPosition = 0;
};

} // namespace tenon::support
