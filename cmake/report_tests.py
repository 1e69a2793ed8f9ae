#!/usr/bin/env python3
"""Reads ctest's JUnit report: lists what was skipped and why, and what failed; the last line is the count.

    report_tests.py REPORT.xml        exit code 1 when a test failed or none ran
"""
import collections
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree


def skip_reason(test: ElementTree.Element) -> str:
    """What the test itself said: the text after GoogleTest's "Skipped", or a line "SKIPPED: reason"."""
    output = test.findtext("system-out") or ""
    match = re.search(r"^SKIPPED: (.+)$", output, re.MULTILINE)
    match = match or re.search(r": Skipped\n(.+)", output)
    if match:
        return match.group(1).strip()
    return "disabled" if test.get("status") == "disabled" else "no reason given"


def main() -> int:
    report = pathlib.Path(sys.argv[1])
    if not report.exists():
        print("no test report: ctest did not run\n0 passed, 0 failed, 0 skipped")
        return 1
    # Kept in the order of the report; many cases skip for one reason.
    skipped: dict[str, list[str]] = collections.OrderedDict()
    failed = []
    passed = 0
    for test in ElementTree.parse(report).getroot().iter("testcase"):
        name = test.get("name", "?")
        if test.get("status") == "run":
            passed += 1
        elif test.find("failure") is not None or test.get("status") == "fail":
            failed.append(name)
        elif test.find("skipped") is not None or test.get("status") in ("disabled", "notrun"):
            # A test whose program is missing is "notrun" too; that is a broken build, not a skip.
            missing = test.find("skipped") is not None and "Unable to find" in (test.find("skipped").get("message") or "")
            if missing:
                failed.append(f"{name} (its program is missing)")
            else:
                skipped.setdefault(skip_reason(test), []).append(name)
        else:
            failed.append(f"{name} (status {test.get('status')})")
    for reason, names in skipped.items():
        print(f"skipped: {reason}")
        print("".join(f"    {name}\n" for name in names), end="")
    for name in failed:
        print(f"FAILED: {name}")
    skips = sum(len(names) for names in skipped.values())
    print(f"{passed} passed, {len(failed)} failed, {skips} skipped")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
