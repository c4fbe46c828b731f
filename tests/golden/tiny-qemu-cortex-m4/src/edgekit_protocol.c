/* The serial protocol; docs/protocol.md describes every command and reply.
 *
 * Plain C99 for any board: no printf, malloc or libm, no assumption on the size of int.
 */
#include "edgekit_protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "edgekit_config.h"
#include "edgekit_model.h"
#include "edgekit_port.h"

#if EDGEKIT_HAS_TEST_VECTOR
#include "edgekit_test_vector.h"
#endif

/* AVR keeps constants in RAM unless told otherwise, and has little of it. */
#if defined(__AVR__)
#include <avr/pgmspace.h>
#define IN_FLASH PROGMEM
#define TEXT(literal) PSTR(literal)
#define FLASH_CHAR(address) ((char)pgm_read_byte(address))
#define FLASH_HANDLER(address) ((handler)pgm_read_ptr(address))
#else
#define IN_FLASH
#define TEXT(literal) (literal)
#define FLASH_CHAR(address) (*(address))
#define FLASH_HANDLER(address) (*(address))
#endif

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown"
#endif

/* Speed is nothing here, and -O2 would copy these into all their callers. */
#if defined(__GNUC__)
#define SMALL __attribute__((noinline))
#else
#define SMALL
#endif

#define TERMINATOR '%'
#define MLPERF_LINE_BYTES 80 /* EE_CMD_SIZE of mlcommons/tiny's benchmark/api */
#define DB_LINE_BYTES (3 + 2 * EDGEKIT_DB_BYTES)
#define LINE_BYTES (DB_LINE_BYTES > MLPERF_LINE_BYTES ? DB_LINE_BYTES : MLPERF_LINE_BYTES)
#define REPEATED_CHARACTERS 32 /* of a token that an error names */
#define DEFAULT_WARMUP 10
#define LAPS_A_LINE 16
#define OUTPUT_BYTES 64

typedef struct {
  const char *text;
  size_t length;
} token;

typedef void (*handler)(void);

static uint8_t edgekit_input_buffer[EDGEKIT_INPUT_BYTES];
static uint32_t load_bytes;    /* what the last `db load` announced, 0 before the first */
static uint32_t load_position; /* how much of it has come */

static char line[LINE_BYTES];
static size_t line_length;
static size_t line_position; /* where next_token() goes on */
static bool line_too_long;

static char output[OUTPUT_BYTES]; /* a link likes few large writes more than many small ones */
static uint8_t output_length;

static int model_error;
static bool has_outputs; /* the output tensors hold the outputs of an inference */

/* ---- Sending ---- */

static void flush(void) {
  if (output_length > 0) {
    edgekit_port_write(output, output_length);
    output_length = 0;
  }
}

SMALL static void put_char(char character) {
  if (output_length == OUTPUT_BYTES) {
    flush();
  }
  output[output_length++] = character;
}

SMALL static void put_text(const char *text) {
  for (char character; (character = FLASH_CHAR(text)) != '\0'; text++) {
    put_char(character);
  }
}

/* Anything that could be taken for the end of a value or a line is shown as '?'. */
SMALL static void put_clean(char character) {
  const bool is_clean = character >= ' ' && character <= '~' && character != '[' &&
                        character != ']' && character != ';';
  put_char(is_clean ? character : '?');
}

static void put_clean_text(const char *text) {
  for (char character; (character = FLASH_CHAR(text)) != '\0'; text++) {
    put_clean(character);
  }
}

static void put_token(token word) {
  for (size_t i = 0; i < word.length && i < REPEATED_CHARACTERS; i++) {
    put_clean(word.text[i]);
  }
}

SMALL static void put_unsigned(uint32_t value) {
  char digits[10];
  uint8_t count = 0;
  do {
    digits[count++] = (char)('0' + value % 10);
    value /= 10;
  } while (value > 0);
  while (count > 0) {
    put_char(digits[--count]);
  }
}

static void put_signed(int32_t value) {
  if (value < 0) {
    put_char('-');
  }
  put_unsigned(value < 0 ? 0u - (uint32_t)value : (uint32_t)value);
}

static void put_hex_digit(uint8_t value) {
  put_char((char)(value < 10 ? '0' + value : 'a' + value - 10));
}

SMALL static void put_hex_byte(uint8_t value) {
  put_hex_digit(value >> 4);
  put_hex_digit(value & 15);
}

SMALL static void end_line(void) {
  put_char('\r');
  put_char('\n');
  flush();
}

SMALL static void put_line(const char *text) {
  put_text(text);
  end_line();
}

/* ']' and the end of the line. */
SMALL static void end_bracket(void) {
  put_char(']');
  end_line();
}

/* ---- Real numbers, as printf("%.3f") shows them ---- */

/* significand * 2^doublings, a whole number of up to 39 digits. */
static void put_large(uint32_t significand, uint8_t doublings) {
  uint8_t digits[39];
  uint8_t count = 0;
  while (significand > 0) {
    digits[count++] = (uint8_t)(significand % 10);
    significand /= 10;
  }
  for (; doublings > 0; doublings--) {
    uint8_t carry = 0;
    for (uint8_t i = 0; i < count; i++) {
      const uint8_t doubled = (uint8_t)(2 * digits[i] + carry);
      digits[i] = doubled % 10;
      carry = doubled / 10;
    }
    if (carry > 0) {
      digits[count++] = carry;
    }
  }
  while (count > 0) {
    put_char((char)('0' + digits[--count]));
  }
}

/* part * 1000 / 2^shift to the nearest, ties to even, for part < min(2^shift, 2^24). */
static uint32_t thousandths(uint32_t part, uint8_t shift) {
  if (shift == 0 || shift > 34) { /* a whole number, or less than half a thousandth */
    return 0;
  }
  const uint64_t product = (uint64_t)part * 1000;
  const uint64_t half = (uint64_t)1 << (shift - 1);
  const uint64_t rest = product & (2 * half - 1);
  const uint32_t whole = (uint32_t)(product >> shift);
  return rest > half || (rest == half && (whole & 1) != 0) ? whole + 1 : whole;
}

static void put_real(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint32_t significand = bits & 0x7FFFFFu;
  uint8_t exponent = (uint8_t)(bits >> 23);
  if (exponent == 255 && significand != 0) {
    put_text(TEXT("nan"));
    return;
  }
  if (bits >> 31 != 0) {
    put_char('-');
  }
  if (exponent == 255) {
    put_text(TEXT("inf"));
    return;
  }
  if (exponent == 0) {
    exponent = 1;
  } else {
    significand |= 0x800000u;
  }
  if (exponent > 150) { /* value = significand * 2^(exponent - 150) */
    put_large(significand, (uint8_t)(exponent - 150));
    put_text(TEXT(".000"));
    return;
  }
  const uint8_t shift = (uint8_t)(150 - exponent);
  uint32_t whole = shift < 24 ? significand >> shift : 0;
  uint32_t part = thousandths(shift < 24 ? significand - (whole << shift) : significand, shift);
  if (part == 1000) {
    whole++;
    part = 0;
  }
  put_unsigned(whole);
  put_char('.');
  put_char((char)('0' + part / 100));
  put_char((char)('0' + part / 10 % 10));
  put_char((char)('0' + part % 10));
}

/* ---- Errors ---- */

SMALL static void unsupported(const char *command) {
  put_text(TEXT("e-[Not supported: "));
  put_text(command);
  end_bracket();
}

SMALL static void model_failed(int code) {
  put_text(TEXT("e-[Model failed: "));
  put_signed(code);
  end_bracket();
}

/* ---- Reading a command ---- */

/* The next word of the line; its length is 0 after the last one. */
SMALL static token next_token(void) {
  while (line_position < line_length && line[line_position] == ' ') {
    line_position++;
  }
  const size_t start = line_position;
  while (line_position < line_length && line[line_position] != ' ') {
    line_position++;
  }
  token word = {line + start, line_position - start};
  return word;
}

SMALL static bool token_is(token word, const char *text) {
  for (size_t i = 0; i < word.length; i++) {
    const char expected = FLASH_CHAR(text + i);
    if (expected == '\0' || expected != word.text[i]) {
      return false;
    }
  }
  return FLASH_CHAR(text + word.length) == '\0';
}

/* C's atoi(), held at INT32_MAX. */
SMALL static int32_t token_number(token word) {
  size_t i = 0;
  bool is_negative = false;
  if (word.length > 0 && (word.text[0] == '-' || word.text[0] == '+')) {
    is_negative = word.text[0] == '-';
    i = 1;
  }
  int32_t value = 0;
  for (; i < word.length && word.text[i] >= '0' && word.text[i] <= '9'; i++) {
    const int32_t digit = word.text[i] - '0';
    value = value > (INT32_MAX - digit) / 10 ? INT32_MAX : value * 10 + digit;
  }
  return is_negative ? -value : value;
}

/* The value of a hexadecimal digit, or -1. */
SMALL static int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') {
    return digit - '0';
  }
  if (digit >= 'a' && digit <= 'f') {
    return digit - 'a' + 10;
  }
  if (digit >= 'A' && digit <= 'F') {
    return digit - 'A' + 10;
  }
  return -1;
}

/* ---- The model ---- */

/* Every inference gets its input anew: it may have overwritten the last one. */
static void copy_input(const uint8_t *bytes) {
  uint32_t offset = 0;
  for (int i = 0; i < EDGEKIT_INPUT_COUNT; i++) {
    const edgekit_tensor tensor = edgekit_model_input(i);
    memcpy(tensor.data, bytes + offset, (size_t)tensor.size_bytes);
    offset += tensor.size_bytes;
  }
}

static bool invoke(void) {
  const int error = edgekit_model_invoke();
  has_outputs = error == 0;
  if (error != 0) {
    model_failed(error);
  }
  return has_outputs;
}

SMALL static bool infer_loaded(int32_t count) {
  for (; count > 0; count--) {
    copy_input(edgekit_input_buffer);
    if (!invoke()) {
      return false;
    }
  }
  return true;
}

/* Read [N] [W] of `infer` and `laps`; false if they, or the model, are not usable. */
SMALL static bool prepare_inferences(int32_t *count, int32_t *warmup) {
  *count = 1;
  *warmup = DEFAULT_WARMUP;
  token word = next_token();
  if (word.length > 0) {
    *count = token_number(word);
    word = next_token();
  }
  if (*count <= 0) {
    put_line(TEXT("e-[Inference iterations must be >0]"));
    return false;
  }
  if (word.length > 0) {
    *warmup = token_number(word);
  }
  if (*warmup < 0) {
    put_line(TEXT("e-[Inference warmup must be >=0]"));
    return false;
  }
  if (model_error != 0) {
    model_failed(model_error);
    return false;
  }
  return true;
}

static bool check_outputs(void) {
  if (!has_outputs) {
    put_line(TEXT("e-[No inference yet]"));
  }
  return has_outputs;
}

static uint32_t element_bytes(edgekit_type type) {
  switch (type) {
    case EDGEKIT_INT8:
    case EDGEKIT_UINT8:
      return 1;
    case EDGEKIT_INT16:
      return 2;
    default:
      return 4;
  }
}

/* Element `index` as a real number; a scale of 0 stands for "not quantised". */
static float element(const edgekit_tensor *tensor, uint32_t index) {
  const uint8_t *address = (const uint8_t *)tensor->data + index * element_bytes(tensor->type);
  float stored = 0.0f;
  if (tensor->type == EDGEKIT_FLOAT32) {
    memcpy(&stored, address, sizeof stored);
    return stored;
  }
  if (tensor->type == EDGEKIT_INT8) {
    stored = (float)(int8_t)*address;
  } else if (tensor->type == EDGEKIT_UINT8) {
    stored = (float)*address;
  } else if (tensor->type == EDGEKIT_INT16) {
    int16_t value;
    memcpy(&value, address, sizeof value);
    stored = (float)value;
  } else {
    int32_t value;
    memcpy(&value, address, sizeof value);
    stored = (float)value;
  }
  return tensor->scale == 0.0f ? stored : (stored - (float)tensor->zero_point) * tensor->scale;
}

SMALL static void put_results(void) {
  bool is_first = true;
  put_text(TEXT("m-results-["));
  for (int i = 0; i < EDGEKIT_OUTPUT_COUNT; i++) {
    const edgekit_tensor tensor = edgekit_model_output(i);
    const uint32_t count = tensor.size_bytes / element_bytes(tensor.type);
    for (uint32_t j = 0; j < count; j++) {
      if (!is_first) {
        put_char(',');
      }
      is_first = false;
      put_real(element(&tensor, j));
    }
  }
  end_bracket();
}

/* ---- MLPerf Tiny's commands ---- */

static void on_name(void) { put_line(TEXT("m-name-dut-[EdgeKit]")); }

static void on_profile(void) {
  put_line(TEXT("m-profile-[ULPMark for tinyML Firmware V0.0.1]"));
  put_line(TEXT("m-model-[" EDGEKIT_MODEL_NAME "]"));
}

static void put_time(uint32_t time_us) {
  put_text(TEXT("m-lap-us-"));
  put_unsigned(time_us);
  end_line();
}

static void on_timestamp(void) { put_time(edgekit_port_time_us()); }

static void db_load(void) {
  const token word = next_token();
  if (word.length == 0) {
    put_line(TEXT("e-[Command 'db load' requires the # of bytes]"));
    return;
  }
  const int32_t count = token_number(word);
  if (count <= 0) {
    put_line(TEXT("e-[Command 'db load' must be >0 bytes]"));
    return;
  }
  if ((uint32_t)count > EDGEKIT_INPUT_BYTES) {
    put_text(TEXT("e-[Supplied buffer size "));
    put_signed(count);
    put_text(TEXT(" exceeds maximum of "));
    put_unsigned(EDGEKIT_INPUT_BYTES);
    end_bracket();
    return;
  }
  memset(edgekit_input_buffer, 0, sizeof edgekit_input_buffer);
  load_bytes = (uint32_t)count;
  load_position = 0;
  put_text(TEXT("m-[Expecting "));
  put_signed(count);
  put_text(TEXT(" bytes"));
  end_bracket();
}

static void db_print(void) {
  for (uint32_t i = 0; i < load_bytes; i++) {
    if (i % 8 == 0) {
      put_text(TEXT("m-buffer"));
    }
    put_char('-');
    put_hex_byte(edgekit_input_buffer[i]);
    if (i % 8 == 7 || i + 1 == load_bytes) {
      end_line();
    }
  }
}

static void db_append(token digits) {
  if (load_bytes == 0) {
    put_line(TEXT("e-[Command 'db' requires 'db load' first]"));
    return;
  }
  if (digits.length % 2 != 0) {
    put_line(TEXT("e-[Insufficent number of hex digits]")); /* MLPerf's own spelling */
    return;
  }
  const uint32_t missing = load_bytes - load_position;
  const uint32_t offered = (uint32_t)(digits.length / 2);
  const uint32_t taken = offered < missing ? offered : missing;
  for (uint32_t i = 0; i < taken; i++) {
    const char *pair = digits.text + 2 * i;
    if (hex_value(pair[0]) < 0 || hex_value(pair[1]) < 0) {
      put_text(TEXT("e-[Invalid hex digit '"));
      put_clean(pair[0]);
      put_clean(pair[1]);
      put_char('\'');
      end_bracket();
      return;
    }
  }
  for (uint32_t i = 0; i < taken; i++) {
    const char *pair = digits.text + 2 * i;
    edgekit_input_buffer[load_position++] =
        (uint8_t)(hex_value(pair[0]) * 16 + hex_value(pair[1]));
  }
  if (taken > 0 && load_position == load_bytes) {
    put_line(TEXT("m-load-done"));
  }
}

static void on_db(void) {
  const token word = next_token();
  if (word.length == 0) {
    put_line(TEXT("e-[Command 'db' requires a subcommand]"));
  } else if (token_is(word, TEXT("load"))) {
    db_load();
  } else if (token_is(word, TEXT("print"))) {
    db_print();
  } else {
    db_append(word);
  }
}

static void on_infer(void) {
  int32_t count;
  int32_t warmup;
  if (!prepare_inferences(&count, &warmup)) {
    return;
  }
  put_text(TEXT("m-warmup-start-"));
  put_signed(warmup);
  end_line();
  if (!infer_loaded(warmup)) {
    return;
  }
  put_line(TEXT("m-warmup-done"));
  put_text(TEXT("m-infer-start-"));
  put_signed(count);
  end_line();
  /* Both times are sent afterwards: sending is not part of the window. */
  const uint32_t start_us = edgekit_port_time_us();
  if (!infer_loaded(count)) {
    return;
  }
  const uint32_t end_us = edgekit_port_time_us();
  put_time(start_us);
  put_time(end_us);
  put_line(TEXT("m-infer-done"));
  put_results();
}

static void on_results(void) {
  if (check_outputs()) {
    put_results();
  }
}

static void on_help(void) {
  put_line(TEXT("EdgeKit " EDGEKIT_VERSION ", commands end with %"));
  put_line(TEXT("name, profile, timestamp, help"));
  put_line(TEXT("db load N     : expect N bytes of input"));
  put_line(TEXT("db HH[HH]*    : take in bytes"));
  put_line(TEXT("db print      : show them"));
  put_line(TEXT("infer [N] [W] : time N inferences after W"));
  put_line(TEXT("laps [N] [W]  : the same, each alone"));
  put_line(TEXT("results, raw  : the last outputs"));
  put_line(TEXT("info, crc, ops, selftest"));
}

/* ---- EdgeKit's commands ---- */

static void on_info(void) {
  put_text(TEXT("m-info-[engine=" EDGEKIT_ENGINE ";model=" EDGEKIT_MODEL_NAME
                ";sha256=" EDGEKIT_MODEL_SHA256 ";target=" EDGEKIT_TARGET ";arena_planned="));
  put_unsigned(EDGEKIT_ARENA_BYTES);
  put_text(TEXT(";arena_used="));
  put_unsigned(edgekit_model_arena_used_bytes());
  put_text(TEXT(";stack_used="));
  put_unsigned(edgekit_port_stack_used_bytes());
  put_text(TEXT(";clock=" EDGEKIT_CLOCK ";input_bytes="));
  put_unsigned(EDGEKIT_INPUT_BYTES);
  put_text(TEXT(";output_bytes="));
  put_unsigned(EDGEKIT_OUTPUT_BYTES);
  put_text(TEXT(";db_bytes="));
  put_unsigned(EDGEKIT_DB_BYTES);
  put_text(TEXT(";model_error="));
  put_signed(model_error);
  put_text(TEXT(";compiler="));
  put_clean_text(TEXT(COMPILER));
  put_text(TEXT(";library=" EDGEKIT_LIBRARY ";version=" EDGEKIT_VERSION));
  end_bracket();
}

static void on_raw(void) {
  if (!check_outputs()) {
    return;
  }
  put_text(TEXT("m-raw-["));
  for (int i = 0; i < EDGEKIT_OUTPUT_COUNT; i++) {
    const edgekit_tensor tensor = edgekit_model_output(i);
    for (uint32_t j = 0; j < tensor.size_bytes; j++) {
      put_hex_byte(((const uint8_t *)tensor.data)[j]);
    }
  }
  end_bracket();
}

/* CRC-32 of zlib and IEEE 802.3, reflected, a bit at a time: no table. */
static uint32_t crc32_of(const uint8_t *bytes, uint32_t count) {
  uint32_t crc = 0xFFFFFFFFu;
  for (uint32_t i = 0; i < count; i++) {
    crc ^= bytes[i];
    for (uint8_t bit = 0; bit < 8; bit++) {
      crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320u : crc >> 1;
    }
  }
  return ~crc;
}

static void on_crc(void) {
  const uint32_t crc = crc32_of(edgekit_input_buffer, EDGEKIT_INPUT_BYTES);
  put_text(TEXT("m-crc-["));
  for (int shift = 24; shift >= 0; shift -= 8) {
    put_hex_byte((uint8_t)(crc >> shift));
  }
  end_bracket();
}

static void on_laps(void) {
  int32_t count;
  int32_t warmup;
  if (!prepare_inferences(&count, &warmup) || !infer_loaded(warmup)) {
    return;
  }
  while (count > 0) {
    uint32_t laps_us[LAPS_A_LINE];
    uint8_t done = 0;
    for (; done < LAPS_A_LINE && count > 0; count--) {
      copy_input(edgekit_input_buffer);
      const uint32_t start_us = edgekit_port_time_us();
      const int error = edgekit_model_invoke();
      laps_us[done++] = edgekit_port_time_us() - start_us;
      has_outputs = error == 0;
      if (error != 0) {
        model_failed(error);
        return;
      }
    }
    put_text(TEXT("m-laps-us-["));
    for (uint8_t i = 0; i < done; i++) {
      if (i > 0) {
        put_char(',');
      }
      put_unsigned(laps_us[i]);
    }
    end_bracket();
  }
}

static void on_ops(void) { unsupported(TEXT("ops")); }

#if EDGEKIT_HAS_TEST_VECTOR
static void on_selftest(void) {
  if (model_error != 0) {
    model_failed(model_error);
    return;
  }
  copy_input(edgekit_test_input);
  if (!invoke()) {
    return;
  }
  bool is_equal = true;
  uint32_t offset = 0;
  for (int i = 0; i < EDGEKIT_OUTPUT_COUNT; i++) {
    const edgekit_tensor tensor = edgekit_model_output(i);
    if (memcmp(tensor.data, edgekit_test_output + offset, (size_t)tensor.size_bytes) != 0) {
      is_equal = false;
    }
    offset += tensor.size_bytes;
  }
  put_line(is_equal ? TEXT("m-selftest-[pass]") : TEXT("m-selftest-[fail]"));
}
#else
static void on_selftest(void) { unsupported(TEXT("selftest")); }
#endif

/* ---- Dispatch ---- */

typedef struct {
  char name[10];
  handler run;
} command;

static const command COMMANDS[] IN_FLASH = {
    {"name", on_name},       {"profile", on_profile}, {"timestamp", on_timestamp},
    {"db", on_db},           {"infer", on_infer},     {"results", on_results},
    {"help", on_help},       {"info", on_info},       {"raw", on_raw},
    {"crc", on_crc},         {"laps", on_laps},       {"ops", on_ops},
    {"selftest", on_selftest},
};

static void carry_out_line(void) {
  line_position = 0;
  const token word = next_token();
  for (size_t i = 0; i < sizeof COMMANDS / sizeof COMMANDS[0]; i++) {
    if (token_is(word, COMMANDS[i].name)) {
      FLASH_HANDLER(&COMMANDS[i].run)();
      return;
    }
  }
  put_text(TEXT("e-[Unknown command: "));
  put_token(word);
  end_bracket();
}

/* Take in one byte; true if it ended a command, which has been carried out. */
static bool take(char character) {
  if (character != TERMINATOR) {
    if (line_length < LINE_BYTES) {
      line[line_length++] = character;
    } else {
      line_too_long = true;
    }
    return false;
  }
  if (line_too_long) {
    put_line(TEXT("e-[Command too long]"));
  } else {
    carry_out_line();
  }
  line_length = 0;
  line_too_long = false;
  put_line(TEXT("m-ready"));
  return true;
}

void edgekit_protocol_begin(int error) {
  model_error = error;
  if (error != 0) {
    model_failed(error);
  }
  put_line(TEXT("m-timestamp-mode-performance"));
  put_line(TEXT("m-init-done"));
  put_line(TEXT("m-ready"));
}

/* One command a call at most, so that a board's own loop gets its turn. */
void edgekit_protocol_poll(void) {
  int byte;
  while ((byte = edgekit_port_read()) >= 0) {
    if (take((char)byte)) {
      return;
    }
  }
}
