/** Which deployment is configured, and where: options, then Upstash, then `REDIS_URL`, then nothing. */
import { KitError } from "../errors.ts";
import type { ParsedRedis } from "./redis-options.ts";
import { freezeTarget, type Target } from "./redis-target.ts";
import { ASKED_LATER, parseRedisUrl } from "./redis-url.ts";

/** Environment variables. */
export type Env = Readonly<Record<string, string | undefined>>;

/** The `source` of a configuration that nobody made. */
export const NOTHING = "nothing configured";

/** Reads a variable; one that is set but blank counts as not set. */
export function variable(env: Env, name: string): string | undefined {
  return env[name]?.trim() || undefined;
}

/** A target, and where it was configured. */
export interface Chosen {
  readonly target: Target;
  readonly source: string;
}

/**
 * Finds the target.
 *
 * @throws KitError `REDIS_NOT_CONFIGURED`, `INVALID_REDIS_URL`, `INVALID_ENVIRONMENT`
 */
export function chooseTarget(
  isMemoryAsked: boolean,
  redis: ParsedRedis,
  env: Env,
  mayBeMemory: boolean,
): Chosen {
  if (redis.client !== undefined) {
    return { target: freezeTarget(redis.client), source: "options" };
  }
  if (redis.url !== undefined) {
    const target = parseRedisUrl(redis.url, "The option `redis`", givenToken(redis));
    return { target, source: "options" };
  }
  const configured = isMemoryAsked ? undefined : targetOfEnvironment(env, givenToken(redis));
  if (configured) return configured;
  if (mayBeMemory)
    return { target: { kind: "memory" }, source: isMemoryAsked ? "options" : NOTHING };
  throw new KitError("REDIS_NOT_CONFIGURED", {
    message: isMemoryAsked
      ? "`redis: false` asks for memory, which production cannot run on: every instance would count and remember for itself."
      : "No Redis is configured, and production cannot run in memory: every instance would count and remember for itself.",
    fix: "Set REDIS_URL=rediss://…, or UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN, or pass createKit({ redis }).",
  });
}

function givenToken({ credentials, token }: ParsedRedis) {
  return credentials ? ASKED_LATER : token;
}

function targetOfEnvironment(env: Env, given: ReturnType<typeof givenToken>): Chosen | undefined {
  for (const prefix of ["UPSTASH_REDIS_REST", "KV_REST_API"]) {
    const url = variable(env, `${prefix}_URL`);
    const token = variable(env, `${prefix}_TOKEN`);
    if (url !== undefined && given === ASKED_LATER) {
      return { target: parseRedisUrl(url, `${prefix}_URL`, given), source: `${prefix}_URL` };
    }
    if (url !== undefined && token !== undefined) {
      return { target: parseRedisUrl(url, `${prefix}_URL`, token), source: `${prefix}_URL` };
    }
    if (url === undefined && token === undefined) continue;
    const missing = `${prefix}_${url === undefined ? "URL" : "TOKEN"}`;
    throw new KitError("INVALID_ENVIRONMENT", {
      message: `${missing} is missing, while its other half is set.`,
      fix: `Set ${missing} too, or remove the other.`,
    });
  }
  const url = variable(env, "REDIS_URL");
  if (url === undefined) return undefined;
  return {
    target: parseRedisUrl(url, "REDIS_URL", given ?? variable(env, "REDIS_TOKEN")),
    source: "REDIS_URL",
  };
}
