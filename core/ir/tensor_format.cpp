#include "core/ir/tensor_format.h"

#include "core/support/checked.h"
#include "core/support/hash.h"
#include "core/support/text.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace tenon::ir {

namespace {

using support::append;

std::string_view providerOf(const TensorFormat& format) {
    const char* const end =
        static_cast<const char*>(std::memchr(format.opaque_provider, 0, sizeof(format.opaque_provider)));
    return {format.opaque_provider,
            end != nullptr ? static_cast<size_t>(end - format.opaque_provider) : sizeof(format.opaque_provider)};
}

bool hasIdentityOrder(const TensorFormat& format) {
    for (int32_t i = 0; i < format.rank; ++i) {
        if (format.order[i] != i) {
            return false;
        }
    }
    return true;
}

// Product of all block sizes of a dimension.
int64_t blockOf(const TensorFormat& format, int32_t dim) {
    int64_t product = 1;
    for (int32_t b = 0; b < format.block_count; ++b) {
        if (format.blocks[b].dim == dim) {
            product = support::checkedMul(product, format.blocks[b].size).value_or(INT64_MAX);
        }
    }
    return product;
}

int64_t outerExtent(const TensorFormat& format, int32_t dim, int64_t extent) {
    const int64_t block = blockOf(format, dim);
    return extent / block + (extent % block != 0 ? 1 : 0);
}

// Reads "name(" ... ")" off the front of `text`; `inside` gets what is between the parentheses.
bool takeCall(std::string_view& text, std::string_view name, std::string_view& inside) {
    if (text.size() <= name.size() || text.substr(0, name.size()) != name || text[name.size()] != '(') {
        return false;
    }
    const size_t close = text.find(')');
    if (close == std::string_view::npos) {
        return false;
    }
    inside = text.substr(name.size() + 1, close - name.size() - 1);
    text = support::trim(text.substr(close + 1));
    return true;
}

bool parseOrder(std::string_view inside, TensorFormat& format) {
    uint32_t seen = 0;
    int32_t count = 0;
    if (!inside.empty()) {
        for (const std::string_view field : support::split(inside, ',')) {
            int64_t dim = 0;
            if (!support::parseInt(support::trim(field), dim) || dim < 0 || dim >= format.rank ||
                count >= format.rank) {
                return false;
            }
            format.order[count++] = static_cast<int32_t>(dim);
            seen |= 1u << dim;
        }
    }
    return count == format.rank && seen == (1u << format.rank) - 1;
}

bool parseBlocks(std::string_view inside, TensorFormat& format) {
    for (const std::string_view field : support::split(inside, ',')) {
        const size_t colon = field.find(':');
        int64_t dim = 0;
        int64_t size = 0;
        if (colon == std::string_view::npos || format.block_count >= TN_MAX_BLOCKS ||
            !support::parseInt(support::trim(field.substr(0, colon)), dim) ||
            !support::parseInt(support::trim(field.substr(colon + 1)), size) || dim < 0 || dim >= format.rank ||
            size < 2 || size > INT32_MAX) {
            return false;
        }
        format.blocks[format.block_count++] = {static_cast<int32_t>(dim), static_cast<int32_t>(size)};
    }
    return true;
}

bool parseOpaque(std::string_view inside, TensorFormat& format) {
    const std::vector<std::string_view> fields = support::split(inside, ':');
    int64_t bytes = 0;
    uint64_t numbers[2] = {0, 0};
    if (fields.size() != 4 || fields[0].empty() || fields[0].size() >= sizeof(format.opaque_provider)) {
        return false;
    }
    for (size_t i = 0; i < 2; ++i) {
        if (fields[i + 1].empty() || fields[i + 1].size() > 16) {
            return false;
        }
        for (const char c : fields[i + 1]) {
            const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
            if (digit < 0) {
                return false;
            }
            numbers[i] = numbers[i] * 16 + static_cast<uint64_t>(digit);
        }
    }
    if (!support::parseInt(fields[3], bytes) || bytes < 0) {
        return false;
    }
    std::memcpy(format.opaque_provider, fields[0].data(), fields[0].size());
    format.opaque_id = numbers[0];
    format.opaque_version = numbers[1];
    format.opaque_bytes = bytes;
    return true;
}

std::string hexOf(uint64_t value) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    do {
        text.insert(text.begin(), kDigits[value & 15]);
        value >>= 4;
    } while (value != 0);
    return text;
}

} // namespace

TensorFormat linearFormat(int32_t rank) {
    assert(rank >= 0 && rank <= TN_MAX_DIMS);
    TensorFormat format{};
    format.rank = std::clamp(rank, 0, TN_MAX_DIMS);
    for (int32_t i = 0; i < format.rank; ++i) {
        format.order[i] = i;
    }
    return format;
}

TensorFormat permutedFormat(const std::vector<int32_t>& order) {
    TensorFormat format = linearFormat(static_cast<int32_t>(order.size()));
    for (int32_t i = 0; i < format.rank; ++i) {
        format.order[i] = order[static_cast<size_t>(i)];
    }
    return format;
}

TensorFormat blockedFormat(int32_t rank, const std::vector<TnBlock>& blocks) {
    assert(blocks.size() <= TN_MAX_BLOCKS);
    TensorFormat format = linearFormat(rank);
    for (const TnBlock& block : blocks) {
        if (format.block_count < TN_MAX_BLOCKS) {
            format.blocks[format.block_count++] = block;
        }
    }
    return format;
}

TensorFormat channelsLastFormat(int32_t rank) {
    TensorFormat format = linearFormat(rank);
    for (int32_t i = 1; i + 1 < format.rank; ++i) {
        format.order[i] = i + 1;
    }
    if (format.rank > 1) {
        format.order[format.rank - 1] = 1;
    }
    return format;
}

bool equal(const TensorFormat& a, const TensorFormat& b) {
    const auto sameBlock = [](const TnBlock& x, const TnBlock& y) { return x.dim == y.dim && x.size == y.size; };
    return a.rank == b.rank && a.block_count == b.block_count &&
           std::equal(std::begin(a.order), std::end(a.order), std::begin(b.order)) &&
           std::equal(std::begin(a.blocks), std::end(a.blocks), std::begin(b.blocks), sameBlock) &&
           a.outer_pitch == b.outer_pitch && a.tail_zero == b.tail_zero && a.alignment == b.alignment &&
           providerOf(a) == providerOf(b) && a.opaque_id == b.opaque_id && a.opaque_version == b.opaque_version &&
           a.opaque_bytes == b.opaque_bytes;
}

bool isWellFormed(const TensorFormat& format) {
    if (format.rank < 0 || format.rank > TN_MAX_DIMS || format.block_count < 0 || format.block_count > TN_MAX_BLOCKS ||
        format.outer_pitch < 0 || format.alignment < 0 || format.tail_zero < 0 || format.tail_zero > 1 ||
        std::memchr(format.opaque_provider, 0, sizeof(format.opaque_provider)) == nullptr) {
        return false;
    }
    uint32_t seen = 0;
    for (int32_t i = 0; i < format.rank; ++i) {
        if (format.order[i] < 0 || format.order[i] >= format.rank) {
            return false;
        }
        seen |= 1u << format.order[i];
    }
    for (int32_t b = 0; b < format.block_count; ++b) {
        if (format.blocks[b].dim < 0 || format.blocks[b].dim >= format.rank || format.blocks[b].size < 1) {
            return false;
        }
    }
    return seen == (1u << format.rank) - 1 && (isOpaque(format) ? format.opaque_bytes >= 0 : format.opaque_bytes == 0);
}

bool isLinear(const TensorFormat& format) {
    return !isOpaque(format) && format.block_count == 0 && format.outer_pitch == 0 && hasIdentityOrder(format);
}

bool isOpaque(const TensorFormat& format) { return format.opaque_provider[0] != 0; }

uint64_t hashOf(const TensorFormat& format) {
    // The text has every field, no padding bytes, and is the same on every machine.
    return support::hashText(support::cat(format.rank, ' ', toText(format))).low;
}

int64_t bytesOf(const TensorFormat& format, DataType type, const int64_t* dims) {
    if (isOpaque(format)) {
        return format.opaque_bytes;
    }
    bool empty = false;
    for (int32_t i = 0; i < format.rank; ++i) {
        if (dims[i] < 0) {
            return -1;
        }
        empty = empty || dims[i] == 0;
    }
    if (empty) {
        return 0;
    }
    std::optional<int64_t> elements = 1;
    for (int32_t b = 0; b < format.block_count && elements; ++b) {
        elements = support::checkedMul(*elements, format.blocks[b].size);
    }
    for (int32_t i = format.rank - 1; i >= 0 && elements; --i) {
        const int32_t dim = format.order[i];
        if (i == 0 && format.outer_pitch > 0) {
            elements = format.outer_pitch;
        }
        elements = support::checkedMul(*elements, outerExtent(format, dim, dims[dim]));
    }
    const auto bits = elements ? support::checkedMul(*elements, bitsOf(type)) : std::nullopt;
    return bits ? *bits / 8 + (*bits % 8 != 0 ? 1 : 0) : -1;
}

int64_t offsetOf(const TensorFormat& format, const int64_t* dims, const int64_t* coordinate) {
    assert(!isOpaque(format));
    int64_t rest[TN_MAX_DIMS];
    std::copy_n(coordinate, format.rank, rest);
    int64_t offset = 0;
    int64_t stride = 1;
    for (int32_t b = format.block_count - 1; b >= 0; --b) {
        const TnBlock& block = format.blocks[b];
        offset += rest[block.dim] % block.size * stride;
        rest[block.dim] /= block.size;
        stride *= block.size;
    }
    for (int32_t i = format.rank - 1; i >= 0; --i) {
        const int32_t dim = format.order[i];
        if (i == 0 && format.outer_pitch > 0) {
            stride = format.outer_pitch;
        }
        offset += rest[dim] * stride;
        stride *= outerExtent(format, dim, dims[dim]);
    }
    return offset;
}

std::string toText(const TensorFormat& format) {
    if (isOpaque(format)) {
        return support::cat("opaque(", providerOf(format), ':', hexOf(format.opaque_id), ':',
                            hexOf(format.opaque_version), ':', format.opaque_bytes, ')');
    }
    std::string text;
    if (format.block_count == 0 && hasIdentityOrder(format)) {
        text = "linear";
    } else {
        text = support::cat("order(",
                            support::join(std::vector<int32_t>(format.order, format.order + format.rank), ","), ')');
        for (int32_t b = 0; b < format.block_count; ++b) {
            append(text, b == 0 ? " block(" : ",", format.blocks[b].dim, ':', format.blocks[b].size);
        }
        if (format.block_count > 0) {
            text.push_back(')');
        }
    }
    if (format.outer_pitch != 0) {
        append(text, " pitch(", format.outer_pitch, ')');
    }
    if (format.tail_zero != 0) {
        append(text, " tail(zero)");
    }
    if (format.alignment != 0) {
        append(text, " align(", format.alignment, ')');
    }
    return text;
}

std::optional<TensorFormat> formatOf(std::string_view text, int32_t rank) {
    if (rank < 0 || rank > TN_MAX_DIMS) {
        return std::nullopt;
    }
    TensorFormat format = linearFormat(rank);
    std::string_view inside;
    text = support::trim(text);
    if (takeCall(text, "opaque", inside)) {
        return parseOpaque(inside, format) && text.empty() ? std::optional<TensorFormat>(format) : std::nullopt;
    }
    if (text.substr(0, 6) == "linear") {
        text = support::trim(text.substr(6));
    } else {
        if (!takeCall(text, "order", inside) || !parseOrder(inside, format)) {
            return std::nullopt;
        }
        if (takeCall(text, "block", inside) && !parseBlocks(inside, format)) {
            return std::nullopt;
        }
    }
    int64_t number = 0;
    if (takeCall(text, "pitch", inside)) {
        if (!support::parseInt(inside, number) || number <= 0) {
            return std::nullopt;
        }
        format.outer_pitch = number;
    }
    if (takeCall(text, "tail", inside)) {
        if (inside != "zero") {
            return std::nullopt;
        }
        format.tail_zero = 1;
    }
    if (takeCall(text, "align", inside)) {
        if (!support::parseInt(inside, number) || number <= 0 || number > INT32_MAX) {
            return std::nullopt;
        }
        format.alignment = static_cast<int32_t>(number);
    }
    return text.empty() ? std::optional<TensorFormat>(format) : std::nullopt;
}

} // namespace tenon::ir
