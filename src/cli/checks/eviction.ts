/** Whether the server may throw away what the kit relies on. */
import { ask, type Info, type Server } from "../ask.ts";
import type { Check } from "../examination.ts";
import { cannotTell, type Finding, note, ok, warning, worst } from "../finding.ts";
import { bytes, plural } from "../figures.ts";

interface Limits {
  readonly policy: string;
  /** Bytes, 0 for no limit; undefined where the server does not say. */
  readonly maxmemory: number | undefined;
  /** Keys, since the server's start. */
  readonly evicted: number;
}

async function limitsOf({ sender }: Server, info: Info | undefined): Promise<Limits | string> {
  const maxmemory = info?.number("maxmemory");
  const evicted = info?.number("evicted_keys") ?? 0;
  const told = info?.text("maxmemory_policy");
  if (told !== undefined) return { policy: told, maxmemory, evicted };
  const { reply, denied } = await ask<string[]>(sender, ["CONFIG", "GET", "maxmemory-policy"]);
  if (denied !== undefined) return denied;
  const policy = reply[1];
  return policy === undefined
    ? "the server tells no maxmemory-policy"
    : { policy, maxmemory, evicted };
}

/** Every key of the kit has a TTL: to `volatile-lru`, `-lfu` and `-random` all of them are prey, as to `allkeys-*`. */
const HARMLESS = new Set(["noeviction", "volatile-ttl"]);

const WHY =
  "All that the kit stores has a TTL, so it goes like any cache entry: an evicted session or user's Set signs that user out, and an evicted limit starts from zero.";
const FIX_POLICY =
  "CONFIG SET maxmemory-policy noeviction (and in redis.conf); or volatile-ttl, which takes counters and cache entries before sessions, since they end sooner. If other data needs this policy, give the kit a server of its own.";
const FIX_SPACE =
  "Raise maxmemory, or store less: the checks 'keys' and 'memory' tell what fills it.";

function judge({ policy, maxmemory, evicted }: Limits): Finding {
  const data = { policy, maxmemory: maxmemory ?? null, evicted };
  const isHarmless = HARMLESS.has(policy);
  if (!isHarmless || evicted > 0) {
    const limit = maxmemory === 0 ? ", without effect until maxmemory is set" : "";
    return warning(eviction, {
      detail: `maxmemory-policy is ${policy}${limit}; ${evicted === 0 ? "no keys" : plural(evicted, "key")} evicted so far.`,
      why: WHY,
      fix: isHarmless ? FIX_SPACE : FIX_POLICY,
      data,
    });
  }
  if (maxmemory === 0) {
    const detail = `${policy}; maxmemory is not set, so Redis may grow until the machine's memory ends`;
    return note(eviction, detail, data);
  }
  const limit = maxmemory === undefined ? "" : `, maxmemory ${bytes(maxmemory)}`;
  return ok(eviction, `${policy}${limit}`, data);
}

/** The worst of all servers. */
export const eviction: Check = {
  id: "eviction",
  title: "eviction",
  run: async ({ servers }) => {
    const limits = await Promise.all(servers.map((one) => limitsOf(one, one.info.reply)));
    return worst(
      limits.map((one) => (typeof one === "string" ? cannotTell(eviction, one) : judge(one))),
    );
  },
};
