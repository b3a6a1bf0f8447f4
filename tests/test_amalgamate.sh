#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The library as two files, wengert.c and wengert.h: what script/amalgamate writes compiles without
# a warning and needs nothing else. test_amalgamate.sh SOURCE_ROOT [TEST...]
#   TEST...  tests/TEST.c is compiled and run with the pair instead of the library, as C and as C++
# CC and CXX name the compilers; JANSSON and NATIVE say whether jansson is there, and whether code can
# be loaded.
set -euo pipefail

root=$1
shift
read -r -a cc <<<"${CC:-cc}" # a compiler may come with a launcher
read -r -a cxx <<<"${CXX:-}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
pair=$scratch/pair
warnings=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wdouble-promotion -Wvla -Werror)
c_warnings=(-Wstrict-prototypes -Wmissing-prototypes)

fail() {
    printf 'test_amalgamate: %s\n' "$*" >&2
    exit 1
}

# Each step is named before it runs, so a failure's last line says what failed.
step() {
    printf '%s\n' "$*"
}

step 'the pair'
CC=${cc[*]} "$root/script/amalgamate" "$pair"
[ "$(find "$pair" -type f -printf '%f\n' | sort | tr '\n' ' ')" = 'wengert.c wengert.h ' ] ||
    fail 'other files'
for words in 'Permission is hereby granted' 'Redistribution and use in source and binary forms'; do
    grep -q "$words" "$pair/wengert.c" || fail "a licence is missing: $words"
done

cat >"$pair/prog.c" <<'END'
#include "wengert.h"

int main(void)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value x = ag_variable(graph, 2), y = ag_variable(graph, 3);
    ag_backward(ag_log(ag_mul(x, y)));
    printf("dz/dx = %g, dz/dy = %g\n", (double)ag_grad(x), (double)ag_grad(y));
    ag_graph_free(graph);
    return 0;
}
END

if [ $# -eq 0 ]; then
    step 'as C11, without warnings'
    "${cc[@]}" -std=c11 "${warnings[@]}" "${c_warnings[@]}" -fsyntax-only "$pair/wengert.c"

    if [ -n "${CXX:-}" ]; then
        step 'as C++17, without warnings'
        "${cxx[@]}" -x c++ -std=c++17 "${warnings[@]}" -fsyntax-only "$pair/wengert.c"
    fi

    step 'a program and the pair, and nothing else'
    (cd "$pair" && "${cc[@]}" prog.c wengert.c -lm -o prog)
    diff <(echo 'dz/dx = 0.5, dz/dy = 0.333333') <("$pair/prog") || fail 'its output differs'
    exit
fi

step 'twice the same bytes'
CC=${cc[*]} "$root/script/amalgamate" "$scratch/again"
for file in wengert.c wengert.h; do
    cmp "$pair/$file" "$scratch/again/$file" || fail 'they differ'
done

libraries=(-lcmocka -lm -lpthread)
defines=()       # the pair's
tests_defines=() # what the tests ask
if [ "${JANSSON:-false}" = true ]; then
    defines+=(-DWENGERT_JANSSON)
    tests_defines+=(-DNNI_JANSSON)
    libraries+=(-ljansson)
fi
if [ "${NATIVE:-false}" = true ]; then
    defines+=(-DWENGERT_NATIVE)
    libraries+=(-ldl)
fi

# Every compiler there is, every width of vectors that it has.
for compiler in gcc clang g++ clang++; do
    command -v "$compiler" >/dev/null || continue
    case $compiler in
    *++) language=(-x c++ -std=c++17) ;;
    *) language=(-x c -std=c11 "${c_warnings[@]}") ;;
    esac
    for set in '' '-mavx2 -mfma' '-mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma' '-fopenmp' \
        '-DAG_REAL_FLOAT'; do
        read -r -a flags <<<"$set"
        echo 'int main(void) { return 0; }' |
            "$compiler" "${flags[@]}" -x c - -o "$scratch/empty" 2>/dev/null || continue
        step "$compiler $set"
        "$compiler" "${language[@]}" "${warnings[@]}" "${flags[@]}" "${defines[@]}" \
            -c "$pair/wengert.c" -o "$scratch/flags.o"
        "$compiler" "${language[@]:0:3}" "${flags[@]}" "$pair/prog.c" -x none "$scratch/flags.o" \
            "${libraries[@]}" -o "$scratch/flags" # not run: this machine may lack what was asked for
    done
done

# memory.c's functions are weak: tests that count what it asks of the heap have their own. What is
# inlined can't be replaced, so functions that are not static aren't.
compile_pair() { # object, compiler...
    local object=$1
    shift
    "$@" -O1 -g -fno-math-errno "${defines[@]}" -c "$pair/wengert.c" -o "$object"
    objcopy --weaken-symbol=agi_memory_resize --weaken-symbol=agi_memory_release \
        --weaken-symbol=agi_memory_grow "$object"
}

# Private headers find the public ones in the tree: what is declared there is in the pair.
includes=(-I"$root/autograd" -I"$root/nn" -I"$root/tests")
failed=()
run_tests() { # object, how it was made, tests...
    local object=$1 made=$2 name
    shift 2
    for name in "$@"; do
        step "$name, $made"
        "${cxx[@]:-${cc[@]}}" "$scratch/$name.o" "$object" "${libraries[@]}" -o "$scratch/test"
        (cd "$root" && CC=${cc[*]} "$scratch/test") >"$scratch/log" 2>&1 || {
            cat "$scratch/log"
            failed+=("$name, $made")
        }
    done
}

for name in "$@"; do
    "${cc[@]}" -std=c11 -O1 "${tests_defines[@]}" "${includes[@]}" -c "$root/tests/$name.c" \
        -o "$scratch/$name.o"
done
compile_pair "$scratch/c.o" "${cc[@]}" -std=c11
run_tests "$scratch/c.o" 'the pair as C' "$@"
if [ -n "${CXX:-}" ]; then
    compile_pair "$scratch/cpp.o" "${cxx[@]}" -x c++ -std=c++17
    run_tests "$scratch/cpp.o" 'the pair as C++' "$@"
fi
[ ${#failed[@]} -eq 0 ] || fail "failed: ${failed[*]}"
