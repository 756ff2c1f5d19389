/** Options that `cache()` and `cache.wrap()` share, checked once. */
import {
  type CacheSettings,
  type MemoryOptions,
  type MemoryPlan,
  parseMemory,
} from "../config/cache-defaults.ts";
import {
  checkOptions,
  type Duration,
  LONGEST_TIMER,
  parseCount,
  parseDuration,
} from "../validate.ts";

/** How long something is kept. */
export interface LifeOptions {
  /** How long it is fresh; ±10 % is added, so that entries do not all end together. Default: `'60s'`. */
  ttl?: Duration;
  /** How long after that it may be served while it is made anew, once and in the background. Default: not at all. */
  stale?: Duration;
  /** How long after that it may stand in for an error. Default: not at all. */
  staleIfError?: Duration;
}

/** How often the same thing is made at once. */
export interface CollapseOptions {
  /** How long a request waits for another one's response before it makes its own. Default: `'5s'`. */
  wait?: Duration;
  /** How long one request's work binds the others, in all processes. Default: `'5s'`. */
  age?: Duration;
}

/** How the engine works. */
export interface EngineOptions {
  /** Of concurrent misses one makes the response, in all processes. `false`: each does. */
  collapse?: false | CollapseOptions;
  /** Keeps entries in this process's memory, too. Default: `createKit({ cache: { memory } })`, or none. */
  memory?: MemoryOptions;
  /** The longest body that is stored, in bytes. Default: 1 MiB. */
  maxBytes?: number;
}

/** {@link LifeOptions} in milliseconds, 0 for not at all. */
export interface Life {
  readonly ttl: number;
  readonly stale: number;
  readonly staleIfError: number;
}

/** {@link EngineOptions}, resolved. Times are milliseconds. */
export interface EnginePlan {
  readonly collapse: { readonly wait: number; readonly age: number } | undefined;
  readonly memory: MemoryPlan | undefined;
  readonly maxBytes: number;
}

/** How long something is fresh of which nobody says it. */
export const STANDARD_TTL = "60s";

/** Reads {@link LifeOptions}. */
export function parseLife({ ttl = STANDARD_TTL, stale, staleIfError }: LifeOptions): Life {
  return Object.freeze({
    ttl: parseDuration("ttl", ttl),
    stale: stale === undefined ? 0 : parseDuration("stale", stale),
    staleIfError: staleIfError === undefined ? 0 : parseDuration("staleIfError", staleIfError),
  });
}

function parseCollapse(collapse: EngineOptions["collapse"] = {}): EnginePlan["collapse"] {
  if (collapse === false) return undefined;
  checkOptions("collapse", collapse, ["wait", "age"]);
  return Object.freeze({
    wait: parseDuration("collapse.wait", collapse.wait ?? "5s", LONGEST_TIMER),
    age: parseDuration("collapse.age", collapse.age ?? "5s", LONGEST_TIMER),
  });
}

/** Reads {@link EngineOptions}. */
export function parseEngine(options: EngineOptions, { memory }: CacheSettings): EnginePlan {
  return {
    collapse: parseCollapse(options.collapse),
    memory: options.memory === undefined ? memory : parseMemory(options.memory),
    maxBytes: parseCount("maxBytes", options.maxBytes ?? 1024 * 1024),
  };
}
