// The text form of constants: `f32[2] [1, -0.5]`, `f32[64,3,3,3] splat 0`, `f16[1000,2048] @hash:9c1f...`.
// Used by the printer and parser of graphs, and for attributes that are tensors. Knows no graph.
//
// Values inline come back bit for bit: what its shortest decimal does not say exactly (a NaN with a payload, an odd bool) is written bits(N).
// Large constants are named by the hash of their bytes; whoever reads the text supplies them through a ConstantResolver.
#pragma once

#include "core/ir/weights.h"
#include "core/support/hash.h"
#include "core/support/status.h"

#include <functional>
#include <string>

namespace tenon::support {
class Lexer;
}

namespace tenon::ir {

// What the text says of a constant whose bytes are elsewhere.
struct ConstantReference {
    DataType dtype = DataType::kF32;
    std::vector<int64_t> dims;
    support::Hash128 hash;
    std::string weightsName;
};

// Returns the constant, or null where it has none such.
using ConstantResolver = std::function<ConstantPtr(const ConstantReference&)>;

// The bytes of a constant as `@hash:` names them.
support::Hash128 hashOf(const Constant& constant);

// At most `inlineLimit` elements are written out.
std::string constantText(const Constant& constant, int64_t inlineLimit);

class ConstantReader {
public:
    // `byteLimit` is for all constants together that the text writes out: a hostile "splat" costs a few characters.
    ConstantReader(ConstantResolver resolver, int64_t byteLimit)
        : mResolver(std::move(resolver)), mBytesLeft(byteLimit) {}

    support::Result<ConstantPtr> read(support::Lexer& lexer);

private:
    ConstantResolver mResolver;
    int64_t mBytesLeft;
};

} // namespace tenon::ir
