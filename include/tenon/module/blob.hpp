// Bytes that carry a kernel from `compile` to `deserialize`: a writer, and a reader that survives any bytes.
// Used by every provider and kernel runtime. Little-endian, unaligned, no pointers. Knows no tensor beyond TnFormat.
//
//   BlobWriter out(kBlobVersion);             BlobReader in(blob, kBlobVersion);
//   out.u32(groups);                          const uint32_t groups = in.u32();
//   out.ints(strides);                        const std::vector<int64_t> strides = in.ints();
//   blob.set("mine", kBlobVersion, out);      if (!in.finish(reason)) { return nullptr; }
#pragma once

#include "tenon/module/format.hpp"

#include <bit>
#include <cstring>
#include <span>
#include <vector>

namespace tenon::module {

static_assert(std::endian::native == std::endian::little, "blobs are little-endian");

/// "TNKB" in the first four bytes of every blob made here.
inline constexpr uint32_t kBlobMagic = 0x424b4e54;

/// Appends values; starts with magic and version. Equal calls give equal bytes.
class BlobWriter {
public:
    explicit BlobWriter(uint32_t version) {
        u32(kBlobMagic);
        u32(version);
    }

    void u8(uint8_t value) { raw(&value, sizeof(value)); }
    void boolean(bool value) { u8(value ? 1 : 0); }
    void u32(uint32_t value) { raw(&value, sizeof(value)); }
    void i32(int32_t value) { raw(&value, sizeof(value)); }
    void u64(uint64_t value) { raw(&value, sizeof(value)); }
    void i64(int64_t value) { raw(&value, sizeof(value)); }
    void f32(float value) { raw(&value, sizeof(value)); }
    void f64(double value) { raw(&value, sizeof(value)); }
    void string(std::string_view value) { bytes(std::as_bytes(std::span(value.data(), value.size()))); }
    void bytes(std::span<const std::byte> value) {
        u64(value.size());
        raw(value.data(), value.size());
    }
    void ints(std::span<const int64_t> values) { array(values); }
    void floats(std::span<const double> values) { array(values); }
    /// Of any trivially copyable T without padding.
    template <class T>
    void array(std::span<const T> values) {
        static_assert(std::is_trivially_copyable_v<T>);
        u64(values.size());
        raw(values.data(), values.size_bytes());
    }
    void format(const TnFormat& format) {
        i32(format.rank);
        i32(format.block_count);
        for (int32_t i = 0; i < format.rank; ++i) {
            i32(format.order[i]);
        }
        for (int32_t i = 0; i < format.block_count; ++i) {
            i32(format.blocks[i].dim);
            i32(format.blocks[i].size);
        }
        i64(format.outer_pitch);
        i32(format.tail_zero);
        i32(format.alignment);
        string(&format.opaque_provider[0]);
        u64(format.opaque_id);
        u64(format.opaque_version);
        i64(format.opaque_bytes);
    }
    void port(const TnPortFormat& port) {
        i32(port.dtype);
        i32(port.placement);
        format(port.format);
    }

    std::span<const std::byte> data() const noexcept { return mData; }

private:
    void raw(const void* from, size_t size) {
        if (size > 0) {
            const size_t at = mData.size();
            mData.resize(at + size);
            std::memcpy(mData.data() + at, from, size);
        }
    }
    std::vector<std::byte> mData;
};

/// Reads what BlobWriter wrote. A read past the end gives zero or nothing and makes the reader not ok, for good: read
/// everything, then ask `finish`. Counts are checked against the bytes that are left before anything is allocated, but
/// what the values mean (an axis inside a rank) is the caller's to check. Keeps a view of the bytes.
class BlobReader {
public:
    BlobReader(std::span<const std::byte> data, uint32_t version) : mData(data) {
        const uint32_t magic = u32();
        const uint32_t found = u32();
        if (mError.empty() && magic != kBlobMagic) {
            fail("it does not start with a kernel blob's magic number");
        } else if (mError.empty() && found != version) {
            fail(text("it has version ", found, ", expected ", version));
        }
    }

    bool ok() const noexcept { return mError.empty(); }
    /// True when everything was read, nothing is left and nothing was wrong; else writes why to `reason`.
    bool finish(Reason& reason) {
        if (ok() && mAt != mData.size()) {
            fail(text(mData.size() - mAt, " bytes are left over"));
        }
        if (!ok()) {
            reason.invalidArgument("the kernel's bytes are damaged: ", mError);
        }
        return ok();
    }
    /// Marks the blob as damaged, from the caller's own check of a value.
    void fail(std::string why) {
        if (mError.empty()) {
            mError = std::move(why);
        }
        mAt = mData.size();
    }
    /// `condition`, and `fail(why)` when it does not hold.
    bool require(bool condition, std::string_view why) {
        if (!condition) {
            fail(std::string(why));
        }
        return condition;
    }

    uint8_t u8() { return scalar<uint8_t>(); }
    bool boolean() { return u8() != 0; }
    uint32_t u32() { return scalar<uint32_t>(); }
    int32_t i32() { return scalar<int32_t>(); }
    uint64_t u64() { return scalar<uint64_t>(); }
    int64_t i64() { return scalar<int64_t>(); }
    float f32() { return scalar<float>(); }
    double f64() { return scalar<double>(); }
    std::string string() {
        const std::span<const std::byte> found = bytes();
        return {reinterpret_cast<const char*>(found.data()), found.size()};
    }
    /// A view into the blob.
    std::span<const std::byte> bytes() { return take(count(1)); }
    std::vector<int64_t> ints() { return array<int64_t>(); }
    std::vector<double> floats() { return array<double>(); }
    template <class T>
    std::vector<T> array() {
        static_assert(std::is_trivially_copyable_v<T>);
        const size_t elements = count(sizeof(T));
        const std::span<const std::byte> from = take(elements * sizeof(T));
        std::vector<T> out(ok() ? elements : 0);
        if (!out.empty()) {
            std::memcpy(out.data(), from.data(), from.size());
        }
        return out;
    }
    /// A count of things of at least `smallest` bytes each; 0 and not ok when so many cannot be left.
    size_t count(size_t smallest) {
        const uint64_t value = u64();
        if (value > (mData.size() - mAt) / (smallest == 0 ? 1 : smallest)) {
            fail(text("a count of ", value, " is more than the bytes that are left"));
            return 0;
        }
        return static_cast<size_t>(value);
    }
    /// Rank, order, blocks are checked: the result is a format that the helpers of format.hpp can work with.
    TnFormat format() {
        TnFormat format{};
        format.rank = i32();
        format.block_count = i32();
        if (!require(format.rank >= 0 && format.rank <= TN_MAX_DIMS && format.block_count >= 0 &&
                         format.block_count <= TN_MAX_BLOCKS,
                     "a format has an impossible rank or number of blocks")) {
            return linearFormat(0);
        }
        uint32_t seen = 0;
        for (int32_t i = 0; i < format.rank; ++i) {
            format.order[i] = i32();
            if (!require(format.order[i] >= 0 && format.order[i] < format.rank && (seen >> format.order[i] & 1) == 0,
                         "the order of a format is no permutation")) {
                return linearFormat(0);
            }
            seen |= 1U << format.order[i];
        }
        for (int32_t i = 0; i < format.block_count; ++i) {
            format.blocks[i].dim = i32();
            format.blocks[i].size = i32();
            if (!require(format.blocks[i].dim >= 0 && format.blocks[i].dim < format.rank && format.blocks[i].size > 0,
                         "a format has an impossible block")) {
                return linearFormat(0);
            }
        }
        format.outer_pitch = i64();
        format.tail_zero = i32();
        format.alignment = i32();
        const std::string provider = string();
        if (require(provider.size() < sizeof(format.opaque_provider), "the provider of a format has too long a name")) {
            std::memcpy(&format.opaque_provider[0], provider.data(), provider.size());
        }
        format.opaque_id = u64();
        format.opaque_version = u64();
        format.opaque_bytes = i64();
        return format;
    }
    TnPortFormat port() {
        TnPortFormat port{};
        port.dtype = i32();
        port.placement = i32();
        port.format = format();
        require(port.dtype >= 0 && port.dtype < TN_DATA_TYPE_COUNT, "an element type does not exist");
        return port;
    }

private:
    std::span<const std::byte> take(size_t size) {
        if (size > mData.size() - mAt) {
            fail("it ends too early");
            return {};
        }
        const std::span<const std::byte> found = mData.subspan(mAt, size);
        mAt += size;
        return found;
    }
    template <class T>
    T scalar() {
        T value{};
        const std::span<const std::byte> from = take(sizeof(T));
        if (!from.empty()) {
            std::memcpy(&value, from.data(), sizeof(T));
        }
        return value;
    }

    std::span<const std::byte> mData;
    size_t mAt = 0;
    std::string mError;
};

} // namespace tenon::module
