#!/usr/bin/env python3
"""What the tools say of themselves: help with defaults in lines of a screen's width, JSON where it is asked for, marks before the lines of the log."""
import json
import pathlib
import re

from harness import BAD_INPUT, USAGE, main, np, numpy_helper, quantized_network, small_network

ROOT = pathlib.Path(__file__).resolve().parents[2]

VERBS = ("build", "run", "bench", "inspect", "explain", "modules", "opt", "ops")


def default_of(text, option):
    """Of an option in a help text: what stands between its name and the next option's."""
    entry = re.search(rf"^  (?:-\w,)?{option}\b.*?(?=^  -|^$)", text, re.MULTILINE | re.DOTALL)
    found = entry and re.search(r"\[default:\s+([^\]]*)\]", entry.group(0))
    return found and " ".join(found.group(1).split())


def test(t):
    onnx_file, plan = t.save("small.onnx", small_network()), t.work / "small.plan"
    shapes = ("--shapes", "batch=1..2..4")
    built = t.run(t.tenon, "build", onnx_file, "-o", plan, *shapes, "--tuning-db", t.work / "here.tuning")

    # Help
    helps = {"tenon": t.run(t.tenon, "--help").stdout, "trtexec": t.run(t.trtexec, "--help").stdout.split("\n", 1)[1], **{verb: t.run(t.tenon, verb, "--help").stdout for verb in VERBS}}
    for name, text in helps.items():
        t.check(f"the help of {name} has lines of a screen", all(len(line) <= 110 for line in text.splitlines()), max(text.splitlines(), key=len))
        t.check(f"the help of {name} has the exit codes", "Exit codes: 0 ok; " in text and "\n\n\n" not in text, text)
    for name, defaults in {"bench": {"--iterations": "10", "--duration": "3", "--warm-up": "200", "--streams": "1", "--level": "3", "--threads": "0"}, "build": {"--level": "3", "--output": "beside the model, its name with .plan"},
                           "run": {"--input": "random, floats from -1 to 1, bytes and bools 0 or 1, i32 and i64 zeros, and the plan's best values where they are shapes", "--level": "3"}, "opt": {"--pass": "the standard pipeline"},
                           "trtexec": {"--builderOptimizationLevel": "3", "--avgTiming": "1", "--maxTactics": "-1", "--iterations": "10", "--duration": "3", "--warmUp": "200", "--idleTime": "0",
                                       "--percentile": "90,95,99", "--device": "0"}}.items():
        for option, value in defaults.items():
            t.check(f"{name} {option} says its default", default_of(helps[name], option) == value, (default_of(helps[name], option), helps[name]))

    # Numbers that are none
    for tool, words, wanted in ((t.tenon, ("bench", plan, "--threads", "-1"), "--threads: '-1' is not a whole number of 0 or more"),
                                (t.tenon, ("bench", plan, "--duration=-1"), "--duration: '-1' is not a number from 0 to 1000000"),
                                (t.tenon, ("bench", plan, "--iterations", "0"), "--iterations: '0' is not a whole number from 1 to 1099511627776"),
                                (t.tenon, ("build", onnx_file, "--level", "6"), "--level: '6' is not a whole number from 0 to 5"),
                                (t.trtexec, (f"--loadEngine={plan}", "--duration=-1"), "--duration: '-1' is not a number from 0 to 1000000"),
                                (t.trtexec, (f"--loadEngine={plan}", "--percentile=101"), "--percentile: '101' is not a number from 0 to 100")):
        t.says(f"the range of {words[-1]}", t.run(tool, *words, code=USAGE), wanted)

    # JSON
    np.save(t.work / "x.npy", np.zeros((1, 3, 16, 16), np.float32))
    quick = ("--iterations", 1, "--duration", 0, "--warm-up", 0)
    documents = {words: json.loads(t.run(t.tenon, *words, "--json").stdout) for words in (
        ("opt", "--pass=list"), ("opt", onnx_file), ("opt", onnx_file, "--regions"), ("inspect", onnx_file), ("inspect", onnx_file, "--graph"), ("inspect", plan), ("inspect", plan, "--graph"),
        ("explain", plan, "conv1"), ("run", plan, "--input", f"x={t.work / 'x.npy'}"), ("bench", plan, *quick), ("bench", plan, "--profile", *quick), ("modules",), ("ops",),
        ("build", onnx_file, "-o", t.work / "p", *shapes))}
    graph = documents[("inspect", plan, "--graph")]["graph"]
    t.check("the document of a plan's graph", graph == t.run(t.tenon, "inspect", plan, "--graph").stdout and graph.startswith("graph "), graph)
    t.check("the document of a model's graph", documents[("inspect", onnx_file, "--graph")]["graph"].startswith("graph "), documents)
    t.check("the document of passes", {"name", "doc"} == set(documents[("opt", "--pass=list")]["passes"][0]), documents[("opt", "--pass=list")])
    rows = {row: set(re.findall(r"`(\w+)`", keys)) for row, keys in re.findall(r"^\| (.*?) \| (.*) \|$", (ROOT / "docs" / "json.md").read_text(), re.MULTILINE)}
    rows["`bench --profile`"] |= rows["`bench`"]
    check_set = t.work / "check" / "test_data_set_0"
    check_set.mkdir(parents=True)
    (check_set / "input_0.pb").write_bytes(numpy_helper.from_array(np.zeros((1, 3, 16, 16), np.float32), "x").SerializeToString())
    (check_set / "output_0.pb").write_bytes(numpy_helper.from_array(np.zeros((1, 8), np.float32), "y").SerializeToString())
    as_listed = {"any that failed": json.loads(t.run(t.tenon, "run", t.work / "none", "--json", code=BAD_INPUT).stdout), "`run --check`": json.loads(t.run(t.tenon, "run", plan, "--check", check_set, "--json").stdout),
                 **{f"`{row}`": documents[words] for row, words in {"build": ("build", onnx_file, "-o", t.work / "p", *shapes), "run": ("run", plan, "--input", f"x={t.work / 'x.npy'}"), "bench": ("bench", plan, *quick),
                    "bench --profile": ("bench", plan, "--profile", *quick), "inspect` of a model": ("inspect", onnx_file), "inspect` of a plan": ("inspect", plan), "inspect --graph": ("inspect", plan, "--graph"),
                    "modules": ("modules",), "ops": ("ops",), "opt": ("opt", onnx_file), "opt --pass=list": ("opt", "--pass=list"), "opt --regions": ("opt", onnx_file, "--regions")}.items()}}
    as_listed = {row.removesuffix("`") if "` of" in row else row: document for row, document in as_listed.items()}
    t.check("the documents that docs/json.md lists", set(rows) - {"command", "---"} == set(as_listed), (sorted(rows), sorted(as_listed)))
    for row, document in as_listed.items():
        t.check(f"the keys of the document of {row}", rows.get(row) == set(document), (rows.get(row), set(document)))

    # The log
    for tool, mark, words in ((t.tenon, r"(?:error|warning|info|verbose): ", (("run", plan), ("bench", plan, "--threads", 48, *quick), ("build", onnx_file, "-o", t.work / "p", "-vv"))),
                              (t.trtexec, r"\[[VIWEF]\] |&&&& ", ((f"--onnx={onnx_file}", "--optShapes=batch:2", "--verbose", "--skipInference"),))):
        for each in words:
            done = t.run(tool, *each)
            unmarked = [line for line in done.stderr.splitlines() if line and not re.match(mark, line)]
            t.check(f"every line of the log of {each[0]} has a mark", not unmarked, unmarked)
    for words, code in (((f"--onnx={t.work / 'none'}",), BAD_INPUT), ((f"--loadEngine={plan}", "--percentile=101"), USAGE), ((f"--loadEngine={plan}", "--useDLACore=0"), USAGE)):
        done = t.run(t.trtexec, *words, code=code)
        t.check(f"refusals of {words[-1]} have marks", all(re.match(r"\[E\] ", line) for line in done.stderr.splitlines() if line) and done.stderr, done.stderr)
    damaged = t.work / "damaged.onnx"
    damaged.write_bytes(onnx_file.read_bytes()[:100])
    done = t.run(t.trtexec, f"--onnx={damaged}", code=BAD_INPUT)
    t.check("each line of a long refusal has its mark", len(done.stderr.splitlines()) > 1 and all(line.startswith("[E] ") for line in done.stderr.splitlines()), done.stderr)
    many = t.run(t.tenon, "bench", plan, "--threads", 48, *quick)
    t.check("a warning is said once", many.stderr.count("--threads 48") <= 1, many.stderr)
    t.check("nobody warns who was told to be quiet", not t.run(t.tenon, "bench", plan, "--threads", 48, *quick, "-q").stderr, many.stderr)
    t.says("what a plan by a tuning database is for", built, ", for this machine's CPU, built in ")
    plain = t.run(t.tenon, "build", t.save("quantized.onnx", quantized_network()), "-o", t.work / "p").stdout
    t.check("without one nobody asks", re.search(r": [\d.]+ KiB, \d steps, built in ", plain), plain)


main(test)
