#include "core/ir/constant_text.h"

#include "core/ir/half.h"
#include "core/support/checked.h"
#include "core/support/lexer.h"
#include "core/support/text.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace tenon::ir {

namespace {

using support::append;
using support::cat;
using support::Lexer;
using support::Result;
using support::TokenKind;

// An element's bits, in the low end of an integer.
uint64_t loadBits(const Constant& constant, int64_t i) {
    const int32_t bits = bitsOf(constant.dtype);
    if (bits < 8) {
        return (static_cast<uint64_t>(constant.data[i / 2]) >> (i % 2 * 4)) & 0xf;
    }
    uint64_t value = 0;
    const int32_t bytes = bits / 8;
    for (int32_t b = 0; b < bytes; ++b) {
        value |= static_cast<uint64_t>(constant.data[i * bytes + b]) << (8 * b);
    }
    return value;
}

void storeBits(std::byte* data, DataType dtype, int64_t i, uint64_t value) {
    const int32_t bits = bitsOf(dtype);
    if (bits < 8) {
        data[i / 2] |= static_cast<std::byte>((value & 0xf) << (i % 2 * 4));
        return;
    }
    const int32_t bytes = bits / 8;
    for (int32_t b = 0; b < bytes; ++b) {
        data[i * bytes + b] = static_cast<std::byte>(value >> (8 * b));
    }
}

uint64_t maskOf(DataType dtype) {
    const int32_t bits = bitsOf(dtype);
    return bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
}

// The bits that a number has in a floating-point type.
uint64_t bitsOfNumber(DataType dtype, double number) {
    const auto narrow = static_cast<float>(number);
    switch (dtype) {
    case DataType::kF32:
        return std::bit_cast<uint32_t>(narrow);
    case DataType::kF64:
        return std::bit_cast<uint64_t>(number);
    case DataType::kF16:
        return floatToHalf(narrow);
    case DataType::kBF16:
        return floatToBfloat16(narrow);
    case DataType::kF8E4M3:
        return floatToF8e4m3(narrow);
    case DataType::kF8E5M2:
        return floatToF8e5m2(narrow, false);
    case DataType::kF8E8M0:
        return floatToF8e8m0(narrow);
    case DataType::kF4E2M1:
        return floatToF4e2m1(narrow);
    case DataType::kI8:
    case DataType::kU8:
    case DataType::kI16:
    case DataType::kU16:
    case DataType::kI32:
    case DataType::kU32:
    case DataType::kI64:
    case DataType::kU64:
    case DataType::kBool:
    case DataType::kI4:
    case DataType::kU4:
    case DataType::kString:
        break;
    }
    return 0;
}

void appendElement(std::string& text, const Constant& constant, int64_t i) {
    const uint64_t bits = loadBits(constant, i);
    if (constant.dtype == DataType::kBool && bits <= 1) {
        text += bits != 0 ? "true" : "false";
        return;
    }
    if (isInteger(constant.dtype) && (constant.dtype != DataType::kU64 || bits <= INT64_MAX)) {
        append(text, constant.integerAt(i));
        return;
    }
    if (isFloat(constant.dtype)) {
        const double number = constant.numberAt(i);
        // The narrow types print as floats: 0.1 and not 0.10000000149.
        const std::string shortest = constant.dtype == DataType::kF64 ? cat(number) : cat(static_cast<float>(number));
        double back = std::numeric_limits<double>::quiet_NaN();
        if (!std::isnan(number)) {
            support::parseDouble(shortest, back);
        }
        if (bitsOfNumber(constant.dtype, back) == bits) {
            text += shortest;
            return;
        }
    }
    append(text, "bits(", static_cast<int64_t>(bits), ')');
}

Result<uint64_t> readElement(Lexer& lexer, DataType dtype) {
    if (lexer.take("bits")) {
        TN_RETURN_IF_ERROR(lexer.expect("("));
        TN_ASSIGN_OR_RETURN(const int64_t bits, lexer.expectInt("an element's bits"));
        TN_RETURN_IF_ERROR(lexer.expect(")"));
        return static_cast<uint64_t>(bits) & maskOf(dtype);
    }
    if (dtype == DataType::kBool) {
        const bool value = lexer.take("true");
        if (!value) {
            TN_RETURN_IF_ERROR(lexer.expect("false"));
        }
        return uint64_t{value};
    }
    if (isFloat(dtype)) {
        TN_ASSIGN_OR_RETURN(const double number, lexer.expectNumber("a number"));
        return bitsOfNumber(dtype, number);
    }
    const support::TextPosition position = lexer.peek().position;
    TN_ASSIGN_OR_RETURN(const int64_t value, lexer.expectInt("an integer"));
    const int32_t bits = bitsOf(dtype);
    if (bits < 64) {
        const bool isSigned = dtype == DataType::kI8 || dtype == DataType::kI16 || dtype == DataType::kI32 ||
                              dtype == DataType::kI64 || dtype == DataType::kI4;
        const int64_t low = isSigned ? -(int64_t{1} << (bits - 1)) : 0;
        const int64_t high = (int64_t{1} << (isSigned ? bits - 1 : bits)) - 1;
        if (value < low || value > high) {
            return Lexer::errorAt(position, cat(value, " does not fit ", nameOf(dtype)));
        }
    } else if (dtype == DataType::kU64 && value < 0) {
        return Lexer::errorAt(position, cat(value, " does not fit ", nameOf(dtype)));
    }
    return static_cast<uint64_t>(value) & maskOf(dtype);
}

struct Buffer {
    std::shared_ptr<std::vector<std::byte>> bytes;
    ConstantPtr constantOf(DataType dtype, std::vector<int64_t> dims) {
        const void* const data = bytes->data();
        return adoptConstant(dtype, std::move(dims), std::move(bytes), data);
    }
};

} // namespace

support::Hash128 hashOf(const Constant& constant) {
    return support::hashBytes(constant.data, static_cast<size_t>(constant.bytes));
}

std::string constantText(const Constant& constant, int64_t inlineLimit) {
    std::string text = cat(nameOf(constant.dtype), '[', support::join(constant.dims, ","), ']');
    const int64_t elements = constant.elements();
    const bool writable = bitsOf(constant.dtype) > 0;
    if (writable && elements <= inlineLimit) {
        text += " [";
        for (int64_t i = 0; i < elements; ++i) {
            text += i == 0 ? "" : ", ";
            appendElement(text, constant, i);
        }
        text += ']';
    } else {
        bool uniform = writable && elements > 0;
        for (int64_t i = 1; i < elements && uniform; ++i) {
            uniform = loadBits(constant, i) == loadBits(constant, 0);
        }
        if (uniform) {
            text += " splat ";
            appendElement(text, constant, 0);
        } else {
            append(text, " @hash:", hashOf(constant).hex());
        }
    }
    if (!constant.weightsName.empty()) {
        append(text, " weights(", support::quote(constant.weightsName), ')');
    }
    return text;
}

Result<ConstantPtr> ConstantReader::read(Lexer& lexer) {
    const support::TextPosition position = lexer.peek().position;
    ConstantReference reference;
    TN_ASSIGN_OR_RETURN(const std::string typeName, lexer.expectIdentifier("an element type"));
    const std::optional<DataType> dtype = dataTypeOf(typeName);
    if (!dtype) {
        return Lexer::errorAt(position, cat("'", typeName, "' is not an element type"));
    }
    reference.dtype = *dtype;
    TN_RETURN_IF_ERROR(lexer.expect("["));
    while (!lexer.take("]")) {
        if (!reference.dims.empty()) {
            TN_RETURN_IF_ERROR(lexer.expect(","));
        }
        TN_ASSIGN_OR_RETURN(const int64_t extent, lexer.expectInt("an extent"));
        if (extent < 0) {
            return Lexer::errorAt(position, "a constant has no negative extents");
        }
        reference.dims.push_back(extent);
    }
    const auto elements = support::checkedProduct(reference.dims);
    const auto bits = elements ? support::checkedMul(*elements, bitsOf(*dtype)) : std::nullopt;
    if (!bits) {
        return Lexer::errorAt(position, "the constant is larger than 64 bits can count");
    }
    const int64_t size = *bits / 8 + (*bits % 8 != 0 ? 1 : 0);

    ConstantPtr constant;
    const bool splat = lexer.take("splat");
    const support::Token value = lexer.peek();
    if (splat || value.is("[")) {
        if (bitsOf(*dtype) == 0) {
            return Lexer::errorAt(position, "text cannot write out a constant of strings");
        }
        if (size > mBytesLeft) {
            return Lexer::errorAt(position, cat("the constants written out here are too large; ", size,
                                                " more bytes are over the limit"));
        }
        if (!splat) {
            lexer.next();
        }
        mBytesLeft -= size;
        Buffer buffer{std::make_shared<std::vector<std::byte>>(static_cast<size_t>(std::max<int64_t>(size, 1)))};
        std::byte* const data = buffer.bytes->data();
        if (splat) {
            TN_ASSIGN_OR_RETURN(const uint64_t element, readElement(lexer, *dtype));
            for (int64_t i = 0; i < *elements; ++i) {
                storeBits(data, *dtype, i, element);
            }
        }
        for (int64_t i = 0; i < *elements && !splat; ++i) {
            if (i > 0) {
                TN_RETURN_IF_ERROR(lexer.expect(","));
            }
            TN_ASSIGN_OR_RETURN(const uint64_t element, readElement(lexer, *dtype));
            storeBits(data, *dtype, i, element);
        }
        if (!splat) {
            TN_RETURN_IF_ERROR(lexer.expect("]"));
        }
        constant = buffer.constantOf(*dtype, reference.dims);
    } else {
        const std::string_view prefix = "hash:";
        const auto hash = value.is(TokenKind::kSymbolName) && value.value.compare(0, prefix.size(), prefix) == 0
                              ? support::Hash128::fromHex(std::string_view(value.value).substr(prefix.size()))
                              : std::nullopt;
        if (!hash) {
            return lexer.errorHere("expected '[', splat or @hash: with 32 hexadecimal digits");
        }
        lexer.next();
        reference.hash = *hash;
    }
    if (lexer.take("weights")) {
        TN_RETURN_IF_ERROR(lexer.expect("("));
        TN_ASSIGN_OR_RETURN(reference.weightsName, lexer.expectString("the name of the weights"));
        TN_RETURN_IF_ERROR(lexer.expect(")"));
    }
    if (constant == nullptr) {
        constant = mResolver ? mResolver(reference) : nullptr;
        if (constant == nullptr) {
            return Lexer::errorAt(value.position,
                                  cat("there are no bytes for ", value.text, "; they must come with the text"));
        }
        if (constant->dtype != reference.dtype || constant->dims != reference.dims) {
            return Lexer::errorAt(value.position, cat("the bytes found for ", value.text, " have another type"));
        }
    }
    if (constant->weightsName != reference.weightsName) {
        auto named = std::make_shared<Constant>(*constant);
        named->weightsName = reference.weightsName;
        constant = std::move(named);
    }
    return constant;
}

} // namespace tenon::ir
