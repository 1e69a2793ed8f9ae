#!/usr/bin/env python3
"""tenon bench and trtexec while they measure: Ctrl-C, threads, graphs of plans that have none, medians."""
import json
import os
import re
import signal
import subprocess
import sys
import time

from harness import STOPPED, USAGE, helper, main, model, np, numpy_helper, small_network, tensor


def stopped(t, tool, *words, after=2):
    """Ctrl-C after it has worked for some seconds."""
    process = subprocess.Popen([tool, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=t.environment())
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    done = subprocess.CompletedProcess(words, process.returncode, stdout, stderr)
    t.check(f"exit code of {' '.join(map(str, words))} after Ctrl-C", done.returncode == STOPPED, f"{done.returncode}\n{stdout}{stderr}")
    return done


def test(t):
    plan = t.work / "small.plan"
    t.run(t.tenon, "build", t.save("small.onnx", small_network()), "-o", plan, "--shapes", "batch=1..2..4")

    t.says("Ctrl-C while bench measures", stopped(t, t.tenon, "bench", plan, "--duration", 1000), "latency   min", "p50", "stopping the measurement", "stopped: these are the times so far")
    document = json.loads(stopped(t, t.tenon, "bench", plan, "--duration", 1000, "--streams", 2, "--json").stdout)
    t.check("the document of a measurement that was stopped", document["stopped"] and document["latency_ms"]["p50"] > 0 and document["iterations"] >= 2, document)
    t.says("Ctrl-C while trtexec measures", stopped(t, t.trtexec, f"--loadEngine={plan}", "--duration=1000"), "[I] Latency: min", "median", "[E] stopped", "&&&& FAILED")
    t.says("Ctrl-C while it warms up", stopped(t, t.tenon, "bench", plan, "--warm-up", 1e6), "p50", "(1 run)")

    # Builds that take a while: convolutions, each of its own number of channels
    counts = range(32, 152, 2)
    slow = t.save("slow.onnx", model([helper.make_node("Conv", [f"v{i}", f"w{i}"], [f"v{i + 2}"], name=f"conv{i}", pads=[1, 1, 1, 1]) for i in counts], [tensor("v32", [1, 32, 112, 112])],
                                     [tensor("v152", None)], [numpy_helper.from_array(np.ones((i + 2, i, 3, 3), np.float32), f"w{i}") for i in counts]))
    words = ("build", slow, "-o", t.work / "slow.plan")
    said = stopped(t, t.tenon, *words, after=12).stderr
    t.check("a build says every few seconds what it does", len(re.findall(r"^info: building for \d+ s: [a-z ]+", said, re.MULTILINE)) >= 1, said)
    t.check("a build that was stopped says so once", said.count("stopped") == 1 and said.count("stopping the build") == 1 and said.count("warning:") == 1, said)
    t.check("a quiet build says errors only", stopped(t, t.tenon, *words, "-q", after=6).stderr.splitlines()[1:] == ["info: stopping the build (Ctrl-C again to quit at once)"])

    # The time of each step
    for words in (("--profile",), ("--profile", "--sorted")):
        said = t.run(t.tenon, "bench", plan, *words, "--iterations", 10, "--duration", 0).stdout
        rows = re.findall(r"^ *([\d.]+) +([\d.]+) %  (.*)$", said, re.MULTILINE)
        *steps, (total, share, name) = rows
        t.check(f"the times of steps by {' '.join(words)}", len(steps) >= 2 and name.startswith(f"sum of {len(steps)} steps") and float(share) == 100 and float(total) > 0
                and abs(sum(float(us) for us, _, _ in steps) - float(total)) <= 0.02 * float(total) and abs(sum(float(each) for _, each, _ in steps) - 100) < 0.3, said)
        t.check("columns are under each other", len({re.match(r" *[\d.]+ +[\d.]+ %", line).end() for line in said.splitlines() if " %  " in line}) == 1, said)
        t.check("the slowest step first where asked", len(words) == 1 or [float(us) for us, _, _ in steps] == sorted((float(us) for us, _, _ in steps), reverse=True), said)
        t.check("the sum and a whole run", re.search(r"^a whole run takes [\d.]+ us, [\d.]+ us (more: what lies between the steps(, and waiting for a processor)?$|less: )", said, re.MULTILINE), said)
    t.says("an order of nothing", t.run(t.tenon, "bench", plan, "--sorted", code=USAGE), "--sorted requires --profile")
    document = json.loads(t.run(t.tenon, "bench", plan, "--profile", "--iterations", 1, "--duration", 0, "--json").stdout)
    t.check("the document of a profile", len(document["profile"]) >= 2 and all(set(each) == {"name", "ms"} for each in document["profile"]) and document["plan_stopped"] is False, document)

    # Other work
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * os.cpu_count())]
    for tool, words in ((t.tenon, ("bench", plan, "--duration", 2, "--profile")), (t.trtexec, (f"--loadEngine={plan}", "--duration=2"))):
        said = t.run(tool, *words)
        t.check("that the processors were busy", re.search(r"the processors were busy: in [\d.]+ s threads waited [\d.]+ m?s for one", said.stderr), said)
    said = t.run(t.tenon, "bench", plan, "--duration", 2, "--json")
    brief = [t.run(t.tenon, "bench", plan, "--duration", 0, "--iterations", 1).stderr for _ in range(10)]
    t.check("too short a time says nothing of that", not any("were busy" in each for each in brief), brief)
    for other in others:
        other.kill()
        other.wait()
    t.check("the time that threads waited", json.loads(said.stdout)["waited_s"] > 0.1, said)

    # What a plan's own build was
    trial = t.work / "trial.plan"
    t.run(t.tenon, "build", t.work / "small.onnx", "-o", trial, "--shapes", "batch=1..2..4", "--level", 0)
    t.says("a plan for trials says so", t.run(t.tenon, "bench", trial, "--iterations", 1, "--duration", 0), "warning: plan '", "level 0 timed no kernel")

    t.says("a graph on the CPU", t.run(t.tenon, "bench", plan, "--graph", code=USAGE), "--graph records the runs of a device", "computes on the CPU", "leave --graph out")
    for verb in ("bench", "run", "build"):
        file = t.work / "small.onnx" if verb == "build" else plan
        t.says(f"{verb} with far too many threads", t.run(t.tenon, verb, file, "--threads", 4000, code=USAGE), "--threads 4000: this process may use", "core")
    many = t.run(t.tenon, "bench", plan, "--threads", 48, "--iterations", 1, "--duration", 0)
    t.check("more threads than processors are warned of", (os.cpu_count() >= 48) != ("warning: --threads 48" in many.stderr), many)

    times = t.work / "times.json"
    said = t.run(t.trtexec, f"--loadEngine={plan}", "--iterations=2", "--duration=0", "--warmUp=0", f"--exportTimes={times}").stdout
    pair = [each["latencyMs"] for each in json.loads(times.read_text())]
    median = float(re.search(r"Latency: .*median = ([-+.e0-9]+) ms", said).group(1))
    t.check("the median of two is between them", len(pair) == 2 and abs(median - sum(pair) / 2) <= 1e-4 * median, (pair, median))


main(test)
