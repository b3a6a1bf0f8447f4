#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The library as a user meets it: installed, found by pkg-config and by CMake, used from C11 and
# C++17, shared and static, and as a meson subproject. test_install.sh SOURCE_ROOT BUILD_ROOT, after
# the build; CC and CXX name the compilers, REAL the library's number type.
set -euo pipefail

root=$1
build=$2
read -r -a cc <<<"${CC:-cc}" # a compiler may come with a launcher
read -r -a cxx <<<"${CXX:-}"
real=${REAL:-double}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    printf 'test_install: %s\n' "$*" >&2
    exit 1
}

# Each step is named before it runs, so a failure's last line says what failed.
step() {
    printf '%s\n' "$*"
}

step 'install'
meson install -C "$build" --no-rebuild --destdir "$scratch/installed" >"$scratch/log" ||
    fail "$(cat "$scratch/log")"
package=$(find "$scratch/installed" -name wengert.pc)
lib=$(dirname "$(dirname "$package")")
include=$(dirname "$(find "$scratch/installed" -type d -name wengert -path '*/include/*')")
export PKG_CONFIG_PATH=${package%/*} PKG_CONFIG_SYSROOT_DIR=$scratch/installed
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
export LD_LIBRARY_PATH=$lib

step 'the public headers are installed, and only they'
diff <(find "$root"/*/wengert -type f -printf '%f\n' | sort) \
    <(find "$include/wengert" -type f -printf '%f\n' | sort) || fail 'the lists differ'

program=$(find "$scratch/installed" -path '*/bin/wengert')
if [ -n "$program" ]; then # not with -Dtools=false
    step 'the program'
    [ "$("$program" --version)" = "wengert $(pkg-config --modversion wengert)" ] ||
        fail 'its version is not the library'"'"'s'
    diff <(printf 'value  1.79176\nd/dx   0.5\nd/dy   0.333333\n') \
        <("$program" grad 'log(x*y)' x=2 y=3) || fail 'its numbers differ'

    step 'its manual page and completions, where they are looked for'
    share=$(dirname "$(dirname "$program")")/share
    diff <("$program" --manual) "$share/man/man1/wengert.1" || fail 'another manual page'
    diff <("$program" --bash-completion) "$share/bash-completion/completions/wengert.bash" ||
        fail 'another completion for bash'
    diff <("$program" --zsh-completion) "$share/zsh/site-functions/_wengert" ||
        fail 'another completion for zsh'
    if command -v man >/dev/null; then
        page=$(MANPATH=$share/man man -P cat wengert)
        grep -q 'wengert grad' <<<"$page" || fail 'man does not show the page'
    fi
    loader=/usr/share/bash-completion/bash_completion
    if [ -e "$loader" ]; then
        # a shell that has never heard of the program finds its completion by the name
        XDG_DATA_DIRS=$share PATH=${program%/*}:$PATH bash -c '
            source "$1" && _completion_loader wengert
            complete -p wengert' bash "$loader" | grep -q _wengert ||
            fail 'bash does not find the completion'
    fi
fi

read -r -a cflags <<<"$(pkg-config --cflags wengert)"
read -r -a libs <<<"$(pkg-config --libs wengert)"
warnings=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wdouble-promotion -Wvla -Werror)

# A program that uses the engine and the net, in what C and C++ have in common.
cat >"$scratch/user.c" <<'EOF'
#include <wengert/nn.h>
#include <wengert/autograd.h>
#include <wengert/program.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    ag_graph *graph = ag_graph_new(NULL);
    ag_value x = ag_variable(graph, 2);
    ag_value y = ag_variable(graph, 3);
    ag_value z = ag_log(ag_mul(x, y));
    if (ag_backward(z) != AG_OK)
        return 1;
    printf("z = %g, dz/dx = %g, dz/dy = %g\n", (double)ag_data(z), (double)ag_grad(x),
           (double)ag_grad(y));
    ag_graph_free(graph);

    size_t sizes[] = {4, 16, 3};
    nn_model *model = nn_mlp(3, sizes, NN_TANH, 42);
    printf("%d parameters\n", (int)nn_parameter_count(model));
    nn_model_free(model);

    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", AG_VERSION_MAJOR, AG_VERSION_MINOR,
             AG_VERSION_PATCH);
    printf("%s\n", ag_version());
    return strcmp(version, AG_VERSION) != 0 || strcmp(version, ag_version()) != 0;
}
EOF
cp "$scratch/user.c" "$scratch/user.cpp"
expected="z = 1.79176, dz/dx = 0.5, dz/dy = 0.333333
131 parameters
$(pkg-config --modversion wengert)"

# Runs the program just made and compares.
check_user() {
    diff <(printf '%s\n' "$expected") <("$scratch/user") || fail "the program's output differs"
}

step 'a C11 program and the shared library; one version in header, library and package'
"${cc[@]}" -std=c11 "${warnings[@]}" -Wstrict-prototypes "${cflags[@]}" "$scratch/user.c" \
    -o "$scratch/user" "${libs[@]}"
check_user

step 'a C11 program and the static library'
pkg-config --libs --static wengert | grep -q -e -lm || fail 'the package does not name libm'
read -r -a private <<<"$(pkg-config --libs --static wengert | sed 's/-L[^ ]*//; s/-lwengert//')"
"${cc[@]}" -std=c11 "${cflags[@]}" "$scratch/user.c" -o "$scratch/user" "$lib/libwengert.a" \
    "${private[@]}"
LD_LIBRARY_PATH='' check_user

step 'every header alone, as C11'
for header in "$include"/wengert/*.h; do
    printf '#include <wengert/%s>\n' "${header##*/}" |
        "${cc[@]}" -std=c11 "${warnings[@]}" -Wstrict-prototypes "${cflags[@]}" -fsyntax-only -x c -
done

if [ -n "${CXX:-}" ]; then
    step 'a C++17 program'
    "${cxx[@]}" -std=c++17 "${warnings[@]}" "${cflags[@]}" "$scratch/user.cpp" -o "$scratch/user" \
        "${libs[@]}"
    check_user

    step 'every header alone, as C++17'
    for header in "$include"/wengert/*.h*; do
        printf '#include <wengert/%s>\n' "${header##*/}" |
            "${cxx[@]}" -std=c++17 "${warnings[@]}" "${cflags[@]}" -fsyntax-only -x c++ -
    done
fi

step 'a program compiled for the other number type does not link, whatever it begins with'
if [ "$real" = float ]; then
    other=()
else
    other=(-DAG_REAL_FLOAT)
fi
# each way into the library that needs no graph, or begins one
for function in ag_graph_new ag_gradcheck nn_mlp nn_read_csv nn_dataset_classes nn_dataset_numbers \
    nn_init_glorot nn_init_he nn_sgd nn_adam nn_load; do
    printf '#include <wengert/nn.h>\n%s\nint main(void) { return function == 0; }\n' \
        "void (*function)(void) = (void (*)(void))$function;" >"$scratch/other.c"
    "${cc[@]}" -std=c11 "${cflags[@]}" "$scratch/other.c" -o "$scratch/other" "${libs[@]}" ||
        fail "$function does not link at all"
    if "${cc[@]}" -std=c11 "-I$include" "${other[@]}" "$scratch/other.c" -o "$scratch/other" \
        "${libs[@]}" 2>/dev/null; then
        fail "$function linked"
    fi
done

if command -v cmake >/dev/null; then
    step 'found by CMake, where the installation was moved to'
    mkdir "$scratch/cmake"
    cp "$scratch"/user.c* "$scratch/cmake"
    cat >"$scratch/cmake/CMakeLists.txt" <<'EOF'
cmake_minimum_required(VERSION 3.10)
project(user C)
find_package(wengert ${version} REQUIRED)
add_executable(shared user.c)
target_link_libraries(shared wengert::wengert)
add_executable(static user.c)
target_link_libraries(static wengert::wengert_static)
if(with_cpp)
    enable_language(CXX)
    add_executable(cpp user.cpp)
    target_compile_features(cpp PRIVATE cxx_std_17)
    target_link_libraries(cpp wengert::wengert_static)
endif()
EOF
    cp -a "$scratch/installed" "$scratch/moved"
    version=$(pkg-config --modversion wengert)
    find_package() { # VERSION
        CC=${CC:-cc} cmake -S "$scratch/cmake" -B "$scratch/cmake/build" "-Dversion=$1" \
            "-Dwengert_DIR=$scratch/moved${lib#"$scratch/installed"}/cmake/wengert" \
            "-Dwith_cpp=${CXX:+ON}" >"$scratch/log" 2>&1
    }
    for other in 99 "$version.1" 0.0; do
        ! find_package "$other" || fail "version $other was found"
    done
    { find_package "${version%.*}" && cmake --build "$scratch/cmake/build" >>"$scratch/log" 2>&1; } ||
        fail "$(cat "$scratch/log")"
    for user in shared static ${CXX:+cpp}; do
        cp "$scratch/cmake/build/$user" "$scratch/user"
        LD_LIBRARY_PATH='' check_user
    done
else
    step 'cmake is missing: find_package is not tried'
fi

step 'a meson subproject'
mkdir -p "$scratch/outer/subprojects"
ln -s "$root" "$scratch/outer/subprojects/wengert"
cp "$scratch/user.c" "$scratch/outer"
cat >"$scratch/outer/meson.build" <<'EOF'
project('outer', 'c', default_options: ['c_std=c11', 'warning_level=3', 'werror=true'])
wengert = dependency('wengert', fallback: ['wengert', 'wengert_dep'])
executable('user', 'user.c', dependencies: wengert)
EOF
{
    env -u PKG_CONFIG_PATH meson setup "$scratch/outer/build" "$scratch/outer" \
        "-Dwengert:real=$real"
    meson compile -C "$scratch/outer/build"
} >"$scratch/log" 2>&1 || fail "$(cat "$scratch/log")"
cp "$scratch/outer/build/user" "$scratch/user"
LD_LIBRARY_PATH=$scratch/outer/build/subprojects/wengert check_user
