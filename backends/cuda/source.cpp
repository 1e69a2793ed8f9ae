#include "backends/cuda/source.h"

#include "backends/cuda/device_text.h"

#include <cmath>
#include <cstdio>

namespace tenon::cuda {

std::string_view cudaName(TnDataType type) {
    switch (type) {
    case TN_F32:
        return "F32";
    case TN_F16:
        return "F16";
    case TN_BF16:
        return "BF16";
    case TN_F64:
        return "F64";
    case TN_I8:
        return "I8";
    case TN_U8:
        return "U8";
    case TN_I16:
        return "I16";
    case TN_U16:
        return "U16";
    case TN_I32:
        return "I32";
    case TN_U32:
        return "U32";
    case TN_I64:
        return "I64";
    case TN_U64:
        return "U64";
    case TN_BOOL:
        return "Bool";
    case TN_F8E4M3:
        return "F8E4M3";
    case TN_F8E5M2:
        return "F8E5M2";
    case TN_F8E8M0:
        return "F8E8M0";
    default:
        refuse("kernels of ", nameOf(type), " are not generated");
    }
}

std::string_view cudaBytesName(TnDataType type) {
    switch (bytesOf(type)) {
    case 1:
        return "U8";
    case 2:
        return "U16";
    case 4:
        return "U32";
    case 8:
        return "U64";
    default:
        refuse("kernels of ", nameOf(type), " are not generated");
    }
}

std::string literal(double value) {
    if (std::isnan(value)) {
        return "nan64()";
    }
    if (std::isinf(value)) {
        return value > 0 ? "infinity64()" : "(-infinity64())";
    }
    char text[40];
    std::snprintf(text, sizeof text, "%.17g", value);
    std::string out = text;
    if (out.find_first_of(".e") == std::string::npos) {
        out += ".0";
    }
    return value < 0 || std::signbit(value) ? "(" + out + ")" : out;
}

Source& Source::define(std::string_view name, std::string_view value) {
    mDefines += module::text("#define ", name, " ", value, "\n");
    return *this;
}

Source& Source::type(std::string_view name, std::string_view is) {
    mDeclarations += module::text("using ", name, " = ", is, ";\n");
    return *this;
}

Source& Source::declare(std::string_view text) {
    mDeclarations += module::text(text, "\n");
    return *this;
}

std::string Source::text(std::initializer_list<std::string_view> families) const {
    std::string out = module::text("using Index = ", mWideIndex ? "unsigned long long" : "unsigned int", ";\n",
                                   mDefines, kArgsText, kPreludeText);
    const auto last = families.end() - 1;
    for (auto family = families.begin(); family != last; ++family) {
        out += *family;
    }
    return out + mDeclarations + std::string(*last);
}

} // namespace tenon::cuda
