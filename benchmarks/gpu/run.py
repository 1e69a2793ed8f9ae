#!/usr/bin/env python3
"""Everything that a machine with a GPU can say of a package, in one call: conformance, models, sanitizer and speed beside PyTorch.

    run.py --package dist/tenon-0.1.0-linux-x86_64 --output FOLDER [--only speed,models] [--budget speed=400] [--models resnet50:1,bert_base_128:1]
           [--model-folders FOLDER] [--rounds N] [--seconds S] [--no-compile] [--prepared FOLDER]

Nothing of Tenon's needs to be installed; PyTorch, torchvision, onnx and NumPy must be. cuDNN, cuBLASLt and NVRTC are found beside PyTorch. Results
are FOLDER/gpu.json and FOLDER/gpu.md, written again after each part and each model, so that an interrupted run keeps what it has.

Peers in half precision: eager (channels last for images), the same replayed as a CUDA graph, and torch.compile in its mode reduce-overhead. Times are
of a call on inputs that are on the device until the answer is there (host clock around replay and synchronization), medians of rounds that take
turns. The reference of all answers is the module in f32. The floor is what products at full rate, or the traffic between fused kernels, take.
"""
import argparse
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

PARTS = ("conformance", "models", "sanitizer", "speed")
BUDGETS = {"conformance": 400, "models": 400, "sanitizer": 300, "speed": 1500}
MODELS = ("resnet50:1,resnet50:8,resnet50:128,efficientnet_b0:1,efficientnet_b0:128,bert_base_128:1,bert_base_128:128,"
          "bert_large_384:1,bert_large_384:32,vit_b_16:1,vit_b_16:128")


def find_libraries():
    """NVIDIA's libraries lie in folders of a namespace package beside PyTorch."""
    import importlib.util
    spec = importlib.util.find_spec("nvidia")
    folders = [str(folder) for root in (spec.submodule_search_locations if spec else []) for folder in pathlib.Path(root).glob("*/lib")]
    os.environ["LD_LIBRARY_PATH"] = ":".join([*folders, os.environ.get("LD_LIBRARY_PATH", "")]).strip(":")


def markdown(document):
    lines = [f"# On {document['gpu']}", "", f"`{document['command']}`", "", f"{document['versions']}", ""]
    if "conformance" in document:
        lines += ["| libraries | files of cases passed | skipped | failed | s |", "|---|---|---|---|---|"]
        for label, result in document["conformance"].items():
            lines.append(f"| {label} | {result['passed']} | {result['skipped']} | {len(result['failed'])} | {result['seconds']:.0f} |")
        lines.append("")
        for label, result in document["conformance"].items():
            lines += [f"* {label}: {why}" for why in (*result["failed"], *result.get("skipped_why", ()))]
            if "models" in result:
                lines.append(f"* {label}: " + ", ".join(f"{name} {outcome}" for name, outcome in result["models"].items()))
        lines.append("")
    if "models" in document:
        forms = ("f32", "tf32", "f16")
        lines += ["| model | " + " | ".join(f"{form} | max abs" for form in forms) + " | steps, in f32 | in f16 of them, where allowed |", "|---|" + "---|---|" * len(forms) + "---|---|"]
        for name, result in document["models"].items():
            cells = []
            for form in forms:
                one = result.get(form, {})
                largest = one.get("max_abs")
                cells += [one.get("outcome", ""), "" if largest is None else f"{largest:.1e}"]
            steps, half = result.get("f32", {}).get("steps", {}), result.get("f16", {})
            cells += [", ".join(f"{module} {count}" for module, count in steps.items()), f"{half['half']} of {sum(half['steps'].values())}" if "steps" in half else ""]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        lines.append("")
        lines += [f"* {name}, f16 allowed: layers held by " + ", ".join(f"`{each}`" for each in result["f16"]["held"]) for name, result in document["models"].items() if "held" in result.get("f16", {})]
        lines.append("")
    if "sanitizer" in document:
        for check, families in document["sanitizer"].items():
            lines.append(f"* {check}: " + (families if isinstance(families, str) else ", ".join(f"{name} {outcome}" for name, outcome in families.items())))
        lines.append("")
    if "speed" in document:
        lines += ["| model | batch | Tenon ms | items/s | best peer | ms | faster by | of floor | steps | build s | warm s | first answer s | enqueue us | error | PyTorch's |", "|---|" + "---|" * 14]
        for row in document["speed"]:
            if "latency_ms" not in row:
                lines.append(f"| {row['model']} | {row['batch']} | {row['reason'].splitlines()[0][:100]} |" + " |" * 12)
                continue
            ours, peer = row["latency_ms"]["tenon"]["median"], row["latency_ms"][row["best_peer"]]["median"]
            first = (row["load_s"] or 0) + (row["first_run_s"] or 0)
            errors = row["relative_error"]
            theirs = min(value for engine, value in errors.items() if engine != "tenon")
            lines.append(f"| {row['model']} | {row['batch']} | {ours:.3f} | {row['batch'] / ours * 1e3:.0f} | {row['best_peer']} | {peer:.3f} | {row['speedup']:.2f}x | "
                         f"{100 * row['of_floor']:.0f} % | {row['steps']} | {row['build_s']:.0f}{' *' if row.get('built_ahead') else ''} | {row['warm_build_s']:.1f} | {first:.2f} | {row['enqueue_us']:.1f} | "
                         f"{errors['tenon']:.1e} | {theirs:.1e} |")
        if any(row.get("built_ahead") for row in document["speed"]):
            lines += ["", "\\* built while other models were prepared on the same machine"]
        for row in document["speed"]:
            groups = row.get("steps_by_loss", {}).get("groups")
            if groups and (row["speedup"] < 1.5 if row["batch"] == 1 else row["speedup"] < 1.1):
                lines += ["", f"{row['model']}, batch {row['batch']}: {row['speedup']:.2f}x. Its steps one after the other, with what their arithmetic or traffic takes at least:", "",
                          "| step | steps | us | floor us |", "|---|---|---|---|"]
                lines += [f"| {name} | {group['steps']} | {group['us']:.0f} | {group['floor_us']:.0f} |" for name, group in list(groups.items())[:8]]
                lines += [f"| {step['op']} by {step['tactic']} ({step['step'][-40:]}) | 1 | {step['us']:.1f} | {step['floor_us']:.1f} |" for step in row["steps_by_loss"]["steps"][:4]]
        lines.append("")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", required=True, type=pathlib.Path)
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--budget", default="", help="seconds per part: speed=400,models=200")
    parser.add_argument("--models", default=MODELS, help="of the speed table, NAME:BATCH")
    parser.add_argument("--model-folders", type=pathlib.Path, help="models with their data sets, one folder each")
    parser.add_argument("--level", type=int, default=0, help="optimization level of the models; from 1 on every tactic is timed, which takes minutes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.4, help="of one engine's turn in a round")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--prepared", type=pathlib.Path, help="where prepare.py put models")
    arguments = parser.parse_args()
    parts = arguments.only.split(",")
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"there is no part {', '.join(unknown)}; parts are {', '.join(PARTS)}")
    budgets = {**BUDGETS, **{part: float(seconds) for part, seconds in (entry.split("=") for entry in arguments.budget.split(",") if entry)}}
    find_libraries()
    arguments.output.mkdir(parents=True, exist_ok=True)
    package = arguments.package.resolve()
    gpu = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"], stdout=subprocess.PIPE, text=True).stdout.strip()
    version = subprocess.run([package / "bin" / "tenon", "--version"], stdout=subprocess.PIPE, text=True).stdout.strip()
    document = {"command": shlex.join([os.path.basename(sys.argv[0]), *sys.argv[1:]]), "gpu": gpu, "versions": f"Tenon {version}"}

    def keep(part, results):
        document[part] = results
        (arguments.output / "gpu.json").write_text(json.dumps(document, indent=1) + "\n")
        (arguments.output / "gpu.md").write_text(markdown(document) + "\n")

    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        os.environ.setdefault("TENON_CUBIN_CACHE", str((arguments.prepared or work) / "cubin"))
        for part in PARTS:
            if part not in parts:
                continue
            begin = time.monotonic()
            if part == "speed":
                import speed
                import torch
                document["versions"] = f"Tenon {version}, PyTorch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}"
                speed.run(arguments.models.split(","), package, work, arguments, budgets[part], lambda results: keep("speed", results))
            else:
                import checks
                if part == "conformance":
                    keep(part, checks.conformance(package, work, budgets[part], arguments.model_folders))
                elif part == "sanitizer":
                    keep(part, checks.sanitizer(package, budgets[part]))
                elif arguments.model_folders:
                    keep(part, checks.models(package, arguments.model_folders, budgets[part], arguments.level))
                else:
                    print("models: no --model-folders", file=sys.stderr)
            print(f"{part}: {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    print(markdown(document))
    failed = any(result["failed"] for result in document.get("conformance", {}).values())
    failed |= any(one["outcome"] == "failed" for model in document.get("models", {}).values() for one in model.values())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
