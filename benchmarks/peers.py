"""The engines that are compared: each builds or loads a model, gives an output, measures rounds of single runs, and how many runs a second it
does when several may be under way at once (`Several`).

Every peer runs in f32 as the models ask for (OpenVINO would take bfloat16 by itself where the processor has it: it may, where Tenon may), with the same
number of threads, and with no thread of it spinning while another is measured.
"""
import ctypes
import dataclasses
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys
import threading
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


@dataclasses.dataclass
class Several:
    """How many runs may be under way at once, and how many threads each of them has."""

    streams: int
    threads: int


class OnnxRuntime(InProcess):
    name = "onnxruntime"

    def __init__(self, model, feed, threads, bf16=False):
        import onnxruntime

        self.model, self.feed, self.several = model, feed, None
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        options.intra_op_num_threads = threads
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.session = onnxruntime.InferenceSession(str(model), options)
        self.binding = self.bind()

    def bind(self):
        """Inputs and outputs of one run after the other, without copies of the arrays in every run."""
        binding = self.session.io_binding()
        for name, value in self.feed.items():
            binding.bind_cpu_input(name, np.ascontiguousarray(value))
        for output in self.session.get_outputs():
            binding.bind_output(output.name)
        return binding

    def runs_per_second(self, several, seconds):
        """Threads that share a session, each with arrays of its own; while a run computes, its thread leaves the interpreter to the others."""
        self.several = self.several or OnnxRuntime(self.model, self.feed, several.threads)
        session, bindings = self.several.session, [self.several.bind() for _ in range(several.streams)]
        counts, spans = [0] * several.streams, [(0.0, 0.0)] * several.streams
        ready = threading.Barrier(several.streams)

        def stream(i):
            session.run_with_iobinding(bindings[i])
            ready.wait()
            begin = now = time.perf_counter()
            while now < begin + seconds or counts[i] < 10:
                session.run_with_iobinding(bindings[i])
                counts[i] += 1
                now = time.perf_counter()
            spans[i] = (begin, now)

        team = [threading.Thread(target=stream, args=(i,)) for i in range(several.streams)]
        for thread in team:
            thread.start()
        for thread in team:
            thread.join()
        return sum(counts) / (max(end for _, end in spans) - min(begin for begin, _ in spans))

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def answer(self):
        self.run()
        return self.binding.copy_outputs_to_cpu()


class OpenVino(InProcess):
    name = "openvino"

    def __init__(self, model, feed, threads, bf16=False):
        import openvino

        self.queue, self.model = None, str(model)
        self.tensors = {name: openvino.Tensor(np.ascontiguousarray(value)) for name, value in feed.items()}
        self.settings = {**({} if bf16 else {"INFERENCE_PRECISION_HINT": "f32"}), "INFERENCE_NUM_THREADS": threads}
        self.request = self.compile({"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}).create_infer_request()
        self.bind(self.request)

    def compile(self, settings):
        import openvino

        return openvino.Core().compile_model(self.model, "CPU", {**self.settings, **settings})

    def bind(self, request):
        for name, tensor in self.tensors.items():
            request.set_tensor(name, tensor)

    def runs_per_second(self, several, seconds):
        """Its own mode for that: asynchronous requests, as many of them and of its streams as it thinks best for its threads."""
        import openvino

        if self.queue is None:
            self.queue = openvino.AsyncInferQueue(self.compile({"PERFORMANCE_HINT": "THROUGHPUT"}))
            for request in self.queue:
                self.bind(request)
        for _ in self.queue:
            self.queue.start_async()
        self.queue.wait_all()
        count, begin = 0, time.perf_counter()
        while time.perf_counter() < begin + seconds or count < 10 * several.streams:
            self.queue.start_async()  # waits for one that is idle
            count += 1
        self.queue.wait_all()
        return count / (time.perf_counter() - begin)

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
        self.binary, self.threads, self.work, self.model = binary, threads, work, model
        self.plan, self.data = work / f"{model.stem}.plan", ["--data", str(data)] if data else []
        self.words, self.plan_of_several = [*self.data, "--level", str(level), *(["--bf16"] if bf16 else [])], None
        self.feed, self.files = feed, {name: work / f"input_{i}.npy" for i, name in enumerate(feed)}
        self.build_s = {}
        for kind in ("cold", "warm"):
            begin = time.monotonic()
            self.build(self.plan, threads)
            self.build_s[kind] = time.monotonic() - begin

    def build(self, plan, threads):
        cache = self.work / f"{self.model.stem}.timing"
        command = [self.binary, "build", str(self.model), "-o", str(plan), "--timing-cache", str(cache), "--threads", str(threads), *self.words]
        done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Refused(done.stderr.strip())

    def answer(self):
        for name, file in self.files.items():
            np.save(file, self.feed[name])
        inputs = [word for name, file in self.files.items() for word in ("--input", f"{name}={file}")]
        text = subprocess.run([self.binary, "run", str(self.plan), *inputs, "--output-dir", str(self.work), "--json"], check=True, stdout=subprocess.PIPE, text=True).stdout
        return [np.load(output["file"]) for output in json.loads(text)["outputs"]]

    def bench(self, *words, plan=None, threads=None):
        command = [self.binary, "bench", str(plan or self.plan), "--threads", str(threads or self.threads), *self.data, "--json", *words]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)

    def runs_per_second(self, several, seconds):
        """Contexts of one plan, which is built for as many threads as each of them has."""
        if self.plan_of_several is None:
            self.plan_of_several = self.work / f"{self.model.stem}.several.plan"
            self.build(self.plan_of_several, several.threads)
        words = ("--streams", str(several.streams), "--duration", str(seconds), "--iterations", "10", "--warm-up", "100")
        return self.bench(*words, plan=self.plan_of_several, threads=several.threads)["throughput"]

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
