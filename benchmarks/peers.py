"""The engines that are compared: each builds or loads a model, gives an output, and measures rounds of single runs.

Every peer runs in f32 as the models ask for (OpenVINO would take bfloat16 by itself where the processor has it: it may, where Tenon may), with the same
number of threads, and with no thread of it spinning while another is measured.
"""
import ctypes
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np


def percentiles(times):
    return {"p50": statistics.median(times), "p99": float(np.percentile(times, 99))}


class Refused(Exception):
    """An engine cannot build or run the model; the text says why."""


class InProcess:
    """A peer that is a Python package: `run()` is one inference."""

    def round(self, seconds):
        for _ in range(3):
            self.run()
        times, end = [], time.perf_counter() + seconds
        while time.perf_counter() < end or len(times) < 10:
            begin = time.perf_counter()
            self.run()
            times.append((time.perf_counter() - begin) * 1e3)
        return percentiles(times)


class OnnxRuntime(InProcess):
    name = "onnxruntime"

    def __init__(self, model, feed, threads, bf16=False):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        options.intra_op_num_threads = threads
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.session = onnxruntime.InferenceSession(str(model), options)
        self.binding = self.session.io_binding()  # without copies of the arrays in every run
        for name, value in feed.items():
            self.binding.bind_cpu_input(name, np.ascontiguousarray(value))
        for output in self.session.get_outputs():
            self.binding.bind_output(output.name)

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def answer(self):
        self.run()
        return self.binding.copy_outputs_to_cpu()


class OpenVino(InProcess):
    name = "openvino"

    def __init__(self, model, feed, threads, bf16=False):
        import openvino

        precision = {} if bf16 else {"INFERENCE_PRECISION_HINT": "f32"}
        settings = {**precision, "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
        self.request = openvino.Core().compile_model(str(model), "CPU", settings).create_infer_request()
        for name, value in feed.items():
            self.request.set_tensor(name, openvino.Tensor(value))

    def run(self):
        self.request.infer()

    def answer(self):
        self.run()
        return [np.array(tensor.data) for tensor in self.request.output_tensors]


class Tenon:
    name = "tenon"

    def __init__(self, binary, model, feed, data, work, threads, level, bf16=False):
        """`data` is the model folder whose data sets say the ranges of shapes and what is measured; None: `feed` is the model's one input of fixed shape,
        and random values are measured."""
        self.binary, self.threads, self.work = binary, threads, work
        self.plan, self.data = work / f"{model.stem}.plan", ["--data", str(data)] if data else []
        self.feed, self.files = feed, {name: work / f"input_{i}.npy" for i, name in enumerate(feed)}
        cache = work / f"{model.stem}.timing"
        command = [binary, "build", str(model), "-o", str(self.plan), "--timing-cache", str(cache), "--threads", str(threads), "--level", str(level)]
        command += [*self.data, *(["--bf16"] if bf16 else [])]
        self.build_s = {}
        for kind in ("cold", "warm"):
            begin = time.monotonic()
            done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if done.returncode != 0:
                raise Refused(done.stderr.strip())
            self.build_s[kind] = time.monotonic() - begin

    def answer(self):
        for name, file in self.files.items():
            np.save(file, self.feed[name])
        inputs = [word for name, file in self.files.items() for word in ("--input", f"{name}={file}")]
        text = subprocess.run([self.binary, "run", str(self.plan), *inputs, "--output-dir", str(self.work), "--json"], check=True, stdout=subprocess.PIPE, text=True).stdout
        return [np.load(output["file"]) for output in json.loads(text)["outputs"]]

    def bench(self, *words):
        command = [self.binary, "bench", str(self.plan), "--threads", str(self.threads), *self.data, "--json", *words]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)

    def round(self, seconds):
        latency = self.bench("--duration", str(seconds), "--iterations", "10", "--warm-up", "100")["latency_ms"]
        return {"p50": latency["p50"], "p99": latency["p99"]}

    def cold(self):
        """From the plan's file to the first answer, in a process of its own: memory beyond what the program had before, and that of Tenon's library."""
        done = self.bench("--iterations", "1", "--duration", "0", "--warm-up", "0")
        library = pathlib.Path(self.binary).parent.parent / "lib" / "libtenon.so"
        own = float(subprocess.run([sys.executable, __file__, str(library)], check=True, stdout=subprocess.PIPE, text=True).stdout)
        return {"first_answer_ms": done["load_s"] * 1e3 + done["latency_ms"]["min"], "peak_rss_mib": done["peak_rss_mib"] - done["rss_before_mib"] + own}


class Primitives:
    """ResNet-50 from bare oneDNN primitives (benchmarks/onednn)."""

    name = "onednn_primitives"

    def __init__(self, binary, threads):
        self.binary, self.threads = binary, threads

    def round(self, seconds):
        text = subprocess.run([self.binary, str(seconds)], check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": str(self.threads)}).stdout
        return percentiles([float(line) for line in text.split()])


PEERS = {peer.name: peer for peer in (OnnxRuntime, OpenVino)}


def cold(name, model, feed, threads, bf16, work):
    """What `Tenon.cold` measures, of a peer: without the start of Python and its imports, which are not the engine's, and with the library, which is."""
    np.savez(work / "cold.npz", **{f"input_{i}": value for i, value in enumerate(feed.values())})
    command = [sys.executable, __file__, name, str(model), str(work / "cold.npz"), str(threads), str(int(bf16)), *feed]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


# The library of a package, which opens all or most of what computes. Tenon's opens it in modules, when a plan is loaded.
LIBRARIES = {"onnxruntime": "capi/onnxruntime_pybind11_state*.so", "openvino": "libs/libopenvino.so*"}


def library_of(name):
    return next(pathlib.Path(importlib.util.find_spec(name).origin).parent.glob(LIBRARIES[name]))


def opened_mib(library):
    """What opening a library adds to this process: pages of its code and tables, relocated ones, and what its initialisers allocate."""
    before = memory_mib("VmRSS")
    ctypes.CDLL(str(library))
    return memory_mib("VmRSS") - before


def main(name, model, file, threads, bf16, *inputs):
    library = opened_mib(library_of(name))
    __import__(name)
    arrays = np.load(file)
    feed = {each: arrays[f"input_{i}"] for i, each in enumerate(inputs)}
    # The process before: an interpreter and libraries. What the engine adds is its own, as far as it is above what was used before.
    before, begin = memory_mib("VmRSS"), time.perf_counter()
    PEERS[name](pathlib.Path(model), feed, int(threads), bf16 == "1").run()
    seconds = time.perf_counter() - begin
    print(json.dumps({"first_answer_ms": seconds * 1e3, "peak_rss_mib": memory_mib("VmHWM") - before + library}))


def memory_mib(field):
    # Not getrusage: its peak includes that of the process that started this one.
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(field))


if __name__ == "__main__":
    if len(sys.argv) == 2:
        print(opened_mib(sys.argv[1]))
    else:
        main(*sys.argv[1:])
