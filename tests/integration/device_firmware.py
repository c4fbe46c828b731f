"""Firmware with a small model in C whose outputs Python can compute, for this computer and QEMU.

Only the protocol, the ports and the start-up code are EdgeKit's own; no engine, no
PlatformIO.
"""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

from builders import make_graph, make_operator, make_tensor

from edgekit import resources
from edgekit.graph import DType

INPUT_BYTES = 3072
SHA256 = "5e" * 32

FAILS, CRASHES = 0x7D, 0x7E
"""First input bytes on which the model answers an error, or crashes."""

GRAPH = make_graph(
    [
        make_tensor((1, INPUT_BYTES), index=0),
        make_tensor((1, 6), DType.INT8, index=1),
        make_tensor((1, 1), DType.FLOAT32, index=2),
    ],
    [make_operator("CUSTOM", [0], [1, 2])],
)

_CONFIG = """
#define EDGEKIT_MODEL_NAME "sums"
#define EDGEKIT_MODEL_SHA256 "{sha256}"
#define EDGEKIT_ENGINE "aot"
#define EDGEKIT_TARGET "{target}"
#define EDGEKIT_LIBRARY ""
#define EDGEKIT_VERSION "0.0.0"
#define EDGEKIT_CLOCK "{clock}"
#define EDGEKIT_INPUT_COUNT 1
#define EDGEKIT_OUTPUT_COUNT 2
#define EDGEKIT_INPUT_BYTES {input_bytes}
#define EDGEKIT_OUTPUT_BYTES 10
#define EDGEKIT_ARENA_BYTES {input_bytes}
#define EDGEKIT_BAUD 115200
#define EDGEKIT_DB_BYTES {db_bytes}
#define EDGEKIT_HAS_TEST_VECTOR 0
"""

_MODEL = """
#include "edgekit_config.h"
#include "edgekit_model.h"

static uint8_t input[EDGEKIT_INPUT_BYTES];
static int8_t sums[6];
static float mean;

int edgekit_model_init(void) { return 0; }

edgekit_tensor edgekit_model_input(int index) {
  (void)index;
  edgekit_tensor tensor = {input, sizeof input, EDGEKIT_INT8, 0.5f, 0};
  return tensor;
}

int edgekit_model_invoke(void) {
  if (input[0] == 0x7D) {
    return 5;
  }
  if (input[0] == 0x7E) {
    *(volatile int *)0xE0000000u = 1;
    __builtin_trap();
  }
  uint32_t total = 0;
  uint8_t sum[6] = {0};
  for (uint32_t i = 0; i < sizeof input; ++i) {
    sum[i % 6] = (uint8_t)(sum[i % 6] + input[i]);
    total += input[i];
    input[i] = 0xFF; /* an inference may overwrite its input */
  }
  for (int i = 0; i < 6; ++i) {
    sums[i] = (int8_t)sum[i];
  }
  mean = (float)total / (float)sizeof input;
  return 0;
}

edgekit_tensor edgekit_model_output(int index) {
  edgekit_tensor first = {sums, sizeof sums, EDGEKIT_INT8, 0.25f, 4};
  edgekit_tensor second = {&mean, sizeof mean, EDGEKIT_FLOAT32, 0.0f, 0};
  return index == 0 ? first : second;
}

uint32_t edgekit_model_arena_used_bytes(void) { return sizeof input; }
"""


def expected(data: bytes) -> bytes:
    """Return what the model answers: six sums modulo 256, and the mean as float32."""
    sums = bytes(sum(data[start::6]) % 256 for start in range(6))
    return sums + struct.pack("<f", sum(data) / len(data))


def build(
    folder: Path, target: str, *, db_bytes: int = 512, input_bytes: int = INPUT_BYTES
) -> Path:
    """Compile the firmware for the target 'host' or 'qemu-cortex-m4'; return its ELF."""
    is_host = target == "host"
    templates = resources.templates_folder()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "edgekit_config.h").write_text(
        _CONFIG.format(
            sha256=SHA256,
            target=target,
            clock="us" if is_host else "instructions",
            input_bytes=input_bytes,
            db_bytes=db_bytes,
        )
    )
    (folder / "model.c").write_text(_MODEL)
    bare = templates / "aot_bare" / "src"
    sources = [bare / "main.c", templates / "shared" / "edgekit_protocol.c", folder / "model.c"]
    elf = folder / "firmware.elf"
    common = [f"-I{folder}", f"-I{templates / 'shared'}", "-O2", "-w", "-o", str(elf)]
    if is_host:
        command = ["gcc", *common, *map(str, sources), str(bare / "port_host.c")]
    else:
        startup = resources.platforms_folder() / "qemu_cortex_m" / "startup"
        sizes = {"__flash_size": 4 << 20, "__ram_size": 4 << 20, "__stack_size": 16384}
        command = [
            "arm-none-eabi-gcc",
            *("-mthumb", "-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
            *("-nostartfiles", "--specs=nano.specs", f"-T{startup / 'mps2.ld'}"),
            *(f"-Wl,--defsym={name}={size}" for name, size in sizes.items()),
            *common,
            *map(str, [*sources, bare / "port_mps2.c", *sorted(startup.glob("*.c"))]),
        ]
    subprocess.run(command, check=True, timeout=120)
    return elf
