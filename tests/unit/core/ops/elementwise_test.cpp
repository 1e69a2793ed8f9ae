#include "tests/unit/core/ops/op_cases.h"

#include <gtest/gtest.h>

namespace tenon::ops::testing {
namespace {

TEST(BinaryInference, Broadcasting) {
    expectCases({
        {"binary.add", "", {"f32[N,1,8]", "f32[4,1]"}, "f32[N,4,8]"},
        {"binary.add", "", {"f32[]", "f32[N]"}, "f32[N]"},
        {"binary.add", "", {"f32[N,3]", "f32[N,3]"}, "f32[N,3]"},
        // An unknown extent beside a constant that is not 1 can only be equal to it or 1.
        {"binary.add", "", {"f32[N,3]", "f32[5,C]"}, "f32[5,3]"},
        {"binary.add", "", {"f32[N]", "f32[0]"}, "f32[0]"},
        {"binary.add", "", {"f32[N]", "f32[S]"}, "f32[select(equal(N,1),S,N)]"},
        {"binary.add", "", {"f32[S]", "f32[N]"}, "f32[select(equal(N,1),S,N)]"},
        {"binary.add", "", {"f32[N+2]", "f32[S]"}, "f32[N+2]"},
        {"binary.add", "", {"f32[N+1]", "f32[S+1]"}, "f32[max(N+1,S+1)]"},
        // Rows of a table cut to the sequence.
        {"binary.add", "", {"f32[B,S,64]", "f32[1,min(S,512),64]"}, "f32[B,S,64]"},
        {"binary.mul", "", {"f32[?,3]", "f32[4,1]"}, "f32[4,3]"},
        {"binary.mul", "", {"f32[?]", "f32[N]"}, "f32[?]"},
        {"binary.mul", "", {"f32[*]", "f32[N]"}, "f32[*]"},
        {"binary.less", "", {"f32[N]", "f32[1]"}, "bool[N]"},
        {"binary.equal", "", {"string[2]", "string[1]"}, "bool[2]"},
        {"binary.and", "", {"bool[2]", "bool[N,1]"}, "bool[N,2]"},
        {"binary.pow", "", {"f32[N]", "i64[]"}, "f32[N]"},
        {"where", "", {"bool[N,1]", "f32[3]", "f32[]"}, "f32[N,3]"},
        {"prelu", "", {"f32[N,8,H,W]", "f32[8,1,1]"}, "f32[N,8,H,W]"},
    });
}

TEST(BinaryInference, Errors) {
    expectCases({
        {"binary.add",
         "",
         {"f32[2,3]", "f32[4]"},
         "error: binary.add: cannot broadcast [2, 3] (operand 0) and [4] (operand 1): extents 3 and 4 differ and "
         "neither is 1"},
        {"binary.add",
         "",
         {"f32[2]", "i32[2]"},
         "error: binary.add: operands 0 and 1 must have one element type, but are f32 and i32; cast one of them"},
        {"binary.add",
         "",
         {"bool[2]", "bool[2]"},
         "error: binary.add: operand 0 must be a float or integer type, but is bool"},
        {"binary.and", "", {"i32[2]", "i32[2]"}, "error: binary.and: operand 0 must be bool, but is i32"},
        {"binary.bitwise_and",
         "",
         {"f32[2]", "f32[2]"},
         "error: binary.bitwise_and: operand 0 must be an integer type, but is f32"},
        {"binary.mod",
         "{fmod=2}",
         {"i32[2]", "i32[2]"},
         "error: binary.mod: attribute 'fmod' is 2, but must be within [0, 1]"},
        {"where", "", {"i32[2]", "f32[2]", "f32[2]"}, "error: where: operand 0 must be bool, but is i32"},
        {"where",
         "",
         {"bool[2]", "f32[3]", "f32[2]"},
         "error: where: cannot broadcast [2] (operand 0) and [3] (operand 1): extents 2 and 3 differ and neither is 1"},
        {"prelu",
         "",
         {"f32[8]", "f32[2,8]"},
         "error: prelu: operand 1 of shape [2, 8] does not broadcast to the shape of operand 0, [8]"},
    });
}

TEST(BinaryInference, Contents) {
    expectCases({
        {"binary.add", "", {"i64[2] = N, 3", "const i64[] [1]"}, "i64[2] = N+1, 4"},
        {"binary.sub", "", {"i32[] = N", "i32[1] = N"}, "i32[1] = 0"},
        {"binary.mul", "", {"i64[2] = H, W", "i64[2] = 2, 4"}, "i64[2] = H*2, W*4"},
        {"binary.div", "", {"i64[] = N*12", "const i64[] [4]"}, "i64[] = N*3"},
        {"binary.div", "", {"i64[] = N", "const i64[] [2]"}, "i64[] = floordiv(N,2)"},
        {"binary.div", "", {"const i64[3] [-7, 7, -7]", "const i64[3] [2, -2, -2]"}, "i64[3] = -3, -3, 3"},
        {"binary.div", "", {"i64[] = E", "const i64[] [2]"}, "i64[] = select(less(E,0),floordiv(E+1,2),floordiv(E,2))"},
        {"binary.div", "", {"i64[] = N", "const i64[] [0]"}, "i64[]"},
        {"binary.floor_div", "", {"const i64[] [-7]", "const i64[] [2]"}, "i64[] = -4"},
        {"binary.mod", "", {"const i64[] [-7]", "const i64[] [3]"}, "i64[] = 2"},
        {"binary.mod", "{fmod=1}", {"const i64[] [-7]", "const i64[] [3]"}, "i64[]"},
        {"binary.mod", "{fmod=1}", {"i64[] = N", "const i64[] [3]"}, "i64[] = mod(N,3)"},
        {"binary.pow", "", {"i64[] = N", "const i64[] [2]"}, "i64[] = N*N"},
        {"binary.max", "", {"i64[] = N", "const i64[] [0]"}, "i64[] = N"},
        {"binary.min", "", {"i64[] = N", "const i64[] [8]"}, "i64[] = min(N,8)"},
        {"binary.equal", "", {"i64[2] = N, 3", "const i64[] [-1]"}, "bool[2] = 0, 0"},
        {"binary.greater_equal", "", {"i64[] = N", "const i64[] [0]"}, "bool[] = 1"},
        {"binary.greater", "", {"i64[] = N", "const i64[] [4]"}, "bool[] = less(4,N)"},
        {"binary.or", "", {"bool[] = 0", "bool[] = 1"}, "bool[] = 1"},
        {"binary.shift_left", "", {"i64[] = N", "const i64[] [3]"}, "i64[] = N*8"},
        // Whole floats: exact where nothing is rounded.
        {"binary.mul", "", {"f32[] = H", "const f32[] [2.0]"}, "f32[] = H*2"},
        {"binary.mul", "", {"f32[] = H", "const f32[] [0.5]"}, "f32[]"},
        {"binary.div", "", {"f32[] = H*4", "const f32[] [2.0]"}, "f32[] = H*2"},
        {"binary.div", "", {"f32[] = H", "const f32[] [2.0]"}, "f32[]"},
        // Narrow and unsigned types wrap.
        {"binary.sub", "", {"u8[] = 1", "u8[] = 2"}, "u8[]"},
        {"where", "", {"bool[2] = 0, 1", "i64[2] = N, 3", "const i64[] [7]"}, "i64[2] = 7, 3"},
        {"where", "", {"bool[] = equal(N,1)", "i64[] = 4", "i64[] = S"}, "i64[] = select(equal(N,1),4,S)"},
        // Larger tensors are not followed.
        {"binary.add", "", {"const i64[300] splat 1", "const i64[] [1]"}, "i64[300]"},
        {"binary.add",
         "",
         {"i64[20] = 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1", "const i64[20,1] splat 1"},
         "i64[20,20]"},
    });
}

TEST(UnaryInference, TypesAndContents) {
    expectCases({
        {"unary.exp", "", {"bf16[N,?]"}, "bf16[N,?]"},
        {"unary.neg", "", {"i64[2] = N, -3"}, "i64[2] = -N, 3"},
        {"unary.neg", "", {"u64[1] = N"}, "u64[1]"},
        {"unary.abs", "", {"i64[] = N"}, "i64[] = N"},
        {"unary.sign", "", {"const i64[3] [-5, 0, 9]"}, "i64[3] = -1, 0, 1"},
        {"unary.floor", "", {"f32[2] = H*2, W*2"}, "f32[2] = H*2, W*2"},
        {"unary.not", "", {"bool[2] = 0, 1"}, "bool[2] = 1, 0"},
        {"unary.isinf", "{detect_negative=0}", {"f32[N]"}, "bool[N]"},
        {"unary.bitwise_not", "", {"i32[] = 5"}, "i32[] = -6"},
        {"unary.exp", "", {"i32[4]"}, "error: unary.exp: operand 0 must be f32, f16, bf16 or f64, but is i32"},
        {"unary.not", "", {"i32[4]"}, "error: unary.not: operand 0 must be bool, but is i32"},
        {"activation.relu", "", {"i32[2] = E, 4"}, "i32[2] = max(E,0), 4"},
        {"activation.clip", "{min=0, max=6.0}", {"f32[N]"}, "f32[N]"},
        {"activation.clip", "{min=1}", {"i64[] = N"}, "i64[] = max(N,1)"},
        {"activation.clip", "{min=0.5}", {"i64[] = N"}, "i64[]"},
        {"activation.clip",
         "{min=nan}",
         {"f32[N]"},
         "error: activation.clip: attributes 'min' and 'max' must be numbers, got nan and inf"},
        {"activation.leaky_relu", "{alpha=0.1}", {"f16[N]"}, "f16[N]"},
        {"activation.sigmoid",
         "",
         {"f8e4m3[N]"},
         "error: activation.sigmoid: operand 0 must be f32, f16, bf16 or f64, but is f8e4m3"},
    });
}

TEST(CastInference, TypesAndContents) {
    expectCases({
        {"cast", "{to=f16}", {"i32[N]"}, "f16[N]"},
        {"cast", "{to=i32}", {"i64[2] = N, 7"}, "i32[2] = N, 7"},
        {"cast", "{to=f32}", {"i64[2] = N, 7"}, "f32[2] = N, 7"},
        {"cast", "{to=i64}", {"f32[1] = H*2"}, "i64[1] = H*2"},
        {"cast", "{to=bool}", {"i64[2] = 0, 7"}, "bool[2] = 0, 1"},
        {"cast", "{to=u8}", {"i64[1] = 300"}, "u8[1]"},
        {"cast", "{to=u8}", {"i64[1] = 200"}, "u8[1] = 200"},
        {"cast", "{to=u8}", {"i64[1] = N"}, "u8[1]"},
        {"cast", "{to=i32}", {"const i64[1] [9223372036854775807]"}, "i32[1]"},
        {"cast", "{to=i64}", {"const f32[2] [2.0, 3.0]"}, "i64[2] = 2, 3"},
        {"cast", "{to=i64}", {"const f32[2] [2.5, 3.0]"}, "i64[2]"},
        {"cast", "{to=f32}", {"string[N]"}, "error: cast: there is no conversion from string to f32"},
        {"cast", "", {"f32[N]"}, "error: cast: attribute 'to' is missing"},
        {"identity", "", {"seq<f32[N]>"}, "seq<f32[N]>"},
        {"identity", "", {"i64[1] = N"}, "i64[1] = N"},
        {"const", "{value=const i64[2] [3, -1]}", {}, "i64[2] = 3, -1"},
        {"const", "{value=const f32[2,2] splat 0.5}", {}, "f32[2,2]"},
        {"const", "", {}, "error: const: attribute 'value' is missing"},
    });
}

} // namespace
} // namespace tenon::ops::testing
