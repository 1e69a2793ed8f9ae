// Content hashes: 128 bits of XXH3. Used for weights' identity, timing keys and section checksums. Not cryptographic:
// it notices damage, it does not stop a forger. The value of given bytes never changes, so it may be written to files.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tenon::support {

struct Hash128 {
    uint64_t high = 0;
    uint64_t low = 0;

    auto operator<=>(const Hash128&) const noexcept = default;
    bool isZero() const noexcept { return high == 0 && low == 0; }
    /// 32 lower-case hexadecimal digits.
    std::string hex() const;
    /// Reads what `hex` wrote; nothing for any other text.
    static std::optional<Hash128> fromHex(std::string_view text);
};

Hash128 hashBytes(std::span<const std::byte> bytes) noexcept;
Hash128 hashBytes(const void* data, size_t size) noexcept;
Hash128 hashText(std::string_view text) noexcept;

/// Hashes what comes in pieces. Adding "ab" and "c" differs from adding "a" and "bc": every piece carries its length, so
/// a key made of fields needs no separators. Not thread-safe; one per key.
class Hasher {
public:
    Hasher();
    ~Hasher();
    Hasher(Hasher&&) noexcept;
    Hasher& operator=(Hasher&&) noexcept;

    Hasher& add(std::string_view text);
    Hasher& add(std::span<const std::byte> bytes);
    /// Integers and enums, as 64 bits.
    Hasher& addInt(int64_t value);
    Hasher& add(const Hash128& hash);

    /// Of everything added so far; more may be added afterwards.
    Hash128 finish() const;

private:
    struct State;
    std::unique_ptr<State> mState;
};

/// For std::unordered_map; iteration order must still not reach any output.
struct Hash128Hasher {
    size_t operator()(const Hash128& hash) const noexcept { return static_cast<size_t>(hash.low); }
};

} // namespace tenon::support
