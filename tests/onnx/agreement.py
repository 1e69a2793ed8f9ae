#!/usr/bin/env python3
"""Do the answers stay the same whatever the optimiser does? For every model of a folder and each of its data sets, as one table.

    agreement.py --tenon BIN --models FOLDER [--threads N] [--filter TEXT] [--output FILE.json]

FOLDER holds model folders as the ONNX backend tests have them: model.onnx, test_data_set_<k>. Each model is computed in three ways:

    off      --level 0 --backend reference: node by node with plain loops, nothing fused, nothing timed
    level 0  every kernel may be taken, without timing
    level 3  the default: timed, fused, converted to the fastest layouts

All three are compared with the stored outputs, and level 3 with off. Tolerances are those of `tenon run --check`: f32 |a - e| <= 1e-5 + 1e-3 |e| for every
element, f16 1e-2 of both, networks that quantize as a whole (docs/quantization.md says why). The numbers are ||a - e|| / ||e||, the largest of all
outputs; beside an output of zeros the largest |a|.
--output writes the results, and FILE.md beside them. The exit code is 1 where anything disagrees, 77 where there is no such folder.
"""
import argparse
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from onnx import numpy_helper
except ImportError as missing:
    print(f"SKIPPED: the Python package {missing.name} is missing; ./dev installs it into .venv")
    sys.exit(77)

WAYS = {"off": ["--level", "0", "--backend", "reference"], "level 0": ["--level", "0"], "level 3": ["--level", "3"]}
COLUMNS = [*WAYS, "level 3 beside off"]
BAD_INPUT = 3


def reason_of(text):
    """Of a refusal, in a line: the ops that are missing, else the first problem."""
    ops = sorted(set(re.findall(r"the standard op (\w+)", text)))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"no {', '.join(ops)}" if ops else (lines[1] if len(lines) > 1 else lines[0] if lines else "no reason given")[:240]


def check(tenon, plan, data, *words):
    """What `tenon run --check` finds: whether all agree, the largest distance, and what is wrong."""
    done = subprocess.run([tenon, "run", str(plan), "--check", str(data), "--json", "--quiet", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        sets = json.loads(done.stdout)["data_sets"]
    except (ValueError, KeyError):
        return {"agrees": False, "wrong": (done.stderr or done.stdout).strip()[:400]}
    outputs = [output for each in sets for output in each["outputs"]]
    files = {each["name"]: [output.get("file") for output in each["outputs"]] for each in sets}
    wrong = "; ".join([f"{each['name']}: {each['reason']}" for each in sets if "reason" in each] +
                      [f"{output['name']}: {output.get('reason', '')}" for output in outputs if not output["ok"]])
    # Beside an output of zeros there is no relative distance.
    distances = [output["distance"] if not isinstance(output["distance"], str) else float(output["max_abs"]) for output in outputs]
    return {"agrees": done.returncode == 0, "distance": max(distances, default=0.0), "data_sets": len(sets), "files": files, **({"wrong": wrong[:400]} if wrong else {})}


def keep_as_reference(model, answers, folder):
    """The model's data sets with these answers (files by name of data set) in place of the stored ones."""
    for name, files in answers.items():
        kept = folder / name
        kept.mkdir(parents=True)
        for file in (*(model / name).glob("input_*.pb"), *(model / name).glob("inputs.json")):
            shutil.copy(file, kept)
        for index, file in enumerate(files):
            (kept / f"output_{index}.pb").write_bytes(numpy_helper.from_array(np.load(file)).SerializeToString())


def examine(tenon, model, threads, work):
    result = {"model": model.name}
    for way, words in WAYS.items():
        plan = work / f"{way}.plan"
        done = subprocess.run([tenon, "build", str(model / "model.onnx"), "-o", str(plan), "--data", str(model), "--threads", str(threads), "--quiet", *words],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode == BAD_INPUT:
            return {"model": model.name, "refused": reason_of(done.stderr)}
        if done.returncode != 0:
            result[way] = {"agrees": False, "wrong": done.stderr.strip()[:400]}
            continue
        result[way] = check(tenon, plan, model, *(["--output-dir", work / "answers"] if way == "off" else []))
    answers = result["off"].get("files")
    if answers and (work / "level 3.plan").exists():
        keep_as_reference(model, answers, work / "reference")
        result["level 3 beside off"] = check(tenon, work / "level 3.plan", work / "reference")
    for found in result.values():
        if isinstance(found, dict):
            found.pop("files", None)
    return result


def cell(found):
    return "" if found is None else f"{found['distance']:.1e}" if found["agrees"] else f"**{found.get('wrong') or 'differs'}**"


def markdown(document):
    results = document["results"]
    taken = [result for result in results if "refused" not in result]
    agreeing = sum(all(result[column]["agrees"] for column in COLUMNS if column in result) for result in taken)
    lines = [f"`{document['command']}`", "",
             f"{len(results)} models: {len(taken)} imported, {len(results) - len(taken)} refused; of the imported ones {agreeing} agree in every way.", "",
             "| model | data sets | " + " | ".join(f"{way} beside the stored" for way in WAYS) + " | level 3 beside off |", "|---" * (len(COLUMNS) + 2) + "|"]
    for result in results:
        cells = [f"refused: {result['refused']}", *[""] * len(WAYS)] if "refused" in result else [cell(result.get(column)) for column in COLUMNS]
        sets = result.get("off", {}).get("data_sets", "")
        lines.append(f"| {result['model']} | {sets} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenon", required=True)
    parser.add_argument("--models", required=True, type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--filter", default="")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    folders = [folder for folder in sorted(arguments.models.iterdir()) if (folder / "model.onnx").exists()] if arguments.models.is_dir() else []
    if not folders:
        print(f"SKIPPED: there is no folder of models at '{arguments.models}'")
        return 77
    results = []
    for folder in folders:
        if arguments.filter not in folder.name:
            continue
        with tempfile.TemporaryDirectory(prefix="tenon-agreement-") as work:
            results.append(examine(arguments.tenon, folder, arguments.threads, pathlib.Path(work)))
            print(f"{folder.name}: " + json.dumps(results[-1]), file=sys.stderr, flush=True)
    document = {"command": shlex.join(["tests/onnx/agreement.py", *sys.argv[1:]]), "results": results}
    print(markdown(document), end="")
    if arguments.output:
        arguments.output.write_text(json.dumps(document, indent=1) + "\n")
        arguments.output.with_suffix(".md").write_text(markdown(document))
    wrong = any(not result[column]["agrees"] for result in results for column in COLUMNS if column in result)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
