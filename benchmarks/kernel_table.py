"""Every kernel on standard shapes beside what the machine gives at most: runs kernel_bench and makes a Markdown table of its lines."""
import json
import os
import re
import subprocess

MODULES = ("cpu", "onednn")


def measure(build_dir, threads, milliseconds):
    """The machine's limits, and one result per case, module and tactic."""
    libraries = [build_dir / "lib" / "tenon" / "modules" / f"libtenon_{module}.so" for module in MODULES]
    cases = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kernels", "kernels.cases")
    command = [build_dir / "benchmarks" / "kernel_bench", cases, threads, milliseconds, 0, *(path for path in libraries if path.exists())]
    lines = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return json.loads(lines[0]), [json.loads(line) for line in lines[1:]]


def limit_us(result, machine):
    """The least that the op can take: its operations at the peak of the vector units, or moving its operands and result once, as a copy of as many
    bytes moves them."""
    return max(result["flops"] / machine["peak_gflops"], result["bytes"] / result["copy_gbs"]) / 1e3


def name_of(case):
    shapes = [shape.replace(",", "x") for shape in re.findall(r"f32\[([\d,]*)\]", case.split("->")[0])]
    words = re.findall(r"(strides|group)=(\[?\d+)", case)
    extra = "".join(f", {name[:-1] if name == 'strides' else name} {value.strip('[')}" for name, value in words)
    operands = shapes[:2] if case.startswith(("conv", "deconv", "matmul", "binary", "concat")) else shapes[:1]
    return f"{case.split('(')[0]} {', '.join(operands)}{extra}"


def markdown(machine, results):
    lines = [
        f"Peak of the vector units {machine['peak_gflops']:.0f} GFLOP/s, copies from and to memory {machine['memory_gbs']:.0f} GB/s.",
        "",
        "| op and operands | bound by | " + " | ".join(f"{module}: tactic | us | rate | of the limit" for module in MODULES) + " |",
        "|---" * (2 + 4 * len(MODULES)) + "|",
    ]
    for case in dict.fromkeys(result["case"] for result in results):
        mine = [result for result in results if result["case"] == case]
        computes = mine[0]["flops"] / machine["peak_gflops"] > mine[0]["bytes"] / mine[0]["copy_gbs"]
        cells = [name_of(case), "arithmetic" if computes else "memory"]
        for module in MODULES:
            best = min((result for result in mine if result["module"] == module), key=lambda result: result["us"], default=None)
            if best is None:
                cells += ["", "", "", ""]
                continue
            rate = f"{best['flops'] / best['us'] / 1e3:.0f} GFLOP/s" if computes else f"{best['bytes'] / best['us'] / 1e3:.0f} GB/s"
            cells += [best["tactic"], f"{best['us']:.3g}", rate, f"{100 * limit_us(best, machine) / best['us']:.0f} %"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
