/** Checks of what a user passed, made once at construction: known names, durations, ranges. */
import { KitError } from "./errors.ts";

/** Milliseconds, or a number with a unit: `'500ms'`, `'90s'`, `'15m'`, `'12h'`, `'7d'`. */
export type Duration = number | string;

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type Unit = keyof typeof UNITS;

/** Nobody means a longer one: 10 years. */
const LONGEST = 3650 * UNITS.d;

/** setTimeout fires at once for more than this (2^31 - 1 ms, 24.8 days). */
export const LONGEST_TIMER: number = 2 ** 31 - 1;

function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}

/** The known name that a misspelt one most likely meant. */
export function closest(name: string, known: Iterable<string>): string | undefined {
  const wanted = name.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const away = distance(wanted, candidate.toLowerCase());
    if (away < bestDistance) [best, bestDistance] = [candidate, away];
  }
  return best;
}

/** Prints a value as it would stand in code, short enough for a message. */
export function show(value: unknown): string {
  // What stands before an @ may be a password.
  if (typeof value === "string") {
    return JSON.stringify(value.replace(/^.*@/s, "…@").slice(0, 60));
  }
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null)
    return Array.isArray(value) ? "an array" : "an object";
  return String(value);
}

/** An `INVALID_OPTION` error in the one wording that all of them share. */
export function invalidOption(name: string, value: unknown, expected: string): KitError {
  return new KitError("INVALID_OPTION", {
    message: `Option \`${name}\` is ${show(value)}, but must be ${expected}.`,
    fix: `Pass ${expected} as \`${name}\`.`,
  });
}

/** Refuses an options value that is no object, or holds a name that `known` lacks. */
export function checkOptions(where: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw invalidOption(where, options, "an object of options");
  }
  for (const [name, value] of Object.entries(options)) {
    if (value === null) {
      throw new KitError("INVALID_OPTION", {
        message: `Option \`${name}\` of ${where} is null.`,
        fix: "Give it a value, or leave it out.",
      });
    }
    if (known.includes(name)) continue;
    const meant = closest(name, known);
    throw new KitError("UNKNOWN_OPTION", {
      message: `${where} has no option \`${name}\`.${meant ? ` Did you mean \`${meant}\`?` : ""}`,
      fix: meant ? `Write \`${meant}\`, or remove it.` : `Known options: ${known.join(", ")}.`,
    });
  }
}

/**
 * Reads a {@link Duration} as whole milliseconds.
 *
 * @throws KitError `INVALID_DURATION` for anything that is not a positive, finite length of time.
 */
export function parseDuration(name: string, value: unknown, longest: number = LONGEST): number {
  const text = typeof value === "string" ? value.trim() : "";
  const [, amount, unit] = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text) ?? [];
  const factor = unit === undefined ? undefined : UNITS[unit.toLowerCase() as Unit];
  const length =
    typeof value === "number"
      ? value
      : amount !== undefined && factor !== undefined
        ? Number(amount) * factor
        : Number.NaN;
  if (length >= 1 && length <= longest) return Math.round(length);
  throw new KitError("INVALID_DURATION", {
    message: `\`${name}\` is ${show(value)}, which is no length of time.${meantUnit(amount, unit)}`,
    fix: `Pass milliseconds (from 1 to ${longest}), or a number with ms, s, m, h or d: '90s', '15m', '12h'.`,
  });
}

function meantUnit(amount: string | undefined, unit: string | undefined): string {
  if (amount === undefined || unit === undefined) return "";
  const first =
    unit.toLowerCase().startsWith("ms") || /^mil/i.test(unit) ? "ms" : unit[0]!.toLowerCase();
  return first in UNITS ? ` Did you mean '${amount}${first}'?` : "";
}

/** Reads a whole number of at least `least`. */
export function parseCount(name: string, value: unknown, least = 1): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= least) return value;
  throw invalidOption(name, value, `a whole number of at least ${least}`);
}

/** Reads one of a closed list of words. */
export function parseChoice<T extends string>(
  name: string,
  value: unknown,
  choices: readonly T[],
): T {
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  const meant = typeof value === "string" ? closest(value, choices) : undefined;
  throw new KitError("INVALID_OPTION", {
    message: `Option \`${name}\` is ${show(value)}.${meant ? ` Did you mean '${meant}'?` : ""}`,
    fix: `Pass one of ${choices.map((choice) => `'${choice}'`).join(", ")}.`,
  });
}

/** Reads a list of non-empty strings, frozen. */
export function parseNames(name: string, value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.some((item) => typeof item !== "string" || item === "")) {
    throw invalidOption(name, value, "an array of non-empty strings");
  }
  return Object.freeze([...(value as string[])]);
}

/** Reads a function, or nothing. */
export function parseFunction(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "function") {
    throw invalidOption(name, value, "a function");
  }
}

/** One secret or several; the first signs, all verify. */
export function parseSecrets(name: string, value: unknown): readonly string[] {
  const secrets = Array.isArray(value) ? value : [value];
  if (
    secrets.length > 0 &&
    secrets.every((secret) => typeof secret === "string" && secret !== "")
  ) {
    return Object.freeze([...(secrets as string[])]);
  }
  throw new KitError("INVALID_OPTION", {
    message: `\`${name}\` must be a non-empty string, or an array of them.`,
    fix: "Make one with `openssl rand -base64 32`, and put new ones first.",
  });
}
