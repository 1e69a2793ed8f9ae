#!/usr/bin/env python3
"""Files of another kind than is wanted: what they are, and who takes them."""
import gzip
import pathlib

from harness import BAD_INPUT, USAGE, main, np, numpy_helper, small_network


def test(t):
    onnx_file, plan = t.save("small.onnx", small_network()), t.work / "small.plan"
    cache, database = t.work / "times.json", t.work / "here.tuning"
    t.run(t.tenon, "build", onnx_file, "-o", plan, "--shapes", "batch=1..2..4", "--timing-cache", cache, "--tuning-db", database)
    np.save(t.work / "x.npy", np.zeros((1, 3, 16, 16), np.float32))
    (t.work / "packed.gz").write_bytes(gzip.compress(b"anything"))
    (t.work / "hello.txt").write_text("hello\n")
    (t.work / "nothing").write_bytes(b"")
    (t.work / "noise").write_bytes(bytes(range(256)))
    (t.work / "graph.tir").write_text(t.run(t.tenon, "opt", onnx_file).stdout)
    (t.work / "model.onnx").write_bytes(onnx_file.read_bytes())
    kinds = {"small.plan": "a plan", "small.onnx": "an ONNX model", "times.json": "a timing cache, ", "here.tuning": "a tuning database, ", "x.npy": "a NumPy array, ", "packed.gz": "compressed (gzip), ",
             "hello.txt": "a text file, ", "nothing": "empty, ", "graph.tir": "IR text, ", "": "a directory, "}
    model_verbs = {"build": (t.tenon, "build", "FILE", "-o", t.work / "p"), "trtexec --onnx": (t.trtexec, "--onnx=FILE")}
    plan_verbs = {"explain": (t.tenon, "explain", "FILE", "conv1"), "trtexec --loadEngine": (t.trtexec, "--loadEngine=FILE"),
                  "--replay": (t.tenon, "build", onnx_file, "-o", t.work / "p", "--replay", "FILE")}
    both_verbs = {verb: (t.tenon, verb, "FILE") for verb in ("run", "bench", "inspect")}
    for wanted, verbs, taken in (("an ONNX model", model_verbs, ("small.onnx",)), ("a plan", plan_verbs, ("small.plan",)), ("an ONNX model or a plan", both_verbs, ("small.onnx", "small.plan")),
                                 ("an ONNX model or IR text", {"opt": (t.tenon, "opt", "FILE")}, ("small.onnx", "graph.tir"))):
        for verb, words in verbs.items():
            for name, kind in kinds.items():
                if name not in taken:
                    path = t.work / name
                    done = t.run(*(str(word).replace("FILE", str(path)) for word in words), code=BAD_INPUT)
                    t.says(f"{name or 'a directory'} for {verb}", done, f"'{path}' is {kind}", f" and {wanted} is wanted here")
            done = t.run(*(str(word).replace("FILE", str(t.work / "none")) for word in words), code=BAD_INPUT)
            t.says(f"no file for {verb}", done, f"cannot open '{t.work / 'none'}': No such file or directory")
    for path in (plan, database, t.work / "hello.txt"):
        before = path.read_bytes()
        wrong = t.run(t.tenon, "build", onnx_file, "-o", t.work / "p", "--shapes", "batch=1..2..4", "--timing-cache", path, code=USAGE)
        t.check(f"{path.name} as timing cache is refused in a line", wrong.stderr == f"error: --timing-cache: '{path}' is some other file, and stays as it is; name a new one\n", wrong.stderr)
        t.check(f"and {path.name} stays", path.read_bytes() == before)

    (t.work / "cut.plan").write_bytes(plan.read_bytes()[:2000])
    for tool, words in ((t.tenon, ("run", t.work / "cut.plan")), (t.tenon, ("explain", t.work / "cut.plan")), (t.trtexec, (f"--loadEngine={t.work / 'cut.plan'}",))):
        said = t.run(tool, *words, code=BAD_INPUT).stderr
        t.check(f"a plan that is cut off is named once by {words[0]}", f"(while loading '{t.work / 'cut.plan'}')" in said and said.count("while loading") == 1, said)

    # Times that were cut off or changed: whoever reads them can still make new ones, which nobody may do with a database.
    build = (t.tenon, "build", onnx_file, "-o", t.work / "p", "--shapes", "batch=1..2..4")
    t.run(*build, "--timing-cache", cache)
    for name, damage in (("cut off", lambda times: times[:1000]), ("damaged", lambda times: times[:900] + b"\0" + times[901:])):
        (t.work / "bad.json").write_bytes(damage(cache.read_bytes()))
        said = t.run(*build, "--timing-cache", t.work / "bad.json").stderr
        t.check(f"a timing cache that is {name}", f"warning: --timing-cache: '{t.work / 'bad.json'}' cannot be used and is made anew: timing cache is {name}" in said, said)
        t.check(f"a timing cache that was {name} is whole again", "cannot be used" not in t.run(*build, "--timing-cache", t.work / "bad.json").stderr)
        (t.work / "bad.tuning").write_bytes(damage(database.read_bytes()))
        said = t.run(*build, "--tuning-db", t.work / "bad.tuning", code=BAD_INPUT).stderr
        t.check(f"a tuning database that is {name}", f"--tuning-db: '{t.work / 'bad.tuning'}' stays as it is: " in said and f"the tuning database is {name}" in said and "a whole copy" in said, said)
        t.check(f"a tuning database that is {name} stays", (t.work / "bad.tuning").read_bytes() == damage(database.read_bytes()))

    # What somebody else wrote, or a newer Tenon, stays.
    newer = cache.read_bytes().replace(b'"tenon_timing_cache": 1', b'"tenon_timing_cache": 2')
    for name, text, code, wanted in (("targets.json", b'{"targets": ["host"], "name": "mine"}\n', USAGE, "is some other file, and stays as it is; name a new one"),
                                     ("broken.json", b'{"targets": ["host"], "name": "mine', USAGE, "is some other file, and stays as it is; name a new one"),
                                     ("newer.json", newer, BAD_INPUT, "cannot be used and stays as it is; name a new one: timing cache has format 2, this version reads 1")):
        (t.work / name).write_bytes(text)
        t.says(f"{name} as timing cache", t.run(*build, "--level", 0, "--timing-cache", t.work / name, code=code), wanted)
        t.check(f"{name} stays", (t.work / name).read_bytes() == text)
    for name, text in (("format.tuning", '{"tenon_tuning_database": "x", "times": {}}'), ("null.tuning", '{"tenon_tuning_database": null, "times": {}}'),
                       ("deep.tuning", f'{{"tenon_tuning_database": 1, "times": {"[" * 200000}{"]" * 200000}}}')):
        (t.work / name).write_text(text)
        said = t.run(*build, "--level", 0, "--tuning-db", t.work / name, code=BAD_INPUT).stderr
        t.check(f"{name} is refused in a line", said.count("\n") == 1 and f"--tuning-db: '{t.work / name}' stays as it is: " in said and "internal" not in said.lower(), said)
    for name in ("both", "newer.json"):
        said = t.run(*build, "--timing-cache", t.work / name, "--tuning-db", t.work / "." / name, code=USAGE).stderr
        t.check(f"one file for both, {name}", said.startswith("error: --timing-cache and --tuning-db are both '") and said.count("\n") == 1, said)

    t.says("who takes plans", t.run(t.tenon, "build", plan, code=BAD_INPUT), "tenon run, bench, inspect and explain take plans")
    t.says("who takes models", t.run(t.tenon, "explain", onnx_file, "conv1", code=BAD_INPUT), "tenon build makes a plan of it")
    t.says("the model in a directory", t.run(t.tenon, "run", t.work, code=BAD_INPUT), f"there is '{t.work / 'model.onnx'}' in it")
    t.says("neither of all", t.run(t.tenon, "explain", t.work / "noise", "conv1", code=BAD_INPUT), "is not a plan: it is damaged, or of another kind")

    # Pipes, whose names say nothing of what they bring, and which bring it once
    array, proto = t.work / "x.npy", t.work / "x.pb"
    proto.write_bytes(numpy_helper.from_array(np.load(array), "x").SerializeToString())
    whole = t.run(t.tenon, "run", plan, "--input", f"x={array}").stdout
    for what, words in {"an array": f"run {plan} --input x=<(cat {array})", "a tensor of ONNX": f"run {plan} --input x=<(cat {proto})", "a plan": f"run <(cat {plan}) --input x={array}",
                        "both": f"run /dev/stdin --input x=<(cat {array}) < <(cat {plan})"}.items():
        t.check(f"{what} from a pipe", t.run("bash", "-c", f"{t.tenon} {words}").stdout == whole)
    for verb in ("run", "bench --duration 0", "inspect", "opt"):
        t.run("bash", "-c", f"cat {onnx_file} | {t.tenon} {verb} /dev/stdin")
    t.run("bash", "-c", f"cat {plan} | {t.tenon} bench --duration 0 /dev/stdin")
    for words in (f"run {plan} --input x=/dev/stdin", "run /dev/stdin"):
        t.says("an empty pipe", t.run("bash", "-c", f"true | {t.tenon} {words}", code=BAD_INPUT), "'/dev/stdin'", "is a pipe, and nothing came from it")

    t.says("IR text", t.run(t.tenon, "opt", t.work / "graph.tir", code=BAD_INPUT if "@hash" in pathlib.Path(t.work / "graph.tir").read_text() else 0), "graph")


main(test)
