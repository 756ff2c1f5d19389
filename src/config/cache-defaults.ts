/** What holds for every `cache()` of a kit that does not say otherwise. */
import {
  checkOptions,
  type Duration,
  invalidOption,
  parseCount,
  parseDuration,
} from "../validate.ts";

/** Whom a stored response may be served to: everyone whom the middleware before let through, or one user. */
export type DefaultScope = "public" | "user";

/** The tier in this process's memory, before Redis. */
export interface MemoryOptions {
  /** Entries; the least recently used goes. Default: 1000. */
  max?: number;
  /** How old what is served from memory may be. Default: `'5s'`. */
  ttl?: Duration;
}

/** {@link MemoryOptions}, resolved. */
export interface MemoryPlan {
  readonly max: number;
  /** Milliseconds. */
  readonly ttl: number;
}

/** Defaults for every `cache()`. */
export interface CacheDefaults {
  /** See `scope` of `cache()`. Default: only requests that carry nothing personal share. */
  scope?: DefaultScope;
  /** See `memory` of `cache()`. Default: none. */
  memory?: MemoryOptions;
}

/** {@link CacheDefaults}, resolved. */
export interface CacheSettings {
  readonly scope: DefaultScope | undefined;
  readonly memory: MemoryPlan | undefined;
}

/** Reads the option `memory`. */
export function parseMemory(options: MemoryOptions | undefined): MemoryPlan | undefined {
  if (options === undefined) return undefined;
  checkOptions("memory", options, ["max", "ttl"]);
  return Object.freeze({
    max: parseCount("memory.max", options.max ?? 1000),
    ttl: parseDuration("memory.ttl", options.ttl ?? "5s"),
  });
}

/** Reads `createKit({ cache })`. */
export function parseCacheDefaults(defaults: CacheDefaults = {}): CacheSettings {
  checkOptions("createKit().cache", defaults, ["scope", "memory"]);
  const { scope } = defaults;
  if (scope !== undefined && scope !== "public" && scope !== "user") {
    throw invalidOption("cache.scope", scope, "'public' or 'user'");
  }
  return Object.freeze({ scope, memory: parseMemory(defaults.memory) });
}
