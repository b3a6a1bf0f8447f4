# SPDX-License-Identifier: MIT
"""Machines that tests and script/size compile for: how to build a program for one, run it in an
emulator, and read off the linker's map what it takes.
"""

import concurrent.futures
import dataclasses
import os
import pathlib
import re
import shutil
import struct
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent

# What a graph is made of; with --gc-sections, what else its files call is not missed.
ENGINE = [
    SOURCE / "autograd" / name
    for name in (
        "arena.c", "backward.c", "closure.c", "gate_table.c", "gates.c", "graph.c", "memory.c",
        "names.c", "polygamma.c", "scan.c", "scope.c", "special.c", "status.c", "walk.c",
    )
]
HARNESS = [HERE / "report.c"]

# The library's own, but for what needs an operating system's headers.
WARNINGS = (
    "-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wdouble-promotion -Wvla -Werror".split()
)
SECTIONS = ["-ffunction-sections", "-fdata-sections"]


@dataclasses.dataclass(frozen=True)
class Target:
    key: str
    title: str
    compiler: str
    flags: tuple
    start: pathlib.Path | None = HERE / "hosted.c"  # what put_text is
    link: tuple = ()
    emulator: tuple = ()


def cortex_m(key, title, machine, flash, ram, *flags):
    return Target(
        key,
        title,
        "arm-none-eabi-gcc",
        ("-mthumb", "-Os", *flags),
        HERE / "cortex_m.c",
        (
            "-nostartfiles", "--specs=nano.specs", "-T", str(HERE / "cortex_m.ld"),
            f"-Wl,--defsym=flash_size={flash},--defsym=ram_size={ram}", "-Wl,--fatal-warnings",
        ),
        ("qemu-system-arm", "-M", machine, "-display", "none", "-monitor", "none", "-serial",
         "none", "-semihosting-config", "enable=on,target=native", "-kernel"),
    )


def elsewhere(key, title, name, qemu, *flags):
    return Target(key, title, f"{name}-gcc", ("-O2", *flags),
                  emulator=(qemu, "-L", f"/usr/{name}"))


HOST = Target("host", "the host", os.environ.get("CC", "cc"), ("-O1",))
# microbit is a nRF51: 256 KiB of flash and 16 KiB of RAM. The M4 board of QEMU has no flash.
CORTEX_M0 = cortex_m("cortex-m0", "Cortex-M0", "microbit", "256K", "16K", "-mcpu=cortex-m0",
                     "-mfloat-abi=soft")
CORTEX_M4 = cortex_m("cortex-m4", "Cortex-M4", "mps2-an386", "256K", "64K", "-mcpu=cortex-m4",
                     "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")
I386 = elsewhere("i386", "32-bit x86", "i686-linux-gnu", "qemu-i386", "-msse2", "-mfpmath=sse")
S390X = elsewhere("s390x", "s390x, big-endian", "s390x-linux-gnu", "qemu-s390x",
                  "-fexcess-precision=fast")
AVR = Target("avr", "AVR", "avr-gcc", ("-mmcu=atmega328p", "-Os"), start=None)
DEVICES = (CORTEX_M4, CORTEX_M0)
BY_KEY = {target.key: target for target in (*DEVICES, I386, S390X, AVR)}


class Failure(Exception):
    """What a compiler or a program said."""


def find_missing(target):
    """The first tool or header that isn't there, as text; None where all is there."""
    tools = [target.compiler.split()[0], *target.emulator[:1]]
    for tool in tools:
        if shutil.which(tool) is None:
            return f"{tool} is missing"
    probe = subprocess.run(
        [*target.compiler.split(), *target.flags, "-E", "-"], input="#include <math.h>\n",
        capture_output=True, text=True,
    )
    return None if probe.returncode == 0 else f"{tools[0]} finds no math.h"


def call(command):
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                         stdin=subprocess.DEVNULL, timeout=120)
    if run.returncode != 0 or run.stderr:
        raise Failure(f"{' '.join(map(str, command))}\n{run.stdout}{run.stderr}"
                      f"status {run.returncode}")
    return run.stdout


def compile_files(target, directory, sources, flags=(), standard="c11"):
    """Objects of the sources, in a directory that is made."""
    directory.mkdir(parents=True, exist_ok=True)

    def compile_file(source):
        compiled = directory / (source.stem + ".o")
        call([*target.compiler.split(), f"-std={standard}", *target.flags, *WARNINGS, *SECTIONS,
              "-DNDEBUG", *flags, "-c", source, "-o", compiled])
        return compiled

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compile_file, sources))


def compile_harness(target, directory):
    return compile_files(target, directory / "harness", [*HARNESS, target.start])


def compile_engine(target, directory):
    """The graph's files with real=float. uthash is all headers: a folder with it alone, since
    another machine's headers are not wanted."""
    headers = directory / "headers"
    headers.mkdir(parents=True, exist_ok=True)
    found = call([*HOST.compiler.split(), "-E", "-include", "uthash.h", "-x", "c", os.devnull])
    path = re.search(r'^# \d+ "([^"]*uthash\.h)"', found, re.MULTILINE)[1]
    shutil.copy(path, headers)
    return compile_files(target, directory / "engine", ENGINE,
                         ["-DAG_REAL_FLOAT", f"-I{SOURCE}/autograd", "-isystem", headers])


def link(target, program, objects):
    """The program's path; its map is beside it."""
    call([*target.compiler.split(), *target.flags, *objects, *target.link, "-Wl,--gc-sections",
          f"-Wl,-Map={program}.map", "-lm", "-o", program])
    return program


def run(target, program):
    """What the program reports: [(name, number)], counts as int, and the other lines as they are."""
    ended = subprocess.run([*target.emulator, str(program)], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    if ended.returncode != 0:
        raise Failure(f"{target.title}: {ended.stdout[-2000:]}status {ended.returncode}")
    reported = []
    for line in ended.stdout.splitlines():
        number = re.fullmatch(r"(.*) (#?)([0-9a-f]{8})", line)
        if number is None:
            reported.append((line, None))
        elif number[2]:
            reported.append((number[1], int(number[3], 16)))
        else:
            reported.append((number[1], struct.unpack(">f", bytes.fromhex(number[3]))[0]))
    return reported


# ---- Sizes --------------------------------------------------------------------------------------

FLASH = (".text", ".ARM.exidx", ".data")
RAM = (".data", ".bss")
# Objects that are there for the test alone.
OWN = {"cortex_m.o", "report.o"}


@dataclasses.dataclass
class Size:
    """Bytes; without the harness and the program's main file, but with main's variables."""

    code: int  # of our own, with constants
    library: int  # libc and the compiler's arithmetic
    libm: int
    ram: int  # variables
    stack: int  # as a run leaves it


def read_map(program):
    """[(section, place, bytes)] of the linker's map; the place is an object's name or a library's.
    Checks that the parts are the whole."""
    text = pathlib.Path(f"{program}.map").read_text()
    text = text[text.index("Linker script and memory map"):]
    text = re.sub(r"\n (\.\S+|COMMON)\n +0x", r"\n \1 0x", text)  # a long name has its own line
    section, parts, totals = None, [], {}
    for line in map(str.rstrip, text.splitlines()):
        whole = re.match(r"(\.\S+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)", line)
        if whole:
            section = whole[1]
            totals[section] = int(whole[2], 16)
        elif not line.startswith(" "):
            section = None
        part = re.match(r" (?:\.\S+|COMMON|\*fill\*)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)(?: (\S.*))?$",
                        line)
        if part and section in (*FLASH, *RAM):
            path = part[2] or "alignment"
            library = re.search(r"/lib(\w+)\.a\(", path)
            place = library[1] if library else pathlib.Path(path).name
            parts.append((section, place, int(part[1], 16)))
    for section in (*FLASH, *RAM):
        difference = totals.get(section, 0) - sum(part[2] for part in parts if part[0] == section)
        if abs(difference) > 64:  # a string that is the end of another is counted with both
            raise Failure(f"{program}.map: {section} has {difference} bytes that are nobody's")
    return parts


def measure(target, program, main):
    """What a program takes; main is the name of the object that is not counted as code."""
    size = Size(0, 0, 0, 0, dict(run(target, program))["stack"])
    for section, place, count in read_map(program):
        if section in RAM and place not in OWN:
            size.ram += count
        if section in FLASH:
            if place == "m":
                size.libm += count
            elif place in ("c_nano", "gcc"):
                size.library += count
            elif place not in (*OWN, main):
                size.code += count
    return size
