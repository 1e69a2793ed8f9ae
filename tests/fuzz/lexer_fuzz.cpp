// Any bytes: the lexer ends, tokens lie inside the text, and an error is the last token.
#include "core/support/lexer.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace tenon::support;
    const std::string_view source(reinterpret_cast<const char*>(data), size);
    Lexer lexer(source);
    size_t tokens = 0;
    while (true) {
        const Token token = lexer.next();
        if (token.is(TokenKind::kEnd) || token.is(TokenKind::kError)) {
            break;
        }
        const bool inside = token.text.data() >= source.data() &&
                            token.text.data() + token.text.size() <= source.data() + source.size();
        if (!inside || token.text.empty() || ++tokens > size) {
            std::abort();
        }
    }
    return 0;
}
