#include "core/support/hash.h"

#include <array>

// Everything inline: nothing of the library is exported or needed at run time.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tenon::support {

namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

Hash128 fromXxh(XXH128_hash_t hash) noexcept { return {hash.high64, hash.low64}; }

void appendHex(std::string& to, uint64_t value) {
    for (int shift = 60; shift >= 0; shift -= 4) {
        to.push_back(kHexDigits[(value >> shift) & 15]);
    }
}

std::optional<uint64_t> readHex(std::string_view text) {
    uint64_t value = 0;
    for (const char c : text) {
        uint64_t digit = 0;
        if (c >= '0' && c <= '9') {
            digit = static_cast<uint64_t>(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = static_cast<uint64_t>(c - 'a') + 10;
        } else {
            return std::nullopt;
        }
        value = (value << 4) | digit;
    }
    return value;
}

/// Little endian whatever the machine, because hashes are written to files.
std::array<unsigned char, 8> toBytes(uint64_t value) noexcept {
    std::array<unsigned char, 8> bytes{};
    for (unsigned char& byte : bytes) {
        byte = static_cast<unsigned char>(value & 0xff);
        value >>= 8;
    }
    return bytes;
}

} // namespace

std::string Hash128::hex() const {
    std::string text;
    text.reserve(32);
    appendHex(text, high);
    appendHex(text, low);
    return text;
}

std::optional<Hash128> Hash128::fromHex(std::string_view text) {
    if (text.size() != 32) {
        return std::nullopt;
    }
    const std::optional<uint64_t> high = readHex(text.substr(0, 16));
    const std::optional<uint64_t> low = readHex(text.substr(16));
    if (!high || !low) {
        return std::nullopt;
    }
    return Hash128{*high, *low};
}

Hash128 hashBytes(const void* data, size_t size) noexcept { return fromXxh(XXH3_128bits(data, size)); }

Hash128 hashBytes(std::span<const std::byte> bytes) noexcept { return hashBytes(bytes.data(), bytes.size()); }

Hash128 hashText(std::string_view text) noexcept { return hashBytes(text.data(), text.size()); }

struct Hasher::State {
    // Aligned for the vector loads of XXH3, which a plain `new` of an over-aligned type respects since C++17.
    XXH3_state_t xxh;

    void update(const void* data, size_t size) { XXH3_128bits_update(&xxh, data, size); }
    void updateInt(uint64_t value) {
        const std::array<unsigned char, 8> bytes = toBytes(value);
        update(bytes.data(), bytes.size());
    }
};

Hasher::Hasher() : mState(new State) { XXH3_128bits_reset(&mState->xxh); }

Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

Hasher& Hasher::add(std::string_view text) {
    mState->updateInt(text.size());
    mState->update(text.data(), text.size());
    return *this;
}

Hasher& Hasher::add(std::span<const std::byte> bytes) {
    mState->updateInt(bytes.size());
    mState->update(bytes.data(), bytes.size());
    return *this;
}

Hasher& Hasher::addInt(int64_t value) {
    mState->updateInt(static_cast<uint64_t>(value));
    return *this;
}

Hasher& Hasher::add(const Hash128& hash) {
    mState->updateInt(hash.high);
    mState->updateInt(hash.low);
    return *this;
}

Hash128 Hasher::finish() const { return fromXxh(XXH3_128bits_digest(&mState->xxh)); }

} // namespace tenon::support
