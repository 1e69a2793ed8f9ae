#!/usr/bin/env python3
"""Tests of cmake/check_includes.py, report_tests.py and rename_onnx_proto.py.    scripts_test.py CMAKE_FOLDER"""
import contextlib
import io
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv.pop(1))
import check_includes  # noqa: E402
import rename_onnx_proto  # noqa: E402
import report_tests  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "benchmarks"))
import report  # noqa: E402

LAYERS = {
    "core/support": {"core/support"},
    "core/ir": {"core/ir", "core/support"},
    "registry": {"registry", "core/ir", "core/support"},
    "core/api": {"core/api", "registry", "core/ir", "core/support"},
}


def run_main(module, *arguments: object) -> tuple[int, str]:
    """Exit code and standard output of a script."""
    output = io.StringIO()
    with mock.patch.object(sys, "argv", ["script", *map(str, arguments)]), contextlib.redirect_stdout(output), \
            contextlib.redirect_stderr(output):
        code = module.main()
    return code, output.getvalue()


class CheckIncludes(unittest.TestCase):
    def allowed(self, path: str, include: str) -> bool:
        return check_includes.problem(path, include, LAYERS) is None

    def test_core_folders_follow_the_table(self) -> None:
        self.assertTrue(self.allowed("core/ir/graph.cpp", "core/support/status.h"))
        self.assertTrue(self.allowed("core/ir/graph.cpp", "vector"))
        self.assertFalse(self.allowed("core/support/status.cpp", "core/ir/graph.h"))
        self.assertFalse(self.allowed("core/ir/graph.cpp", "registry/module_registry.h"))
        self.assertFalse(self.allowed("registry/loader.cpp", "backends/cpu/gemm.h"))

    def test_only_the_api_sees_public_headers(self) -> None:
        self.assertTrue(self.allowed("core/api/builder.cpp", "tenon/builder.h"))
        self.assertTrue(self.allowed("core/ir/data_type.h", "tenon/module/abi.h"))
        self.assertFalse(self.allowed("core/ir/data_type.h", "tenon/types.h"))

    def test_modules_see_the_sdk_only(self) -> None:
        self.assertTrue(self.allowed("backends/cpu/gemm.cpp", "tenon/module/module.hpp"))
        self.assertTrue(self.allowed("backends/cpu/gemm.cpp", "backends/cpu/gemm.h"))
        self.assertTrue(self.allowed("backends/cpu/gemm.cpp", "backends/common/parallel.h"))
        self.assertFalse(self.allowed("backends/onednn/chain.cpp", "backends/reference/ops.h"))
        # cpu compiles the loops of the oracle into itself.
        self.assertTrue(self.allowed("backends/cpu/module.cpp", "backends/reference/ops.h"))
        self.assertFalse(self.allowed("backends/cpu/gemm.cpp", "core/support/status.h"))
        self.assertFalse(self.allowed("parsers/onnx/module.cpp", "registry/host_api.h"))

    def test_public_headers_include_no_internal_one(self) -> None:
        self.assertTrue(self.allowed("include/tenon/builder.h", "tenon/types.h"))
        self.assertFalse(self.allowed("include/tenon/builder.h", "core/ir/graph.h"))

    def test_the_table_itself_must_point_upwards(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            table = pathlib.Path(folder, "cmake/layers.txt")
            table.parent.mkdir()
            table.write_text("# comment\ncore/support | runtime | core/ir\ncore/ir | runtime |\n", encoding="utf-8")
            with self.assertRaisesRegex(SystemExit, "core/support may not include core/ir"):
                check_includes.read_layers(pathlib.Path(folder))

    def test_names_file_line_and_reason(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, text in {"cmake/layers.txt": "core/support | runtime |\ncore/ir | runtime | core/support\n",
                               "core/support/a.h": '#pragma once\n#include "core/ir/b.h"\n'}.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text, encoding="utf-8")
            code, output = run_main(check_includes, root)
            self.assertEqual(code, 1)
            self.assertIn("core/support/a.h:2: core/ir/b.h: core/support may not include core/ir", output)


class BenchmarkReportTests(unittest.TestCase):
    @staticmethod
    def of_rounds(**rounds: list[float]) -> dict[str, object]:
        return {"latency_ms": {engine: {"p50": {"median": sorted(times)[len(times) // 2], "rounds": times}} for engine, times in rounds.items()}}

    def test_a_ratio_is_of_rounds_that_shared_a_moment(self) -> None:
        result = self.of_rounds(tenon=[10, 30, 31], peer=[12, 36, 15])  # the machine was three times as slow, for a while
        self.assertAlmostEqual(report.ratio(result, "peer"), 1.2)
        self.assertEqual(report.ratio(result, "tenon"), 1)
        self.assertIsNone(report.ratio(result, "other"))

    def test_documents_without_rounds_are_read(self) -> None:
        times = {engine: {"p50": {"median": median}} for engine, median in (("tenon", 2), ("peer", 3))}
        self.assertEqual(report.ratio({"latency_ms": times}, "peer"), 1.5)


class ReportTests(unittest.TestCase):
    def report(self, cases: str) -> tuple[int, list[str]]:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "report.xml")
            path.write_text(f"<testsuite>{cases}</testsuite>", encoding="utf-8")
            code, output = run_main(report_tests, path)
            return code, output.splitlines()

    def test_counts_and_reasons(self) -> None:
        code, lines = self.report(
            '<testcase name="a" status="run"/>'
            '<testcase name="b" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>'
            '<system-out>x.cpp:3: Skipped\nno GPU here\n</system-out></testcase>'
            '<testcase name="c" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>'
            '<system-out>SKIPPED: no GPU here\n</system-out></testcase>'
            '<testcase name="d" status="disabled"/>')
        self.assertEqual(code, 0)
        self.assertEqual(lines, ["skipped: no GPU here", "    b", "    c", "skipped: disabled", "    d",
                                 "1 passed, 0 failed, 3 skipped"])

    def test_failures_and_missing_programs_fail(self) -> None:
        code, lines = self.report(
            '<testcase name="a" status="run"/><testcase name="b" status="fail"><failure message=""/></testcase>'
            '<testcase name="c" status="notrun"><skipped message="Unable to find executable"/></testcase>')
        self.assertEqual(code, 1)
        self.assertEqual(lines, ["FAILED: b", "FAILED: c (its program is missing)", "1 passed, 2 failed, 0 skipped"])

    def test_no_test_at_all_is_no_success(self) -> None:
        self.assertEqual(self.report(""), (1, ["0 passed, 0 failed, 0 skipped"]))
        code, output = run_main(report_tests, "/nonexistent/report.xml")
        self.assertEqual((code, output.splitlines()[-1]), (1, "0 passed, 0 failed, 0 skipped"))


class RenameOnnxProto(unittest.TestCase):
    def rename(self, text: str) -> tuple[int, str]:
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder, "in.proto")
            target = pathlib.Path(folder, "new/out.proto")
            source.write_text(text, encoding="utf-8")
            code, _ = run_main(rename_onnx_proto, source, target)
            return code, target.read_text(encoding="utf-8") if target.exists() else ""

    def test_renames_the_package_and_asks_for_the_lite_runtime(self) -> None:
        code, text = self.rename('syntax = "proto2";\npackage onnx;\nmessage M {}\n')
        self.assertEqual(code, 0)
        self.assertIn("\npackage tenon_onnx;\n", text)
        self.assertEqual(text.count("option optimize_for = LITE_RUNTIME;"), 1)

    def test_keeps_the_option_that_is_there(self) -> None:
        _, text = self.rename("package onnx;\noption optimize_for = LITE_RUNTIME;\n")
        self.assertEqual(text.count("LITE_RUNTIME"), 1)

    def test_another_package_is_an_error(self) -> None:
        self.assertEqual(self.rename("package other;\n"), (1, ""))


if __name__ == "__main__":
    unittest.main()
