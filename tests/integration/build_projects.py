"""Small PlatformIO projects for the build tests: C that speaks through the real port."""

from __future__ import annotations

from pathlib import Path

from edgekit import resources
from edgekit.targets import Target

MAIN = """\
#include <string.h>

#include "edgekit_port.h"

uint8_t edgekit_arena[1000] __attribute__((aligned(16)));
static volatile uint8_t edgekit_input_buffer[64];
static uint32_t constants[50] = {1, 2, 3};
extern int constructed(void);

static void put(const char *name, uint32_t value) {
  char text[12];
  size_t at = sizeof text;
  text[--at] = '\\n';
  do {
    text[--at] = (char)('0' + value % 10);
    value /= 10;
  } while (value != 0);
  edgekit_port_write(name, strlen(name));
  edgekit_port_write("=", 1);
  edgekit_port_write(text + at, sizeof text - at);
}

__attribute__((noinline)) static int deep(int levels) {
  volatile char bytes[256];
  bytes[levels % 256] = 1;
  return levels > 0 ? deep(levels - 1) + bytes[levels % 256] : 0;
}

#if defined(__arm__)
/* 2 * count + 1 instructions. */
__attribute__((noinline, naked)) static void spin(uint32_t count) {
  __asm volatile("1: subs r0, #1\\n bne 1b\\n bx lr" ::"r"(count));
}
#else
static void spin(uint32_t count) { (void)count; }
#endif

/* Commands of one character; anything else is added up, until '%' asks for the sum. */
int main(void) {
  uint32_t sum = 0, count = 0;
  edgekit_port_init();
  put("ready", constants[2]);
  for (;;) {
    const int byte = edgekit_port_read();
    if (byte < 0) {
      continue;
    }
    if (byte == '%') {
      put("sum", sum);
      put("count", count);
      sum = count = 0;
    } else if (byte == 't' || byte == 'T') {
      const uint32_t began = edgekit_port_time_us();
      spin(500u * (byte == 't' ? 40000u : 1400000u));
      put("time", edgekit_port_time_us() - began);
    } else if (byte == 's') {
      put("stack", edgekit_port_stack_used_bytes());
      put("deep", (uint32_t)deep(10));
      put("stack", edgekit_port_stack_used_bytes());
    } else if (byte == 'c') {
      put("constructed", (uint32_t)constructed());
    } else if (byte == 'o') {
      put("overflow", (uint32_t)deep(1000));
    } else if (byte == 'f') {
      *(volatile int *)0x30000000 = 1;
    } else {
      sum = sum * 31 + (uint32_t)byte;
      ++count;
      edgekit_input_buffer[count % 64] = edgekit_arena[count % 1000] = (uint8_t)byte;
    }
  }
}
"""

CXX = """\
#include <stdlib.h>

struct Base {
  virtual ~Base() {}
  virtual int value() const = 0;
};
struct Constructed : Base {
  int *number;
  Constructed() : number(new int(42)) {}
  ~Constructed() override { delete number; }
  int value() const override { return *number; }
};
static Constructed global;
extern "C" int constructed() {
  static Constructed local;
  void *memory = malloc(1000);
  const int answer = memory == nullptr ? 0 : global.value() + local.value();
  free(memory);
  return answer;
}
"""

FLAGS = "-std=gnu99 -O2 -Wall -Wextra -Wpedantic"


def write_sources(folder: Path, sources: dict[str, str]) -> Path:
    """Write ``src/`` files of a project, and return the project's folder."""
    (folder / "src").mkdir(parents=True, exist_ok=True)
    for name, text in sources.items():
        (folder / "src" / name).write_text(text, encoding="utf-8")
    return folder


def write_ini(folder: Path, target: Target, *options: str) -> None:
    """Write a project's ``platformio.ini`` with one environment."""
    lines = [
        f"[env:{target.name}]",
        f"platform = {target.platform.name}",
        f"board = {target.platform.board}",
        *options,
    ]
    (folder / "platformio.ini").write_text("\n".join(lines) + "\n", encoding="utf-8")


def speaking_project(folder: Path, target: Target) -> Path:
    """Write the project that speaks through the template's own ports."""
    templates = resources.templates_folder()
    ports = templates / "aot_bare" / "src"
    port = "port_host.c" if target.platform.name == "host" else "port_mps2.c"
    write_sources(
        folder,
        {
            "main.c": MAIN,
            "constructed.cpp": CXX,
            "edgekit_port.h": (templates / "shared" / "edgekit_port.h").read_text("utf-8"),
            port: (ports / port).read_text("utf-8"),
        },
    )
    write_ini(folder, target, f"build_flags = {FLAGS}")
    return folder


def tiny_project(folder: Path, target: Target, main: str = "", *options: str) -> Path:
    """Write a project of one file, ``src/main.c``."""
    write_sources(folder, {"main.c": main or "int main(void) { return 0; }\n"})
    write_ini(folder, target, *options)
    return folder
