/** How much memory the servers use, and how near that is to the end. */
import { type Info, named } from "../ask.ts";
import type { Check } from "../examination.ts";
import { cannotTell, failure, type Finding, ok, warning } from "../finding.ts";
import { bytes, percent } from "../figures.ts";
import { unanswered } from "./server.ts";

/** A share of the limit. */
const NEAR = 0.8;
/** Bytes below which the allocator's own pages make any ratio look bad. */
const SMALL = 100 * 1024 * 1024;
const FRAGMENTED = 1.5;

interface Usage {
  readonly used: number;
  readonly peak: number;
  readonly rss: number;
  /** `maxmemory`, else what the machine has; 0 where neither is told. */
  readonly limit: number;
  readonly fragmentation: number | undefined;
  readonly policy: string | undefined;
}

function usageOf(info: Info): Usage {
  return {
    used: info.number("used_memory") ?? 0,
    peak: info.number("used_memory_peak") ?? 0,
    rss: info.number("used_memory_rss") ?? 0,
    limit: info.number("maxmemory") || (info.number("total_system_memory") ?? 0),
    fragmentation: info.number("mem_fragmentation_ratio"),
    policy: info.text("maxmemory_policy"),
  };
}

const WHY_FULL =
  "A full Redis refuses writes (OOM) or evicts keys: limits are then counted in each process, logins are answered 503, nothing is cached.";
const FIX_FULL =
  "The checks 'time to live' and 'keys' tell what fills it: delete what is not needed, or raise maxmemory.";

function shareOf({ used, limit }: Usage): number {
  return limit === 0 ? 0 : used / limit;
}

function judge(usage: Usage, describe: (text: string) => string): Finding {
  const { used, peak, rss, limit, fragmentation, policy } = usage;
  const share = shareOf(usage);
  const of = limit === 0 ? "" : ` (${percent(share)} of ${bytes(limit)})`;
  const data = { ...usage, share };
  // In a server that holds little, the ratio says nothing.
  const ratio =
    fragmentation === undefined || used < SMALL ? "" : `, fragmentation ${fragmentation}`;
  const detail = describe(`${bytes(used)} used${of}, peak ${bytes(peak)}${ratio}`);
  if (share >= 1 && policy === "noeviction") {
    const trouble = { why: WHY_FULL, fix: FIX_FULL, data };
    return failure(memory, { detail: `${detail}: it refuses writes now.`, ...trouble });
  }
  if (share >= NEAR) {
    return warning(memory, { detail: `${detail}.`, why: WHY_FULL, fix: FIX_FULL, data });
  }
  if (used >= SMALL && (fragmentation ?? 0) > FRAGMENTED) {
    return warning(memory, {
      detail: `${detail}.`,
      why: `The process holds ${bytes(rss)} for ${bytes(used)} of data: the difference is lost to gaps between values.`,
      fix: "CONFIG SET activedefrag yes, or restart the server at a quiet hour.",
      data,
    });
  }
  return ok(memory, detail, data);
}

/** The fullest server. */
export const memory: Check = {
  id: "memory",
  title: "memory",
  run: async ({ servers }) => {
    const denied = unanswered(servers);
    if (denied !== undefined) return cannotTell(memory, denied);
    const usages = servers.map((one) => ({ one, usage: usageOf(one.info.reply!) }));
    const [fullest] = usages.toSorted((a, b) => shareOf(b.usage) - shareOf(a.usage));
    if (fullest!.usage.used === 0) return cannotTell(memory, "INFO does not tell the memory");
    return judge(fullest!.usage, (text) => named(fullest!.one, text));
  },
};
