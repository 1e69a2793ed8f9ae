#include "tests/unit/core/ops/op_cases.h"

#include <gtest/gtest.h>

namespace tenon::ops::testing {
namespace {

TEST(MatmulInference, ShapesAndErrors) {
    expectCases({
        {"matmul", "", {"f32[B,S,64]", "f32[64,128]"}, "f32[B,S,128]"},
        {"matmul", "{trans_b=1}", {"f32[B,12,S,64]", "f32[B,12,S,64]"}, "f32[B,12,S,S]"},
        {"matmul", "{trans_a=1}", {"f32[3,5]", "f32[3,7]"}, "f32[5,7]"},
        {"matmul", "", {"f32[4]", "f32[4]"}, "f32[]"},
        {"matmul", "", {"f32[4]", "f32[B,4,5]"}, "f32[B,5]"},
        {"matmul", "{trans_b=1}", {"f32[B,5,4]", "f32[4]"}, "f32[B,5]"},
        {"matmul", "", {"i32[1,2,3]", "i32[5,1,3,4]"}, "i32[5,1,2,4]"},
        {"matmul", "", {"f32[N,S]", "f32[64,8]"}, "f32[N,8]"},
        {"matmul", "", {"f32[*]", "f32[64,8]"}, "f32[*]"},
        {"matmul",
         "",
         {"f32[2,64]", "f32[32,8]"},
         "error: matmul: inner extents differ: 64 (operand 0, dim 1) and 32 (operand 1, dim 0) of shapes [2, 64] and "
         "[32, 8]"},
        {"matmul",
         "",
         {"f32[2,3,4]", "f32[3,4,5]"},
         "error: matmul: batch dimensions of [2, 3, 4] (operand 0) and [3, 4, 5] (operand 1) do not broadcast: extents "
         "2 and 3 differ and neither is 1"},
        {"matmul",
         "",
         {"f32[]", "f32[64,8]"},
         "error: matmul: operand 0 must have at least 1 dimension, but has 0: []"},
        {"matmul",
         "",
         {"bool[2,2]", "bool[2,2]"},
         "error: matmul: operand 0 must be a float or integer type, but is bool"},
    });
}

TEST(EinsumInference, ShapesAndErrors) {
    expectCases({
        {"einsum", "{equation=\"ij,jk->ik\"}", {"f32[N,4]", "f32[4,5]"}, "f32[N,5]"},
        {"einsum", "{equation=\"bij, bjk\"}", {"f32[B,3,4]", "f32[B,4,5]"}, "f32[3,5]"},
        {"einsum", "{equation=\"...ij,...jk->...ik\"}", {"f32[B,12,S,64]", "f32[12,64,S]"}, "f32[B,12,S,S]"},
        {"einsum", "{equation=\"ii->i\"}", {"f32[4,4]"}, "f32[4]"},
        {"einsum", "{equation=\"ij->\"}", {"f32[4,4]"}, "f32[]"},
        {"einsum", "{equation=\"...->...\"}", {"f32[*]"}, "f32[*]"},
        {"einsum", "{equation=\"ij->j\"}", {"f32[*]"}, "f32[?]"},
        {"einsum",
         "{equation=\"ij,jk->ik\"}",
         {"f32[2,3]", "f32[4,5]"},
         "error: einsum: dimension 'j' of 'ij,jk->ik' in operand 1: extents 3 and 4 differ and neither is 1"},
        {"einsum",
         "{equation=\"ij->ik\"}",
         {"f32[2,3]"},
         "error: einsum: the output of 'ij->ik' names 'k', which no operand has"},
        {"einsum", "{equation=\"ij->ii\"}", {"f32[2,3]"}, "error: einsum: the output of 'ij->ii' names 'i' twice"},
        {"einsum",
         "{equation=\"ij,jk\"}",
         {"f32[2,3]"},
         "error: einsum: the equation 'ij,jk' has 2 terms for 1 operand"},
        {"einsum",
         "{equation=\"i1->i\"}",
         {"f32[2,3]"},
         "error: einsum: the term 'i1' of the equation has the character '1'; legal are letters, spaces and '...'"},
        {"einsum",
         "{equation=\"i->i\"}",
         {"f32[2,3]"},
         "error: einsum: the term 0 of 'i->i' names 1 dimension, but operand 0 has 2: [2, 3]"},
    });
}

TEST(ReduceInference, ShapesContentsAndErrors) {
    expectCases({
        {"reduce.mean", "{axes=[2, 3]}", {"f32[N,2048,7,7]"}, "f32[N,2048,1,1]"},
        {"reduce.mean", "{axes=[-1], keep_dims=0}", {"f32[N,S]"}, "f32[N]"},
        {"reduce.sum", "", {"f32[N,S]"}, "f32[1,1]"},
        {"reduce.sum", "{keep_dims=0}", {"f32[*]"}, "f32[]"},
        {"reduce.sum", "{noop_with_empty_axes=1}", {"f32[N,S]"}, "f32[N,S]"},
        {"reduce.max", "", {"f32[N,S]", "const i64[1] [1]"}, "f32[N,1]"},
        {"reduce.max", "{keep_dims=0}", {"f32[N,S]", "const i64[1] [0]"}, "f32[S]"},
        {"reduce.max", "{keep_dims=0}", {"f32[N,S]", "i64[1]"}, "f32[u_reduced_8]"},
        {"reduce.max", "", {"bool[N,S]"}, "bool[1,1]"},
        {"reduce.prod", "{keep_dims=0}", {"i64[3] = N, 4, H"}, "i64[] = H*N*4"},
        {"reduce.prod", "{axes=[0]}", {"i64[2] = N, 4"}, "i64[1] = N*4"},
        {"reduce.min", "{axes=[]}", {"i64[2] = N, 4"}, "i64[1] = min(N,4)"},
        {"reduce.sum",
         "{axes=[2]}",
         {"f32[N,S]"},
         "error: reduce.sum: axes 2 is out of range for 2 dimensions: it must be within [-2, 1]"},
        {"reduce.sum", "{axes=[0, -2]}", {"f32[N,S]"}, "error: reduce.sum: axes names dim 0 twice"},
        {"reduce.sum",
         "{axes=[0]}",
         {"bool[N,S]"},
         "error: reduce.sum: operand 0 must be a float or integer type, but is bool"},
        {"reduce.sum", "", {"f32[N,S]", "f32[1]"}, "error: reduce.sum: operand 1 must be i32 or i64, but is f32"},
        {"arg.max", "{axis=1}", {"f32[N,10]"}, "i64[N,1]"},
        {"arg.min", "{axis=-1, keep_dims=0}", {"f32[N,10]"}, "i64[N]"},
        {"arg.max",
         "{axis=1}",
         {"f32[N]"},
         "error: arg.max: axis 1 is out of range for 1 dimension: it must be within [-1, 0]"},
        {"arg.max",
         "",
         {"f32[0]"},
         "error: arg.max: dim 0 of operand 0 is empty and has no largest or smallest element"},
    });
}

TEST(NormalizationInference, ShapesAndErrors) {
    expectCases({
        {"batch_norm", "", {"f32[N,8,H,W]", "f32[8]", "f32[8]", "f32[8]", "f32[8]"}, "f32[N,8,H,W]"},
        {"batch_norm",
         "",
         {"f32[N,8,H,W]", "f32[8]", "f32[8]", "f32[9]", "f32[8]"},
         "error: batch_norm: operand 3 has 9 elements for 8 channels (operand 0, dim 1)"},
        {"batch_norm", "", {"f32[N,8,H,W]", "f32[8]", "f32[8]"}, "error: batch_norm: needs 5 operands, got 3"},
        {"instance_norm", "", {"f32[N,C,H]", "f32[C]", "f32[C]"}, "f32[N,C,H]"},
        {"group_norm", "{groups=4}", {"f32[N,8,H]", "f32[8]", "f32[8]"}, "f32[N,8,H]"},
        {"group_norm",
         "{groups=3}",
         {"f32[N,8,H]", "f32[8]", "f32[8]"},
         "error: group_norm: 8 channels (operand 0, dim 1) cannot be split into 3 groups"},
        {"layer_norm", "", {"f32[B,S,64]", "f32[64]", "f32[64]"}, "f32[B,S,64]"},
        {"layer_norm", "{axis=1}", {"f32[B,S,64]", "-", "f32[S,64]"}, "f32[B,S,64]"},
        {"layer_norm",
         "{axis=3}",
         {"f32[B,S,64]"},
         "error: layer_norm: axis 3 is out of range for 3 dimensions: it must be within [-3, 2]"},
        {"layer_norm",
         "",
         {"f32[B,S,64]", "f32[32]"},
         "error: layer_norm: operand 1 of shape [32] does not broadcast to the shape of operand 0, [B, S, 64]"},
        {"rms_norm", "", {"f16[B,S,64]", "f16[64]"}, "f16[B,S,64]"},
        {"lrn", "{size=5}", {"f32[N,8,H,W]"}, "f32[N,8,H,W]"},
        {"lrn", "", {"f32[N,8,H,W]"}, "error: lrn: attribute 'size' is missing"},
        {"lp_norm", "{p=3}", {"f32[N]"}, "error: lp_norm: attribute 'p' is 3, but must be within [1, 2]"},
        {"softmax", "", {"f32[N,10]"}, "f32[N,10]"},
        {"log_softmax",
         "{axis=2}",
         {"f32[N,10]"},
         "error: log_softmax: axis 2 is out of range for 2 dimensions: it must be within [-2, 1]"},
        {"softmax", "", {"f32[]"}, "error: softmax: axis -1 is out of range for 0 dimensions"},
    });
}

TEST(OrderInference, ShapesAndErrors) {
    expectCases({
        {"topk/2", "{k=dims[5]}", {"f32[N,100]"}, "f32[N,5]; i64[N,5]"},
        {"topk/2", "{k=5, axis=0}", {"f32[N,100]"}, "f32[5,100]; i64[5,100]"},
        {"topk/2", "", {"f32[N,100]", "i64[1] = min(S,100)"}, "f32[N,min(S,100)]; i64[N,min(S,100)]"},
        {"topk/2", "", {"f32[N,100]", "i64[1]"}, "f32[N,u_k_8]; i64[N,u_k_8]"},
        {"topk/2",
         "{k=101}",
         {"f32[N,100]"},
         "error: topk: k is 101, but must be within [0, 100], the extent of dim 1"},
        {"topk/2", "", {"f32[N,100]"}, "error: topk: needs the attribute 'k' or operand 1"},
        {"cumsum", "{axis=-1}", {"i32[N,4]"}, "i32[N,4]"},
        {"cumsum",
         "",
         {"f32[N,4]", "const i32[] [3]"},
         "error: cumsum: axis 3 is out of range for 2 dimensions: it must be within [-2, 1]"},
    });
}

TEST(QuantizeInference, TypesAndErrors) {
    expectCases({
        {"quantize", "{to=i8}", {"f32[N,8]", "f32[]"}, "i8[N,8]"},
        {"quantize", "", {"f32[N,8]", "f32[8]", "i8[8]"}, "i8[N,8]"},
        {"quantize", "", {"f32[N,8]", "f32[]"}, "u8[N,8]"},
        {"quantize", "{to=f8e4m3, axis=0}", {"f16[4,8]", "f16[4]"}, "f8e4m3[4,8]"},
        {"quantize",
         "{to=f32}",
         {"f32[N,8]", "f32[]"},
         "error: quantize: attribute 'to' must be an integer type or a float of at most 8 bits, but is f32"},
        {"quantize",
         "{to=i8}",
         {"f32[N,8]", "f32[]", "u8[]"},
         "error: quantize: the zero point (operand 2) must be i8 as the output, but is u8"},
        {"quantize",
         "{to=i8}",
         {"f32[N,8]", "f32[7]"},
         "error: quantize: operand 1 has 7 elements, but dim 1 of operand 0 has extent 8"},
        {"dequantize", "", {"i8[N,8]", "f32[]"}, "f32[N,8]"},
        {"dequantize", "{to=f16}", {"i4[N,8]", "f16[8]", "i4[8]"}, "f16[N,8]"},
        {"dequantize",
         "",
         {"f32[N,8]", "f32[]"},
         "error: dequantize: operand 0 must be an integer type or a float of at most 8 bits, but is f32"},
        {"dequantize",
         "",
         {"i8[N,8]", "f32[2,4]"},
         "error: dequantize: operand 1 must have at most 1 dimension: one element for all of x, or one per index of "
         "the axis; got [2, 4]"},
    });
}

} // namespace
} // namespace tenon::ops::testing
