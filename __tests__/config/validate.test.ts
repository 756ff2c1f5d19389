import { describe, expect, it } from "@jest/globals";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import * as fc from "fast-check";
import { ERROR_CODES, KitError } from "express-redis-kit";
import { closest, parseDuration, show } from "../../src/validate.ts";
import { caught, thrown } from "../support/connections.ts";

describe("parseDuration", () => {
  it.each([
    [1, 1],
    [1500, 1500],
    [1.6, 2],
    ["500ms", 500],
    ["90s", 90_000],
    ["15m", 900_000],
    ["12h", 43_200_000],
    ["7d", 604_800_000],
    ["1.5s", 1500],
    [" 15 M ", 900_000],
  ])("reads %p as %p ms", (value, ms) => {
    expect(parseDuration("x", value)).toBe(ms);
  });

  it.each([
    "15 mintues",
    0,
    Number.NaN,
    -1,
    "",
    null,
    undefined,
    Infinity,
    -Infinity,
    {},
    [],
    ["5s"],
    true,
    5n,
    "300",
    "5s5s",
    "5 s m",
    "s",
    ".5s",
    "0.4ms",
    "0x10s",
    "5constructor",
    "99999d",
    "٥s",
    Symbol("s"),
    () => 5,
  ])("refuses %p with INVALID_DURATION, the name, and how to write it", (value) => {
    const error = thrown(() => parseDuration("window", value));
    expect(error).toBeInstanceOf(KitError);
    expect(error.code).toBe("INVALID_DURATION");
    expect(error.message).toContain("`window`");
    expect(error.fix).toContain("'15m'");
  });

  it.each([
    ["15 mintues", "15m"],
    ["2 hours", "2h"],
    ["100 msec", "100ms"],
    ["3 milliseconds", "3ms"],
    ["10 secs", "10s"],
    ["1 day", "1d"],
  ])("answers %s with: did you mean %s", (value, meant) => {
    expect(thrown(() => parseDuration("x", value)).message).toContain(`Did you mean '${meant}'?`);
  });

  it("gives whole milliseconds of at least 1, or a KitError, for anything", () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.double(), fc.string()), (value) => {
        let ms = 1;
        const error = caught(() => (ms = parseDuration("x", value)));
        if (error !== undefined) return error instanceof KitError;
        return Number.isSafeInteger(ms) && ms >= 1;
      }),
    );
  });
});

describe("closest", () => {
  const known = ["namespace", "deadline", "connectDeadline", "secret"];

  it.each([
    ["namspace", "namespace"],
    ["Namespace", "namespace"],
    ["connectdeadlin", "connectDeadline"],
    ["secrte", "secret"],
  ])("finds for %s: %s", (name, meant) => {
    expect(closest(name, known)).toBe(meant);
  });

  it("finds nothing where nothing is near", () => {
    expect(closest("qqqqqqqqqqqq", known)).toBeUndefined();
    expect(closest("namespace", [])).toBeUndefined();
    expect(closest("", known)).toBeUndefined();
  });

  it("finds every known name that has one letter too many", () => {
    fc.assert(
      fc.property(fc.constantFrom(...known), fc.nat(20), (name, at) => {
        const cut = Math.min(at, name.length);
        return closest(`${name.slice(0, cut)}x${name.slice(cut)}`, known) === name;
      }),
    );
  });
});

describe("show", () => {
  it("prints any value in one short line", () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.string({ minLength: 100 })), (value) => {
        const text = show(value);
        return text.length < 400 && !/[\r\n]/.test(text);
      }),
    );
  });
});

describe("docs/errors.md", () => {
  const file = resolve(__dirname, "../../docs/errors.md");
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";

  it.each([...ERROR_CODES])("explains %s under a heading of its own", (code) => {
    expect(text.split("\n").map((line) => line.trim())).toContain(`## ${code}`);
  });

  it("has no heading for a code that does not exist", () => {
    const headings = [...text.matchAll(/^## ([A-Z][A-Z_]+)$/gm)].map(([, code]) => code);
    expect(headings.filter((code) => !(ERROR_CODES as readonly string[]).includes(code!))).toEqual(
      [],
    );
  });

  it("is where an error points to", () => {
    const error = new KitError("KIT_CLOSED", { message: "m", fix: "f" });
    expect(error.docs).toBe("docs/errors.md#kit_closed");
  });
});
