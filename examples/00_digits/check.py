"""A trained classifier from scikit-learn to an answer, by the C++ API and by the tools: check.py PREFIX BUILD"""
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tool import Tool, expect

tool = Tool(*sys.argv[1:3])
folder = tool.build / "digits"


def accuracy(*command):
    text = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, text=True, check=True).stdout
    print(f"$ {' '.join(map(str, command))}\n{text}", end="")
    return float(re.search(r"accuracy ([0-9.]+)", text).group(1))


trained = accuracy(sys.executable, pathlib.Path(__file__).resolve().parent / "digits.py", folder)
expect(trained > 0.95, "the training went wrong")
files = [folder / name for name in ("model.onnx", "images.f32", "labels.i32")]
expect(accuracy(tool.build / "classify", *files) == trained, "the engine should be as accurate as what was trained")

# The same model by the tools: one plan for all batch sizes.
plan = folder / "digits.plan"
tool.run("build", files[0], "-o", plan, "--shapes", "image=1..16..64x1x8x8")
tool.run("bench", plan, "--shapes", "image=64x1x8x8", "--iterations", "50", "--duration", "0")
print("PASSED")
