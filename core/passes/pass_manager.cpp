#include "core/passes/pass_manager.h"

#include "core/ir/verifier.h"
#include "core/ops/verify.h"
#include "core/support/text.h"

namespace tenon::passes {

namespace {

support::Status verifyAll(const PassContext& context) {
    TN_RETURN_IF_ERROR(ir::verify(context.graph));
    if (context.weights != nullptr) {
        TN_RETURN_IF_ERROR(ir::verify(*context.weights));
    }
    return ops::verifyOps(context.ops, context.graph);
}

} // namespace

const std::vector<Pass>& allPasses() {
    static const std::vector<Pass> kPasses{
        {"widen_halves", "what is computed in f16 or bf16 is computed in f32", widenHalves, false, false},
        {"infer_types", "types, extents and contents as far as inference knows them", inferTypes},
        {"shape_operands", "operands that define shapes become attributes where their contents are known",
         shapeOperands},
        {"canonicalize", "one spelling for each thing: axes, padding, operand order, views as reshape", canonicalize},
        {"lower_einsum", "einsums become products, sums and transposes", lowerEinsum},
        {"constant_fold", "nodes on constants become constants, with their derivation kept", constantFold},
        {"shape_simplify", "casts, expansions, slices and the like that change nothing disappear", shapeSimplify},
        {"recognise_activations", "activations written out in arithmetic become the op that they are",
         recogniseActivations},
        {"recognise_layer_norm", "layer and RMS normalisation written in primitives becomes the op",
         recogniseLayerNorm},
        {"recognise_norms", "group normalisation written as another normalisation becomes the op", recogniseNorms},
        {"recognise_softmax", "softmax written out in arithmetic becomes the op", recogniseSoftmax},
        {"fold_padding", "zeros around an image become the padding of the convolution that reads it", foldPadding},
        {"fold_batch_norm", "per-channel scales and shifts by constants move into weights", foldBatchNorm, true},
        {"split_products", "products whose columns are cut apart become several with a share of the weights",
         splitProducts, true},
        {"move_quantization", "dequantize moves down and quantize up until they cancel", moveQuantization},
        {"attention_form", "masks of attention become one, and its products count batches and heads apart",
         attentionForm},
        {"transpose_elim", "transposes cancel, compose and move to where they do", transposeElimination},
        {"reshape_elim", "reshapes cancel and compose", reshapeElimination},
        {"view_chains", "reshapes and transposes in a row become as few as can be", viewChains},
        {"cse", "equal nodes on equal inputs become one", commonSubexpressions},
        {"dead_code", "what no output needs disappears", deadCode},
    };
    return kPasses;
}

const Pass* findPass(std::string_view name) {
    for (const Pass& pass : allPasses()) {
        if (pass.name == name) {
            return &pass;
        }
    }
    return nullptr;
}

support::Result<bool> runPass(PassContext& context, const Pass& pass, Verify verify) {
    auto changed = pass.run(context);
    const std::string where = support::cat("in pass ", pass.name);
    if (!changed.ok()) {
        return std::move(changed).withContext(where);
    }
    if (verify == Verify::kAfterEach && *changed) {
        TN_RETURN_IF_ERROR(verifyAll(context).withContext(support::cat("after pass ", pass.name)));
    }
    return changed;
}

} // namespace tenon::passes
