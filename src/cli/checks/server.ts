/** Which server answers, and in which version. */
import { type Info, named, type Server } from "../ask.ts";
import type { Check } from "../examination.ts";
import { cannotTell, failure, ok } from "../finding.ts";

/** `SET … PX` with NX or XX and ACLs are older; what the kit is tested with starts here. */
const OLDEST = [6, 2] as const;

function versionOf(info: Info): { product: "Redis" | "Valkey"; version: string | undefined } {
  const valkey = info.text("valkey_version");
  if (valkey !== undefined) return { product: "Valkey", version: valkey };
  return { product: "Redis", version: info.text("redis_version") };
}

function isOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
}

/** Why one of the servers tells nothing of itself; undefined where all do. */
export function unanswered(servers: readonly Server[]): string | undefined {
  const silent = servers.find(({ info }) => info.denied !== undefined);
  return silent && named(silent, silent.info.denied!);
}

/** The version of every server, and how the first is run. */
export const server: Check = {
  id: "server",
  title: "server",
  run: async ({ servers }) => {
    const denied = unanswered(servers);
    if (denied !== undefined) return cannotTell(server, denied);
    const info = servers[0]!.info.reply!;
    const { product } = versionOf(info);
    const all = servers.map((one) => versionOf(one.info.reply!).version);
    const versions = [...new Set(all.filter((version) => version !== undefined))];
    const mode = info.text("redis_mode") ?? info.text("server_mode") ?? "standalone";
    const data = { product, versions, mode, uptime: info.number("uptime_in_seconds") ?? null };
    if (versions.length === 0) return cannotTell(server, "INFO does not tell the version", data);
    const old = versions.find(isOld);
    if (old === undefined) return ok(server, `${product} ${versions.join(", ")}, ${mode}`, data);
    return failure(server, {
      detail: `${product} ${old} is older than ${OLDEST.join(".")}.`,
      why: "Nobody has tried the kit with it: it is tested with Redis from 6.2 on, and with Valkey.",
      fix: "Upgrade the server.",
      data,
    });
  },
};
