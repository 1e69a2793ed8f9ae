#!/usr/bin/env bash
# lint.sh format|clang_tidy SOURCE_DIR BUILD_DIR: the checks of ./dev lint as tests.
set -euo pipefail
cd "$2"

skip() {
    echo "SKIPPED: $1"
    exit 77
}

case "$1" in
format)
    command -v clang-format-14 > /dev/null || skip "clang-format-14 is not installed; ./dev setup installs it"
    git ls-files '*.h' '*.hpp' '*.c' '*.cpp' > /dev/null 2>&1 || skip "not a git checkout"
    git ls-files '*.h' '*.hpp' '*.c' '*.cpp' | xargs clang-format-14 --dry-run -Werror
    ;;
clang_tidy)
    # All files take about twenty minutes of two cores: a test run gives it what it is told to, newest changes first.
    command -v clang-tidy-14 > /dev/null || skip "clang-tidy-14 is not installed; ./dev setup installs it"
    [[ "${TENON_LINT_MINUTES:-0}" != 0 ]] || skip "no time given in TENON_LINT_MINUTES; ./dev lint checks everything"
    python3 cmake/run_clang_tidy.py "$3" --minutes "$TENON_LINT_MINUTES"
    ;;
esac
