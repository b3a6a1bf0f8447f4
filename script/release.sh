# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# For other scripts to source: the library and programs as users build them, in build/release.

# shellcheck disable=SC2034 # for who sources this
build=build/release

# Runs a command whose words matter only when it fails.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        exit 1
    fi
    rm -f "$log"
}

# A build directory that was made elsewhere, or by another meson, is made again.
build_release() {
    if ! { [ -e "$build/build.ninja" ] && meson setup --reconfigure "$build" >/dev/null 2>&1; }; then
        rm -rf "$build"
        quietly meson setup "$build" -Dbuildtype=release -Dtests=false
    fi
    quietly meson compile -C "$build"
}
