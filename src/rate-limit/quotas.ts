/** The quotas of a limiter: from `limit`, `window` and `burst`, or from a list of `windows`. */
import type { Request, Response } from "express";
import { KitError } from "../errors.ts";
import { checkOptions, invalidOption, parseCount, parseDuration } from "../validate.ts";
import type { Quota } from "./algorithms/algorithm.ts";
import type { AlgorithmName, RateLimitOptions, WindowOptions } from "./options.ts";

/** The quotas of every request, or what answers those of one. */
export type Quotas =
  | readonly Quota[]
  | ((request: Request, response: Response) => Promise<readonly Quota[]>);

/** More would make a key that nobody reads any more. */
const MOST_WINDOWS = 8;

/** Reads the options that say how many requests are allowed. */
export function parseQuotas(
  options: RateLimitOptions,
  algorithm: AlgorithmName,
  standard: { limit: number; window: number },
): Quotas {
  const { windows, burst } = options;
  if (burst !== undefined && algorithm !== "token-bucket") {
    throw new KitError("INVALID_OPTION", {
      message: `\`burst\` has no effect on the algorithm '${algorithm}'.`,
      fix: "Pass `algorithm: 'token-bucket'`, or leave `burst` out.",
    });
  }
  if (windows !== undefined) return parseWindowsOption(options, algorithm);
  const window = parseDuration("window", onlyOne(options, "window", "windowMs") ?? standard.window);
  const limit = onlyOne(options, "limit", "max") ?? standard.limit;
  if (typeof limit !== "function") return [quotaOf({ limit, window, burst }, "")];
  const ask = limit as Exclude<RateLimitOptions["limit"], number | undefined>;
  return async (request, response) => [
    quotaOf({ limit: await ask(request, response), window, burst }, "what limit() answered: "),
  ];
}

function parseWindowsOption(options: RateLimitOptions, algorithm: AlgorithmName): Quotas {
  const { windows } = options;
  const other = (["limit", "max", "window", "windowMs", "burst"] as const).find(
    (name) => options[name] !== undefined,
  );
  if (other !== undefined) {
    throw new KitError("INVALID_OPTION", {
      message: `\`windows\` and \`${other}\` both say how many requests are allowed.`,
      fix: `Put \`${other}\` into one of the \`windows\`: windows: [{ limit: 5, window: '1m' }, { limit: 100, window: '1d' }].`,
    });
  }
  if (algorithm === "fixed-window") throw notWithFixedWindow("windows");
  if (typeof windows !== "function") return parseWindows("windows", windows, algorithm);
  return async (request, response) =>
    parseWindows("windows()", await windows(request, response), algorithm);
}

/** The error for what rate-limit-redis cannot do. */
export function notWithFixedWindow(name: string): KitError {
  return new KitError("INVALID_OPTION", {
    message: `\`${name}\` has no effect on the algorithm 'fixed-window', which is rate-limit-redis's: one window, one request at a time.`,
    fix: "Leave `algorithm` out, or choose 'token-bucket'.",
  });
}

function parseWindows(name: string, windows: unknown, algorithm: AlgorithmName): Quota[] {
  if (!Array.isArray(windows) || windows.length === 0 || windows.length > MOST_WINDOWS) {
    throw invalidOption(name, windows, `a list of 1 to ${MOST_WINDOWS} windows`);
  }
  const quotas = windows.map((each: WindowOptions, index) => {
    const where = `${name}[${index}]`;
    const known = algorithm === "token-bucket" ? ["limit", "window", "burst"] : ["limit", "window"];
    checkOptions(where, each, known);
    return quotaOf(each, `${where}.`);
  });
  const lengths = new Set(quotas.map(({ window }) => window));
  if (lengths.size < quotas.length) {
    throw invalidOption(name, windows, "a list of windows that all differ in length");
  }
  return quotas;
}

function quotaOf(
  { limit, window, burst }: { limit: unknown; window: unknown; burst?: unknown },
  where: string,
): Quota {
  const most = parseCount(`${where}limit`, limit, 0);
  const atOnce = burst === undefined ? most : parseCount(`${where}burst`, burst, 1);
  const quota = {
    limit: most,
    window: parseDuration(`${where}window`, window),
    burst: most === 0 ? 0 : atOnce, // Nothing is allowed, so nothing at once either.
  };
  // Levels are counted in requests × milliseconds, and have to stay whole numbers.
  if (Number.isSafeInteger(Math.max(quota.limit, quota.burst) * quota.window)) return quota;
  throw invalidOption(
    `${where}limit`,
    limit,
    "so many requests that times `window` they are below 2^53",
  );
}

/** Reads an option that has two names. */
export function onlyOne(
  options: RateLimitOptions,
  name: keyof RateLimitOptions,
  other: keyof RateLimitOptions,
): unknown {
  if (options[name] !== undefined && options[other] !== undefined) {
    throw new KitError("INVALID_OPTION", {
      message: `\`${name}\` and \`${other}\` are two names of one option, and both are given.`,
      fix: `Keep \`${name}\`.`,
    });
  }
  return options[name] ?? options[other];
}

/** What the header fields call each quota: the policy's name, with its seconds where there are several. */
export function namesOf(name: string, quotas: readonly Quota[]): readonly string[] {
  if (quotas.length === 1) return [name];
  return quotas.map(({ window }) => `${name}-${window / 1000}`);
}
