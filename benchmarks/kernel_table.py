"""Every kernel on standard shapes beside what the machine gives at most: runs kernel_bench and makes a Markdown table of its lines."""
import json
import os
import re
import subprocess

MODULES = ("cpu", "onednn")
KINDS = ("", "f32", "bf16", "i8")  # of products


def measure(build_dir, threads, milliseconds):
    """The machine's limits, and one result per case, module and tactic."""
    libraries = [build_dir / "lib" / "tenon" / "modules" / f"libtenon_{module}.so" for module in MODULES]
    cases = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kernels", "kernels.cases")
    command = [build_dir / "benchmarks" / "kernel_bench", cases, threads, milliseconds, 0, *(path for path in libraries if path.exists())]
    lines = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    documents = [json.loads(line) for line in lines]
    return limits_of([each for each in documents if "case" not in each]), [each for each in documents if "case" in each]


def limits_of(measured):
    """The most of what was measured before the kernels and after them."""
    peaks = {kind: max(each["peak_gflops"][kind] for each in measured) for kind in measured[0]["peak_gflops"]}
    return {"peak_gflops": peaks, "memory_gbs": max(each["memory_gbs"] for each in measured)}


def times_us(result, machine):
    """The least that the op can take, by what it takes: its products at the peak for their type (nothing where the processor has no units for it), its
    vector instructions at half that of f32, which counts a multiplication and an addition each, and moving its operands and result once, as a copy of as
    many bytes moves them."""
    peak = machine["peak_gflops"].get(result["products"], 0)
    return {
        "products": result["flops"] / peak / 1e3 if peak else 0.0,
        "vector units": result["lane_steps"] / (machine["peak_gflops"]["f32"] / 2) / 1e3,
        "memory": result["bytes"] / result["copy_gbs"] / 1e3,
    }


def bound_of(result, machine):
    times = times_us(result, machine)
    return max(times, key=times.get)


def limit_us(result, machine):
    return max(times_us(result, machine).values())


def rate_of(result, bound):
    amount, unit = {"products": (result["flops"], "GFLOP/s"), "vector units": (result["lane_steps"], "G steps/s"), "memory": (result["bytes"], "GB/s")}[bound]
    return f"{amount / result['us'] / 1e3:.0f} {unit}"


def name_of(case, products):
    body = re.match(r"fused\[(.*?)\]\(", case)
    ops = [op for op in re.findall(r"= ([\w.]+)\(", body.group(1)) if op != "dequantize" or "matmul" not in case and "conv" not in case] if body else [case.split("(")[0]]
    operands = case[body.end():] if body else case.split("(", 1)[1]
    shapes = [shape.replace(",", "x") for shape in re.findall(r"[a-z]+\d+\[([\d,]+)\]", operands.split("->")[0])]
    if body:
        shapes = [shape for shape in shapes if "x" in shape]
    words = re.findall(r"(strides|group|mode)=(\[?\d+|\"\w+)", case)
    extra = "".join(f", {'stride' if name == 'strides' else '' if name == 'mode' else name} {value.strip('[').strip(chr(34))}".replace("  ", " ") for name, value in words)
    several = body or case.startswith(("conv", "deconv", "matmul", "binary", "concat", "gather"))
    kind = f" of {products}" if products not in ("", "f32") else ""
    return f"{' + '.join(ops)}{kind} {', '.join(shapes[:2] if several else shapes[:1])}{extra}"


ABOUT = """# Kernels on standard shapes

Made by `./dev bench --kernels --output FILE.md`: {threads} threads, data where the launch before left them, f32 where nothing else is said. Each module's fastest
tactic in its best layout. The limit is the largest of three times: products, as the op defines them, at the measured peak for their type (of bf16 and bytes in
matrix registers where there are some, all operands zero); functions of elements by the vector instructions that ours take at the least (exp 12, GELU 22, softmax 23, layer norm 8;
`benchmarks/kernels/work.cpp`), a multiplication and addition counting as one; operands and result moved once, as fast as a copy of as many bytes. The largest
is what the kernel is bound by. Winograd does with fewer products than the op defines, hence more than 100 %; so do reductions, which write nothing, against copies.
"""


def markdown(machine, results, threads):
    peaks = ", ".join(f"{kind} {peak:.0f}" for kind, peak in machine["peak_gflops"].items() if peak)
    lines = [
        ABOUT.format(threads=threads),
        f"Peaks of products, GFLOP/s: {peaks}; copies from and to memory {machine['memory_gbs']:.0f} GB/s.",
        "",
        "| op and operands | bound by | " + " | ".join(f"{module}: tactic | us | rate | of the limit" for module in MODULES) + " |",
        "|---" * (2 + 4 * len(MODULES)) + "|",
    ]
    cases = list(dict.fromkeys(result["case"] for result in results))
    rows = {(cases.index(result["case"]), KINDS.index(result["products"])) for result in results}
    for case, products in ((cases[row], KINDS[kind]) for row, kind in sorted(rows)):
        mine = [result for result in results if (result["case"], result["products"]) == (case, products)]
        bound = bound_of(min(mine, key=lambda result: result["us"]), machine)
        cells = [name_of(case, products), bound]
        for module in MODULES:
            best = min((result for result in mine if result["module"] == module), key=lambda result: result["us"], default=None)
            if best is None:
                cells += ["", "", "", ""]
                continue
            cells += [best["tactic"], f"{best['us']:.3g}", rate_of(best, bound), f"{100 * limit_us(best, machine) / best['us']:.0f} %"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
